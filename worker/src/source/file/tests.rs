//! Inputs as people save them, and as nobody should.

use super::*;
use proptest::prelude::*;
use std::error::Error as _;

fn open(text: &[u8], format: InputFormat) -> Result<OrderFile, Error> {
    OrderFile::read("orders.csv".to_owned(), Box::new(io::Cursor::new(text.to_vec())), Some(format))
}

/// Every order as `key id product price currency quantity time`, every bad line as its message.
fn read(text: &[u8], format: InputFormat) -> Vec<String> {
    let mut file = open(text, format).expect("the header is good");
    let mut seen = Vec::new();
    loop {
        seen.push(match file.advance().expect("memory can be read") {
            Step::End => return seen,
            Step::Later => continue,
            Step::Bad(bad) => format!("{bad}: {}", bad.source),
            Step::Order => {
                let Draft { order, key } = file.draft();
                let price = order.price.amount(order.currency);
                let (quantity, time) = (order.quantity, order.created_at_milliseconds);
                let key = String::from_utf8_lossy(key);
                format!("{key} {} {} {price} {} {quantity} {time}", order.order_id, order.product, order.currency)
            }
        });
    }
}

fn csv(text: &str) -> Vec<String> {
    read(text.as_bytes(), InputFormat::Csv)
}

fn refusal(text: &[u8]) -> String {
    let error = open(text, InputFormat::Csv).expect_err("the header is bad");
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[test]
fn the_three_columns_are_enough_and_the_rest_has_defaults() {
    assert_eq!(
        csv("orderId,product,price\n1001,P7,55\n1002,P8,0.5\n"),
        ["1001 1001 P7 55.00 USD 1 0", "1002 1002 P8 0.50 USD 1 0"]
    );
}

#[test]
fn columns_are_found_by_name_in_any_order_and_others_are_passed_over() {
    let text = "region,price,key,createdAt,currency,product,quantity,orderId\n\
                north,1500,customer-1,2026-11-21T10:00:00Z,JPY,P1,3,1001\n\
                north,1500,,1732183200000,,P1,,1002\n";
    assert_eq!(csv(text), ["customer-1 1001 P1 1500 JPY 3 1795255200000", "1002 1002 P1 1500.00 USD 1 1732183200000"]);
}

#[test]
fn files_of_spreadsheets_are_read() {
    let text = "\u{feff}orderId, product ,price\r\n\"1001\",\"big, \"\"red\"\" box\", 12.30 \r\n\r\n1002,Ö,7";
    assert_eq!(csv(text), ["1001 1001 big, \"red\" box 12.30 USD 1 0", "1002 1002 Ö 7.00 USD 1 0"]);
}

#[test]
fn a_bad_price_is_named_with_its_line_and_the_rest_goes_on() {
    let mut text = "orderId,product,price\n".to_owned();
    (2..=8).for_each(|line| text.push_str(&format!("{line},P1,{}\n", if line == 7 { "12,50" } else { "12.50" })));
    let seen = csv(&text.replace("12,50", "\"12,50\""));
    let expected = "orders.csv, line 7: price \"12,50\": price is not a number; write it like 12.34";
    assert_eq!((seen.len(), seen[5].as_str()), (7, expected));
}

#[test]
fn every_bad_value_has_its_message() {
    let cases = [
        ("1,P1,NaN", "price \"NaN\": price is not a number; write it like 12.34"),
        ("1,P1,-5", "price \"-5\": price is negative"),
        ("1,P1,1.005", "price \"1.005\": price has more than the 2 decimals its currency has"),
        (
            "1,P1,99999999999999999999",
            "price \"99999999999999999999\": price is above 90000000000000, the largest that is kept exactly",
        ),
        ("1,P1,", "price is empty"),
        (" ,P1,5", "orderId is empty"),
        ("1,\"\",5", "product is empty"),
        ("1,P1", "2 fields where the header names 3"),
        ("1,P1,5,6", "4 fields where the header names 3"),
        (
            "1,\"P1,5",
            "a quote is not closed; a field may not hold a line break, and a quote in a field is written \"\"",
        ),
        ("1,P1,5\r2,P1,6", "a carriage return inside the line; lines end with LF or CRLF"),
    ];
    for (line, expected) in cases {
        let seen = csv(&format!("orderId,product,price\n{line}\n2,P2,6\n"));
        assert_eq!(seen, [format!("orders.csv, line 2: {expected}"), "2 2 P2 6.00 USD 1 0".to_owned()], "{line}");
    }
    let seen = csv("orderId,product,price,quantity,currency,createdAt\n1,P,1,0,,\n1,P,1,,usd,\n1,P,1,,,noon\n");
    assert_eq!(
        seen,
        [
            "orders.csv, line 2: quantity \"0\" is no whole number from 1 to 2147483647",
            "orders.csv, line 3: currency \"usd\" is no ISO 4217 code; write it like USD",
            "orders.csv, line 4: createdAt \"noon\" is no time; write milliseconds since 1970, or UTC like 2026-11-21T10:00:00Z",
        ]
    );
}

#[test]
fn bytes_that_are_no_text_spoil_their_line_alone() {
    let seen = read(b"orderId,product,price\n1,P\xff,5\n2,P2,6\n", InputFormat::Csv);
    assert_eq!(seen, ["orders.csv, line 2: not UTF-8; save the file as UTF-8", "2 2 P2 6.00 USD 1 0"]);
}

#[test]
fn a_line_longer_than_any_order_spoils_itself_alone() {
    let text = format!("orderId,product,price\n1,{},5\n2,P2,6\n", "x".repeat(70_000));
    assert_eq!(csv(&text), ["orders.csv, line 2: longer than 65536 bytes; no order is", "2 2 P2 6.00 USD 1 0"]);
}

#[test]
fn an_empty_file_is_refused_and_a_header_alone_is_no_order() {
    for (text, format) in [("", InputFormat::Csv), (" \n\n", InputFormat::Csv)] {
        let error = open(text.as_bytes(), format).expect_err("there is nothing");
        assert_eq!(
            error.to_string(),
            "orders.csv is empty; it needs a header orderId,product,price and a line for each order"
        );
    }
    assert!(matches!(open(b"", InputFormat::Ndjson).map(|mut file| file.advance()), Ok(Err(Error::Empty { .. }))));
    assert_eq!(csv("orderId,product,price\n"), [""; 0]);
}

#[test]
fn a_header_without_a_column_is_refused_by_its_name() {
    let start = "orders.csv, line 1 is no header; it needs orderId,product,price[,quantity,currency,createdAt,key]";
    assert_eq!(
        refusal(b"orderId,product,cost\n1,P1,5\n"),
        format!("{start}: column price is missing; the header names orderId, product, cost")
    );
    assert_eq!(
        refusal(b"orderId,product,price,price\n"),
        format!("{start}: column price is there twice; the header names orderId, product, price, price")
    );
    assert_eq!(refusal(b"\xff\xfeo\0r\0\n"), format!("{start}: the header cannot be read"));
}

#[test]
fn json_lines_are_read_with_exact_prices() {
    let text = br#"{"orderId":"1001","product":"P7","price":55.10,"region":"north"}
{"orderId":"10\u00302","product":"P8","price":"0.29","quantity":2,"currency":"EUR","createdAt":1732183200000,"key":"c1"}
{"orderId":"1003","product":"P8","price":0.1,"currency":null,"quantity":null,"createdAt":"2026-11-21T10:00:00Z"}"#;
    assert_eq!(
        read(text, InputFormat::Ndjson),
        ["1001 1001 P7 55.10 USD 1 0", "c1 1002 P8 0.29 EUR 2 1732183200000", "1003 1003 P8 0.10 USD 1 1795255200000",]
    );
}

#[test]
fn the_first_byte_tells_the_notation() {
    for text in [&b"{\"orderId\":\"1\",\"product\":\"P\",\"price\":5}"[..], b"orderId,product,price\n1,P,5"] {
        let reader = Box::new(io::Cursor::new(text.to_vec()));
        let mut file = OrderFile::read("-".to_owned(), reader, None).expect("both are good");
        assert!(matches!(file.advance(), Ok(Step::Order)));
    }
}

#[test]
fn json_that_is_no_order_is_named() {
    let text = b"{\"orderId\":\"1\",\"product\":\"P\"}\n[1]\n{\"orderId\":\"1\",\"product\":\"P\",\"price\":NaN}\n\
                 {\"orderId\":\"1\",\"product\":\"P\",\"price\":-1}\n{\"orderId\":\"\",\"product\":\"P\",\"price\":1}\n";
    let seen = read(text, InputFormat::Ndjson);
    assert!(
        seen[0].starts_with(
            "orders.csv, line 1: not a JSON object with orderId, product and price: missing field `price`"
        ),
        "{seen:?}"
    );
    assert!(seen[1].starts_with("orders.csv, line 2: not a JSON object"), "{seen:?}");
    assert!(seen[2].starts_with("orders.csv, line 3: not a JSON object"), "{seen:?}");
    assert_eq!(seen[3], "orders.csv, line 4: price \"-1\": price is negative");
    assert_eq!(seen[4], "orders.csv, line 5: orderId is empty");
}

#[test]
fn a_missing_file_is_named() {
    let error = OrderFile::open(&Input::File("/no/such.csv".into()), None).expect_err("there is none");
    assert_eq!(
        error.to_string(),
        "cannot open /no/such.csv; name a readable CSV or NDJSON file, or - for standard input"
    );
}

/// Bytes that look like CSV or JSON more often than chance would have it.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte =
        prop_oneof![4 => proptest::sample::select(b"\",\r\n{}[]:.-019eE \\uP\xff\xc3".to_vec()), 1 => any::<u8>()];
    proptest::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn no_bytes_make_a_csv_reader_panic_or_hang(bytes in likely_bytes()) {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
        let seen = read(&[b"orderId,product,price,quantity\n", &bytes[..]].concat(), InputFormat::Csv);
        prop_assert!(seen.len() <= lines);
        let _whatever = open(&bytes, InputFormat::Csv).is_ok();
    }

    #[test]
    fn no_bytes_make_a_json_reader_panic_or_hang(bytes in likely_bytes()) {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
        let seen = read(&[b"{\"orderId\":\"1\",\"product\":\"P\",\"price\":1}\n", &bytes[..]].concat(), InputFormat::Ndjson);
        prop_assert!((1..=lines + 1).contains(&seen.len()));
    }

    #[test]
    fn what_csv_writers_quote_is_read_back(id in "[ -~ö]{1,12}", product in "[ -~ö]{1,12}", cents in 0_i64..10_000_000) {
        prop_assume!(!id.trim_ascii().is_empty() && !product.trim_ascii().is_empty());
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let price = format!("{}.{:02}", cents / 100, cents % 100);
        let text = format!("orderId,product,price\n{},{},{price}\n", quoted(&id), quoted(&product));
        let (id, product) = (id.trim_ascii(), product.trim_ascii());
        prop_assert_eq!(csv(&text), [format!("{id} {id} {product} {price} USD 1 0")]);
    }
}
