//! Totals against a plain map, and the average against arithmetic done by hand.

use super::*;
use proptest::prelude::*;

type Row = (Vec<u8>, u8, i64, i32);

fn sales() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec((prop::collection::vec(0..4u8, 0..19), 0..3u8, any::<i64>(), any::<i32>()), 0..60)
}

fn totals(rows: &[Row]) -> Totals {
    let mut totals = Totals::new();
    rows.iter().for_each(|row| totals.add(sale(row)));
    totals
}

fn sale((product, currency, price_minor, quantity): &Row) -> Sale<'_> {
    Sale { product, currency: [b'A' + currency; 3], price_minor: *price_minor, quantity: *quantity }
}

proptest! {
    #[test]
    fn totals_agree_with_a_plain_map(rows in sales()) {
        let mut expected: BTreeMap<(&[u8], [u8; 3]), Total> = BTreeMap::new();
        for row in &rows {
            let total = expected.entry((&row.0, sale(row).currency)).or_insert(Total::EMPTY);
            total.add(row.2, row.3);
        }
        let totals = totals(&rows);
        let expected: Vec<_> = expected.iter().map(|((product, currency), total)| (*product, *currency, total)).collect();
        prop_assert_eq!(totals.sorted(), expected.clone());
        prop_assert_eq!(totals.len(), expected.len());
        for (product, currency, total) in expected {
            prop_assert_eq!(totals.get(product, currency), Some(total));
        }
        prop_assert_eq!(totals.get(b"\xff", *b"AAA"), None);
    }

    #[test]
    fn no_order_of_adding_or_merging_changes_a_digit(mut rows in sales(), cuts in any::<[prop::sample::Index; 2]>()) {
        let whole = totals(&rows);
        let mut at = cuts.map(|cut| cut.index(rows.len() + 1));
        at.sort_unstable();
        let [one, two, three] = [totals(&rows[..at[0]]), totals(&rows[at[0]..at[1]]), totals(&rows[at[1]..])];
        let mut left = one.clone();
        left.merge(&two);
        left.merge(&three);
        let mut right = three;
        right.merge(&two);
        right.merge(&one);
        rows.reverse();
        prop_assert_eq!(&left, &whole);
        prop_assert_eq!(&right, &whole);
        prop_assert_eq!(&totals(&rows), &whole);
        let mut with_nothing = whole.clone();
        with_nothing.merge(&Totals::new());
        prop_assert_eq!(with_nothing, whole);
    }

    #[test]
    fn overall_is_the_sum_over_the_products(rows in sales()) {
        let overall = totals(&rows).overall();
        let nameless: Vec<Row> = rows.iter().map(|row| (Vec::new(), row.1, row.2, row.3)).collect();
        let expected = totals(&nameless);
        prop_assert_eq!(overall.len(), expected.len());
        for (currency, total) in overall {
            prop_assert_eq!(expected.get(b"", currency), Some(&total));
        }
    }

    /// |average * divisor - sum| is at most half of the last place, and an exact half went to an even digit.
    #[test]
    fn the_average_is_the_nearest_one_with_4_decimals(sum in -(1i128 << 90)..1i128 << 90, count in 1..=u64::MAX, exponent in 0..4u32) {
        let total = Total { count, sum, ..Total::EMPTY };
        let text = total.average_4_decimals(exponent).expect("there are orders");
        prop_assert_eq!(text.len() - text.find('.').expect("a point"), 5);
        let ten_thousandths: i128 = text.replace('.', "").parse().expect("digits");
        let unit = i128::from(count) * 10i128.pow(exponent);
        let (whole, rest) = (sum.div_euclid(unit), sum.rem_euclid(unit));
        let off = (ten_thousandths - whole * 10_000) * unit - rest * 10_000;
        prop_assert!(off.abs() * 2 <= unit);
        prop_assert!(off.abs() * 2 != unit || ten_thousandths % 2 == 0);
    }
}

#[test]
fn averages_are_rounded_half_to_even() {
    let average = |sum, count, exponent| Total { count, sum, ..Total::EMPTY }.average_4_decimals(exponent);
    assert_eq!(average(1_273_551, 196, 2).as_deref(), Some("64.9771"));
    assert_eq!(average(1, 20_000, 0).as_deref(), Some("0.0000"), "half of the last place, to even");
    assert_eq!(average(3, 20_000, 0).as_deref(), Some("0.0002"), "half of the last place, to even");
    assert_eq!(average(-1, 20_000, 0).as_deref(), Some("0.0000"), "no minus before nothing");
    assert_eq!(average(-199_999, 20_000, 0).as_deref(), Some("-10.0000"), "the carry reaches the whole part");
    assert_eq!(average(980, 1, 0).as_deref(), Some("980.0000"));
    assert_eq!(average(1234, 1, 3).as_deref(), Some("1.2340"));
    assert_eq!(average(0, 0, 2), None);
    let most = i128::from(i64::MAX) * i128::from(u64::MAX);
    assert_eq!(average(most, u64::MAX, 2).as_deref(), Some("92233720368547758.0700"));
}

#[test]
fn the_extremes_do_not_overflow() {
    let mut total = Total::EMPTY;
    for _ in 0..4 {
        total.add(i64::MAX, i32::MAX);
        total.add(i64::MIN, i32::MAX);
    }
    assert_eq!((total.count, total.sum, total.sum_squares), (8, -4, i128::MAX));
    assert_eq!((total.min, total.max), (i64::MIN, i64::MAX));
    assert_eq!(total.revenue, -4 * i128::from(i32::MAX));
}
