//! Running averages for people, with as many decimals as the price beside them: exact integers, half to even.
//!
//! Deliberately not the averages of reports, which always have four decimals: those are the engine's.

/// `sum / count`, where `sum` has `exponent` decimals, as a decimal string with exactly `decimals` decimals, rounded half
/// to even; `0` with decimals for no orders at all.
///
/// `exponent` and `decimals` are at most 4.
pub(super) fn average(sum: i128, count: u64, exponent: u32, decimals: u32) -> String {
    let one = 10_i128.pow(decimals);
    let scaled = divide_half_even(sum, i128::from(count.max(1)) * 10_i128.pow(exponent), one);
    let sign = if scaled < 0 { "-" } else { "" };
    let (major, minor) = (scaled.unsigned_abs() / one.unsigned_abs(), scaled.unsigned_abs() % one.unsigned_abs());
    match decimals {
        0 => format!("{sign}{major}"),
        width => format!("{sign}{major}.{minor:0width$}", width = width as usize),
    }
}

/// `dividend * factor / divisor`, rounded half to even. The divisor is positive; multiplied are remainders only, so
/// nothing overflows that the result does not.
fn divide_half_even(dividend: i128, divisor: i128, factor: i128) -> i128 {
    let (whole, rest) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor) * factor);
    let (quotient, rest) = (whole * factor + rest / divisor, rest % divisor);
    let above_half = rest > divisor - rest;
    let half = rest == divisor - rest;
    quotient + i128::from(above_half || (half && quotient % 2 != 0))
}

#[cfg(test)]
mod tests {
    use super::average;
    use proptest::prelude::*;

    #[test]
    fn halves_go_to_the_even_neighbour() {
        // 1 / 8 = 0.125 and 3 / 8 = 0.375 with two decimals.
        assert_eq!(average(1, 8, 0, 2), "0.12");
        assert_eq!(average(3, 8, 0, 2), "0.38");
        assert_eq!(average(-1, 8, 0, 2), "-0.12");
        assert_eq!(average(1, 20_000, 0, 4), "0.0000");
        assert_eq!(average(3, 20_000, 0, 4), "0.0002");
    }

    #[test]
    fn averages_have_exactly_the_decimals_asked_for() {
        assert_eq!(average(1_273_551, 196, 2, 4), "64.9771");
        assert_eq!(average(5500, 1, 2, 2), "55.00");
        assert_eq!(average(7, 2, 0, 4), "3.5000");
        assert_eq!(average(0, 0, 2, 4), "0.0000");
    }

    #[test]
    fn the_largest_totals_fit() {
        let sum = i128::from(u64::MAX) * 9_000_000_000_000_000;
        assert_eq!(average(sum, u64::MAX, 2, 4), "90000000000000.0000");
    }

    proptest! {
        #[test]
        fn an_average_is_at_most_half_a_unit_off(sum in -1_000_000_000_i128..1_000_000_000, count in 1_u64..10_000) {
            let shown: i128 = average(sum, count, 2, 4).replace('.', "").parse().expect("digits");
            let exact = sum * 100;
            prop_assert!((shown * i128::from(count) - exact).abs() * 2 <= i128::from(count));
        }
    }
}
