//! What an answer of the service means for its order.
//!
//! 2xx: done. 408, 425, 429 and 5xx: it may go well another time. Other 4xx: the service refuses the order for good.
//! A redirect is not followed, and says that the address is wrong, not the order: so it is no refusal, and the breaker
//! holds the orders back until somebody mends the address. Deliberately pure: time comes in as an argument.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use schemas::failure::FailureClass;

use super::{Answer, Fault, Reply};

/// What `__dlq.errors.exception.class.name` says of an answer that is a failure.
const EXCEPTION: &str = "HttpStatus";

/// Characters of the answer's body that are quoted in the message.
const QUOTED: usize = 200;

/// An answer as far as it matters.
#[derive(Debug)]
pub(super) struct Heard {
    /// Its status.
    pub(super) status: StatusCode,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// How its body begins.
    pub(super) beginning: Vec<u8>,
}

/// What the answer means; `wall_milliseconds` since 1970 is now, for a `Retry-After` that names a date.
pub(super) fn reply(heard: &Heard, wall_milliseconds: i64) -> Reply {
    let status = heard.status;
    match status.as_u16() {
        200..=299 => Reply { answer: Answer::Done, wait: None },
        300..=399 => failed(FailureClass::Transient, redirected(heard), None),
        408 | 425 | 429 => failed(FailureClass::Transient, said(heard), retry_after(heard, wall_milliseconds)),
        400..=499 => failed(FailureClass::Rejected, said(heard), None),
        _ => failed(FailureClass::Transient, said(heard), retry_after(heard, wall_milliseconds)),
    }
}

fn failed(class: FailureClass, message: String, wait: Option<Duration>) -> Reply {
    let fault = Fault { class, message: Cow::Owned(message), exception: EXCEPTION };
    Reply { answer: Answer::Failed(fault), wait }
}

fn said(heard: &Heard) -> String {
    let quote = quote(&heard.beginning);
    let colon = if quote.is_empty() { "" } else { ": " };
    format!("the service answered {}{colon}{quote}", heard.status)
}

/// The query of the new address is left out: it may hold a key.
fn redirected(heard: &Heard) -> String {
    let location = heard.headers.get(LOCATION).and_then(|location| location.to_str().ok());
    let place = location.and_then(|location| location.split(['?', '#']).next()).unwrap_or("an unknown place");
    let place: String = place.chars().take(QUOTED).collect();
    format!("the service answered {} to {place}; redirects are not followed: correct --http-url", heard.status)
}

/// The first characters, on one line.
fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words = text.split(|char: char| char.is_whitespace() || char.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// `Retry-After`: seconds or a date (RFC 9110, section 10.2.3). A date that is past is no wait.
fn retry_after(heard: &Heard, wall_milliseconds: i64) -> Option<Duration> {
    let text = heard.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let date = date.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Duration::from_millis(u64::try_from(wall_milliseconds).unwrap_or(0));
    Some(date.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT
    const THEN: i64 = 784_111_777_000;

    fn heard(status: u16, headers: &[(&'static str, &str)], body: &str) -> Heard {
        let status = StatusCode::from_u16(status).expect("a status");
        let pair = |(name, value): &(&'static str, &str)| {
            (http::HeaderName::from_static(name), value.parse().expect("a value"))
        };
        Heard { status, headers: headers.iter().map(pair).collect(), beginning: body.as_bytes().to_vec() }
    }

    fn class(status: u16) -> Option<FailureClass> {
        match reply(&heard(status, &[], ""), THEN).answer {
            Answer::Done => None,
            Answer::Failed(fault) => Some(fault.class),
        }
    }

    fn wait(status: u16, value: &str) -> Option<Duration> {
        reply(&heard(status, &[("retry-after", value)], ""), THEN).wait
    }

    fn message(heard: &Heard) -> String {
        match reply(heard, THEN).answer {
            Answer::Done => String::new(),
            Answer::Failed(fault) => fault.message.into_owned(),
        }
    }

    #[test]
    fn each_status_gets_its_class() {
        for status in [200, 201, 202, 204, 207] {
            assert_eq!(class(status), None, "{status}");
        }
        for status in [301, 302, 304, 307, 308, 408, 425, 429, 500, 501, 502, 503, 504, 507, 599, 999] {
            assert_eq!(class(status), Some(FailureClass::Transient), "{status}");
        }
        for status in [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 451, 499] {
            assert_eq!(class(status), Some(FailureClass::Rejected), "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let seconds = |number| Some(Duration::from_secs(number));
        assert_eq!(wait(503, "7"), seconds(7));
        assert_eq!(wait(429, " 120 "), seconds(120));
        assert_eq!(wait(503, "Sun, 06 Nov 1994 08:49:49 GMT"), seconds(12));
        assert_eq!(wait(503, "Sunday, 06-Nov-94 08:49:49 GMT"), seconds(12), "RFC 850");
        assert_eq!(wait(503, "Sun, 06 Nov 1994 08:49:07 GMT"), seconds(0), "past");
        assert_eq!(wait(503, "99999999999999999999999"), Some(Duration::MAX), "the caller bounds it");
        for nonsense in ["", "-1", "1.5", "soon"] {
            assert_eq!(wait(503, nonsense), None, "{nonsense}");
        }
        assert_eq!(wait(422, "7"), None, "a refusal is not tried again");
    }

    #[test]
    fn the_message_quotes_how_the_answer_begins_on_one_line() {
        let short = heard(503, &[], "out of\r\n\tstock \u{1b}[31m");
        assert_eq!(message(&short), "the service answered 503 Service Unavailable: out of stock [31m");
        assert_eq!(message(&heard(422, &[], "")), "the service answered 422 Unprocessable Entity");
        let long = message(&heard(500, &[], &"ü".repeat(300)));
        assert!(long.ends_with(&format!("Error: {}…", "ü".repeat(200))), "{long}");
    }

    #[test]
    fn a_redirect_says_where_to_without_what_may_be_a_key() {
        let moved = heard(308, &[("location", "https://fulfilment/orders?key=s3cret")], "");
        let message = message(&moved);
        assert!(message.contains("308 Permanent Redirect to https://fulfilment/orders; redirects"), "{message}");
    }
}
