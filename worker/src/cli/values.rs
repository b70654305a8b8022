//! How single values are written: durations, percentages, rates, sizes, addresses, names.
//!
//! Deliberately one function a notation; whether values fit together is checked elsewhere.
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use schemas::order::{Currency, Money};
use snafu::{OptionExt, Snafu, ensure};

use crate::config::{Registration, ResetMode, ResetState};

/// Every snapshot carries the id.
const LONGEST_RESET_ID: usize = 200;

/// What is wrong with one value. clap puts the value and the flag before it.
#[derive(Debug, Clone, PartialEq, Eq, Snafu)]
pub(super) enum ValueError {
    #[snafu(display("write a duration such as 500ms, 2s or 5m"))]
    Duration,
    #[snafu(display("a duration above zero is needed"))]
    ZeroDuration,
    #[snafu(display("write a whole number of 0 or more"))]
    Count,
    #[snafu(display("write a whole number of 1 or more"))]
    PositiveCount,
    #[snafu(display("write a percentage from 0 to 100"))]
    Percent,
    #[snafu(display("write a number of 0 or more; 0 means as fast as it goes"))]
    Rate,
    #[snafu(display("write a number of 1 or more, such as 2 or 1.5"))]
    Multiplier,
    #[snafu(display("write a number of bytes, such as 134217728, 512KiB or 128MiB"))]
    Bytes,
    #[snafu(display("write key=value"))]
    Pair,
    #[snafu(display("write a currency and an amount with no more decimals than it has, such as USD=10000.00"))]
    Amount,
    #[snafu(display("{part:?} is not host:port; write such as kafka-1:9092, several with commas between them"))]
    BootstrapServers { part: String },
    #[snafu(display(
        "write an address of this machine as host:port, such as 127.0.0.1:8080; port 0 takes any free one"
    ))]
    Address,
    #[snafu(display("a topic's name has 1 to 249 letters, digits, dots, underscores and dashes, and is not . or .."))]
    Topic,
    #[snafu(display("a name must not be empty"))]
    EmptyName,
    #[snafu(display(
        "write what to do and an id of your own, such as committed:2026-11-21; it is done once for each id: \
         snapshot goes on with the newest snapshot, committed at the committed offsets with empty totals, \
         empty where --start-from says"
    ))]
    ResetState,
    #[snafu(display("write lookup, register, latest or id: and a number above 0, such as id:7"))]
    Registration,
}

pub(super) fn duration(text: &str) -> Result<Duration, ValueError> {
    humantime::parse_duration(text).ok().context(DurationSnafu)
}

pub(super) fn positive_duration(text: &str) -> Result<Duration, ValueError> {
    let duration = duration(text)?;
    ensure!(!duration.is_zero(), ZeroDurationSnafu);
    Ok(duration)
}

pub(super) fn count(text: &str) -> Result<u64, ValueError> {
    text.parse().ok().context(CountSnafu)
}

pub(super) fn positive_count(text: &str) -> Result<NonZeroU64, ValueError> {
    text.parse().ok().context(PositiveCountSnafu)
}

fn number(text: &str) -> Option<f64> {
    f64::from_str(text).ok().filter(|number| number.is_finite())
}

pub(super) fn percent(text: &str) -> Result<f64, ValueError> {
    number(text).filter(|percent| (0.0..=100.0).contains(percent)).context(PercentSnafu)
}

pub(super) fn rate(text: &str) -> Result<f64, ValueError> {
    number(text).filter(|rate| *rate >= 0.0).context(RateSnafu)
}

pub(super) fn multiplier(text: &str) -> Result<f64, ValueError> {
    number(text).filter(|multiplier| *multiplier >= 1.0).context(MultiplierSnafu)
}

pub(super) fn bytes(text: &str) -> Result<u64, ValueError> {
    const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)];
    let (digits, unit) =
        UNITS.into_iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit))).context(BytesSnafu)?;
    let number = digits.trim_end().parse::<u64>().ok().context(BytesSnafu)?;
    number.checked_mul(unit).filter(|bytes| *bytes > 0).context(BytesSnafu)
}

pub(super) fn pair(text: &str) -> Result<(String, String), ValueError> {
    let (key, value) = text.split_once('=').context(PairSnafu)?;
    ensure!(!key.trim().is_empty(), PairSnafu);
    Ok((key.trim().to_owned(), value.to_owned()))
}

pub(super) fn amount(text: &str) -> Result<(Currency, Money), ValueError> {
    let (code, amount) = text.split_once('=').context(AmountSnafu)?;
    let currency = Currency::parse(code.trim().as_bytes()).context(AmountSnafu)?;
    let money = Money::from_decimal_str(amount.trim(), currency).ok().context(AmountSnafu)?;
    Ok((currency, money))
}

pub(super) fn bootstrap_servers(text: &str) -> Result<String, ValueError> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    for part in &parts {
        let (host, port) = part.rsplit_once(':').context(BootstrapServersSnafu { part: *part })?;
        let port_is_good = port.parse::<u16>().is_ok_and(|port| port > 0);
        ensure!(port_is_good && !host.is_empty() && !host.contains('/'), BootstrapServersSnafu { part: *part });
    }
    Ok(parts.join(","))
}

pub(super) fn address(text: &str) -> Result<SocketAddr, ValueError> {
    let mut addresses = text.to_socket_addrs().ok().context(AddressSnafu)?;
    addresses.next().context(AddressSnafu)
}

pub(super) fn topic(text: &str) -> Result<String, ValueError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let good = (1..=249).contains(&text.len()) && text.bytes().all(allowed) && !matches!(text, "." | "..");
    ensure!(good, TopicSnafu);
    Ok(text.to_owned())
}

pub(super) fn reset_state(text: &str) -> Result<ResetState, ValueError> {
    let (mode, id) = text.split_once(':').context(ResetStateSnafu)?;
    let mode = match mode {
        "snapshot" => ResetMode::Snapshot,
        "committed" => ResetMode::Committed,
        "empty" => ResetMode::Empty,
        _ => return ResetStateSnafu.fail(),
    };
    ensure!(!id.trim().is_empty() && id.len() <= LONGEST_RESET_ID, ResetStateSnafu);
    Ok(ResetState { mode, id: id.to_owned() })
}

pub(super) fn name(text: &str) -> Result<String, ValueError> {
    ensure!(!text.trim().is_empty(), EmptyNameSnafu);
    Ok(text.to_owned())
}

pub(super) fn registration(text: &str) -> Result<Registration, ValueError> {
    match text {
        "lookup" => Ok(Registration::Lookup),
        "register" => Ok(Registration::Register),
        "latest" => Ok(Registration::Latest),
        _ => {
            let id = text.strip_prefix("id:").and_then(|id| id.parse().ok()).filter(|id| *id > 0);
            id.map(Registration::Id).context(RegistrationSnafu)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("5m"), Ok(Duration::from_mins(5)));
        for text in ["", "5", "s", "-1s", "1 fortnight", "NaNs"] {
            assert_eq!(duration(text), Err(ValueError::Duration), "{text}");
        }
        assert_eq!(positive_duration("0s"), Err(ValueError::ZeroDuration));
    }

    #[test]
    fn numbers_keep_their_ranges() {
        assert_eq!(percent("12.5"), Ok(12.5));
        for text in ["-0.1", "100.1", "NaN", "inf", "x"] {
            assert_eq!(percent(text), Err(ValueError::Percent), "{text}");
        }
        assert_eq!(rate("0"), Ok(0.0));
        for text in ["-1", "inf", "fast"] {
            assert_eq!(rate(text), Err(ValueError::Rate), "{text}");
        }
        assert_eq!(multiplier("0.9"), Err(ValueError::Multiplier));
    }

    #[test]
    fn sizes_may_have_units() {
        assert_eq!(bytes("128MiB"), Ok(134_217_728));
        assert_eq!(bytes("512 KiB"), Ok(524_288));
        assert_eq!(bytes("1000"), Ok(1000));
        for text in ["", "MiB", "-1", "0", "12MB", "99999999999GiB"] {
            assert_eq!(bytes(text), Err(ValueError::Bytes), "{text}");
        }
    }

    #[test]
    fn amounts_have_their_currencys_decimals() {
        assert_eq!(amount("USD=10000.5"), Ok((Currency::USD, Money::from_minor(1_000_050))));
        let yen = Currency::parse(b"JPY").expect("a currency");
        assert_eq!(amount("JPY=700"), Ok((yen, Money::from_minor(700))));
        for text in ["", "USD", "USD=", "=5", "usd=5", "USDT=5", "USD=-1", "USD=1.005", "JPY=0.5", "USD=1e3"] {
            assert_eq!(amount(text), Err(ValueError::Amount), "{text}");
        }
    }

    #[test]
    fn every_broker_needs_a_host_and_a_port() {
        assert_eq!(bootstrap_servers("a:1, [::1]:9092"), Ok("a:1,[::1]:9092".to_owned()));
        for part in ["", "kafka", ":9092", "kafka:", "kafka:0", "kafka:99999", "http://kafka:9092"] {
            assert_eq!(bootstrap_servers(&format!("a:1,{part}")), BootstrapServersSnafu { part }.fail(), "{part}");
        }
    }

    #[test]
    fn topics_have_kafkas_names() {
        assert_eq!(topic("shop.orders_v1-dlq"), Ok("shop.orders_v1-dlq".to_owned()));
        for text in ["", ".", "..", "a b", "a/b", "größe", &"x".repeat(250)] {
            assert_eq!(topic(text), Err(ValueError::Topic), "{text}");
        }
    }

    #[test]
    fn a_reset_says_what_to_do_and_has_an_id() {
        let reset = ResetState { mode: ResetMode::Committed, id: "2026-11-21: moved".to_owned() };
        assert_eq!(reset_state("committed:2026-11-21: moved"), Ok(reset));
        assert_eq!(reset_state("snapshot:1").map(|reset| reset.mode), Ok(ResetMode::Snapshot));
        assert_eq!(reset_state("empty:1").map(|reset| reset.mode), Ok(ResetMode::Empty));
        for text in ["", "empty", "empty:", "empty: ", "all:1", &format!("empty:{}", "x".repeat(201))] {
            assert_eq!(reset_state(text), Err(ValueError::ResetState), "{text}");
        }
    }

    #[test]
    fn an_id_is_pinned_by_its_number() {
        assert_eq!(registration("lookup"), Ok(Registration::Lookup));
        assert_eq!(registration("id:4294967295"), Ok(Registration::Id(u32::MAX)));
        for text in ["", "Lookup", "id", "id:", "id:0", "id:-1", "id:4294967296", "7"] {
            assert_eq!(registration(text), Err(ValueError::Registration), "{text}");
        }
    }

    #[test]
    fn pairs_split_at_the_first_equals_sign() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Ok(("a".to_owned(), String::new())));
        assert_eq!(pair("a"), Err(ValueError::Pair));
        assert_eq!(pair("=b"), Err(ValueError::Pair));
    }
}
