//! What an HTTP answer of Confluent's API means.
//!
//! Source: docs.confluent.io, "Schema Registry API Reference"; error codes are five digits, the status and two more
//! (40403 = schema not found). Deliberately strict: "not found" counts only with one of these codes, or a wrong path in
//! `--schema-registry-url` would turn every record into a dead letter.

use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use snafu::OptionExt;

use super::error::{BusySnafu, Error, ForbiddenSnafu, ForeignSnafu, RedirectedSnafu, RefusedSnafu};
use crate::http::Answer;

/// Subject, version or schema not found.
const NOT_FOUND: [u32; 3] = [40_401, 40_402, 40_403];

/// Longest message of a registry that is shown, in characters.
const LONGEST_MESSAGE: usize = 300;

/// Confluent's error body.
#[derive(Debug, Deserialize)]
struct ErrorBody {
    error_code: u32,
    #[serde(default)]
    message: String,
}

/// The body of an answer; `None` when the registry does not have what was asked for.
///
/// # Errors
/// See [`Error`].
pub(super) fn read<T: DeserializeOwned>(url: &str, answer: &Answer) -> Result<Option<T>, Error> {
    let status = answer.status;
    if status.is_success() {
        let foreign = || ForeignSnafu { url, what: describe(answer) };
        return serde_json::from_slice(&answer.body).ok().map(Some).with_context(foreign);
    }
    let body: Option<ErrorBody> = serde_json::from_slice(&answer.body).ok();
    let words = words(status, body.as_ref());
    match (status, body) {
        _ if status.is_redirection() => {
            let to = answer.location().unwrap_or("nowhere").split('?').next().unwrap_or_default();
            RedirectedSnafu { url, to: without_credentials(to) }.fail()
        }
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => ForbiddenSnafu { url, words }.fail(),
        (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS, _) => {
            BusySnafu { url, words, retry_after: answer.retry_after() }.fail()
        }
        _ if status.is_server_error() => BusySnafu { url, words, retry_after: answer.retry_after() }.fail(),
        (StatusCode::NOT_FOUND, Some(body)) if NOT_FOUND.contains(&body.error_code) => Ok(None),
        (_, Some(body)) if status != StatusCode::NOT_FOUND => RefusedSnafu { url, code: body.error_code, words }.fail(),
        (_, _) => ForeignSnafu { url, what: describe(answer) }.fail(),
    }
}

fn words(status: StatusCode, body: Option<&ErrorBody>) -> String {
    match body {
        Some(body) => format!("{} ({}: {})", status, body.error_code, shortened(&body.message)),
        None => status.to_string(),
    }
}

/// An answer that is none, for people: never its text, which may be a page of somebody else.
fn describe(answer: &Answer) -> String {
    let media_type = answer.media_type();
    let form = if media_type.is_empty() { "no media type".to_owned() } else { media_type };
    format!("{} with {} bytes of {form}", answer.status, answer.body.len())
}

/// One line of text.
fn shortened(message: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    message.chars().map(plain).take(LONGEST_MESSAGE).collect()
}

/// An address without the name and password that may be in it.
fn without_credentials(address: &str) -> String {
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            shortened(&format!("{scheme}://{host}{path}"))
        }
        None => shortened(address),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use serde_json::{Value, json};

    use super::*;

    fn answer(status: u16, media_type: &'static str, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(media_type));
        headers.insert("retry-after", HeaderValue::from_static("7"));
        headers.insert("location", HeaderValue::from_static("https://me:secret@other/login?token=secret"));
        let status = StatusCode::from_u16(status).expect("a status");
        Answer { status, headers, body: body.to_owned().into() }
    }

    fn read_json(status: u16, code: u32) -> Result<Option<Value>, Error> {
        let body = json!({ "error_code": code, "message": "words\nof the registry" }).to_string();
        read("http://registry", &answer(status, "application/vnd.schemaregistry.v1+json", &body))
    }

    #[test]
    fn confluents_codes_tell_what_is_not_there_from_a_wrong_address() {
        for code in NOT_FOUND {
            assert!(matches!(read_json(404, code), Ok(None)), "{code}");
        }
        // Jersey and many gateways answer a path that does not exist with JSON, too.
        assert!(matches!(read_json(404, 404), Err(Error::Foreign { .. })));
        let page = answer(404, "text/html; charset=utf-8", "<html>nothing here</html>");
        let error = read::<Value>("http://registry", &page).expect_err("a page is no answer").to_string();
        assert!(
            error.contains("404 Not Found with 25 bytes of text/html") && error.contains("/apis/ccompat/v7"),
            "{error}"
        );
    }

    #[test]
    fn a_page_in_place_of_an_answer_is_no_schema() {
        let page = answer(200, "text/html", "<html><form action=login>");
        let error = read::<Value>("http://registry", &page).expect_err("a page is no answer");
        assert!(matches!(error, Error::Foreign { .. }) && !error.is_passing(), "{error}");
    }

    #[test]
    fn what_passes_is_told_from_what_somebody_has_to_mend() {
        for (status, code) in [(408, 408), (429, 42_901), (500, 50_001), (500, 50_002), (503, 50_003), (504, 504)] {
            let error = read_json(status, code).expect_err("no answer");
            assert!(error.is_passing() && error.retry_after() == Some(std::time::Duration::from_secs(7)), "{error}");
            assert!(error.to_string().contains(&format!("({code}: words of the registry)")), "{error}");
        }
        for (status, code) in [(401, 40_101), (403, 40_301), (409, 409), (422, 42_201), (400, 400)] {
            let error = read_json(status, code).expect_err("no answer");
            assert!(!error.is_passing() && error.retry_after().is_none(), "{error}");
            assert_eq!(error.is_about_the_schema(), matches!(code, 409 | 42_201), "{error}");
        }
    }

    #[test]
    fn a_redirect_is_named_without_secrets_and_not_followed() {
        let error = read::<Value>("http://registry", &answer(302, "text/html", "")).expect_err("no answer").to_string();
        assert!(error.contains("redirect to https://other/login, which is not followed"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
