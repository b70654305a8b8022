//! The report's JSON, byte for byte as docs show it.

use super::*;

fn total(count: u64, sum: i128) -> Total {
    Total { count, sum, min: 1120, max: 9990, revenue: sum, ..Total::EMPTY }
}

/// The report of the demo in the documentation, for other tests too.
pub(crate) fn demo() -> Report {
    let overall = total(196, 1_273_551);
    let product = total(31, 186_000);
    let value = vec![CurrencyAmount::new(Currency::USD, 21_010)];
    let by_class = vec![ClassTotal { class: "transient".to_owned(), count: 4, value: value.clone() }];
    Report {
        pipeline: "demo".to_owned(),
        produced: Some(Produced {
            acknowledged: 200,
            failed: 0,
            latency_milliseconds: Some(Latency { p50: 1.2, p99: 4.0 }),
        }),
        consumed: Some(Consumed {
            records: 200,
            succeeded: 196,
            dead_lettered: 4,
            skipped: 0,
            retries: 41,
            retries_by_number: vec![29, 8, 4],
        }),
        overall: Some(vec![CurrencyTotal::new(Currency::USD, &overall)]),
        products: Some(vec![ProductTotal {
            product: "P1".to_owned(),
            total: CurrencyTotal::new(Currency::USD, &product),
        }]),
        dead_letters: Some(DeadLetterTotals { count: 4, value, value_unknown: 0, by_class }),
        handled: None,
        seconds: 11.4,
    }
}

#[test]
fn a_demo_reports_exactly_what_the_documentation_shows() {
    let json = serde_json::to_string(&demo()).expect("a report is JSON");
    let expected = concat!(
        r#"{"pipeline":"demo","#,
        r#""produced":{"acknowledged":200,"failed":0,"latencyMilliseconds":{"p50":1.2,"p99":4.0}},"#,
        r#""consumed":{"records":200,"succeeded":196,"deadLettered":4,"skipped":0,"retries":41,"retriesByNumber":[29,8,4]},"#,
        r#""overall":[{"currency":"USD","count":196,"sum":"12735.51","average":"64.9771","min":"11.20","max":"99.90","#,
        r#""revenue":"12735.51"}],"#,
        r#""products":[{"product":"P1","currency":"USD","count":31,"sum":"1860.00","average":"60.0000","min":"11.20","#,
        r#""max":"99.90","revenue":"1860.00"}],"#,
        r#""deadLetters":{"count":4,"value":[{"currency":"USD","value":"210.10"}],"valueUnknown":0,"#,
        r#""byClass":[{"class":"transient","count":4,"value":[{"currency":"USD","value":"210.10"}]}]},"#,
        r#""seconds":11.4}"#,
    );
    assert_eq!(json, expected);
}

#[test]
fn a_command_leaves_out_what_it_did_not_do() {
    let report = Report {
        pipeline: "orders".to_owned(),
        produced: Some(Produced { acknowledged: 0, failed: 2, latency_milliseconds: None }),
        seconds: 0.123_456,
        ..Report::default()
    };
    let json = serde_json::to_string(&report).expect("a report is JSON");
    assert_eq!(json, r#"{"pipeline":"orders","produced":{"acknowledged":0,"failed":2},"seconds":0.123}"#);
}

#[test]
fn a_consumer_reports_how_fast_it_was() {
    let handled = Handled {
        taken_in_seconds: 0.5,
        resolved_seconds: 7.512_34,
        latency_milliseconds: Some(Latency { p50: 5.0, p99: 7.0 }),
        retry_delay_milliseconds: None,
    };
    let json = serde_json::to_string(&handled).expect("a report is JSON");
    let expected = r#"{"takenInSeconds":0.5,"resolvedSeconds":7.512,"latencyMilliseconds":{"p50":5.0,"p99":7.0}}"#;
    assert_eq!(json, expected);
}

#[test]
fn amounts_have_the_decimals_of_their_currency() {
    let figures = Total { count: 2, sum: 301, min: 150, max: 151, revenue: 602, ..Total::EMPTY };
    let total = |code: &[u8]| CurrencyTotal::new(Currency::parse(code).expect("a code"), &figures);
    let (yen, dinar) = (total(b"JPY"), total(b"BHD"));
    assert_eq!((yen.sum.as_str(), yen.average.as_str(), yen.min.as_str()), ("301", "150.5000", "150"));
    assert_eq!((dinar.sum.as_str(), dinar.average.as_str(), dinar.revenue.as_str()), ("0.301", "0.1505", "0.602"));
}

#[test]
fn totals_are_sorted_by_product_and_added_up_by_currency() {
    let mut totals = Totals::new();
    for (product, price_minor) in [("P2", 200), ("P10", 100), ("P2", 100)] {
        let currency = *Currency::USD.as_bytes();
        totals.add(engine::totals::Sale { product: product.as_bytes(), currency, price_minor, quantity: 2 });
    }
    let products = ProductTotal::products(&totals);
    let names: Vec<&str> = products.iter().map(|total| total.product.as_str()).collect();
    assert_eq!((names, products[1].total.average.as_str()), (vec!["P10", "P2"], "1.5000"));
    let overall = CurrencyTotal::overall(&totals);
    assert_eq!((overall.len(), overall[0].sum.as_str(), overall[0].revenue.as_str()), (1, "4.00", "8.00"));
}

#[test]
fn no_orders_are_zeros() {
    let nothing = CurrencyTotal::new(Currency::USD, &Total::EMPTY);
    assert_eq!((nothing.min.as_str(), nothing.max.as_str(), nothing.average.as_str()), ("0.00", "0.00", "0.0000"));
}
