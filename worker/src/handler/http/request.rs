//! What is posted for an order: its JSON, the key that makes a repetition harmless, and the trace it belongs to.
//!
//! The shape is documented in docs/reference/http-handler.md. A repetition is the same byte for byte, so that a service
//! may compare. Deliberately nothing of the try, and no header of the record but those of the W3C trace context.

use std::fmt::Write;

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use hyper::body::Bytes;
use schemas::order::{Amount, Order};
use serde::{Serialize, Serializer};

/// IETF draft-ietf-httpapi-idempotency-key-header.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Record headers that are passed on: <https://www.w3.org/TR/trace-context/>.
const TRACE: [HeaderName; 2] = [HeaderName::from_static("traceparent"), HeaderName::from_static("tracestate")];

/// One order as it is posted, however often.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    body: Bytes,
    key: HeaderValue,
    trace: [Option<HeaderValue>; 2],
}

/// The body. Names and notation are those of order files.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    order_id: &'a str,
    product: &'a str,
    #[serde(serialize_with = "as_text")]
    price: Amount,
    price_minor: i64,
    quantity: i32,
    currency: &'a str,
    /// Milliseconds since 1970; left out when unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<i64>,
}

fn as_text<S: Serializer>(amount: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

impl Request {
    /// What is posted for `order`, whose record has these headers.
    pub(crate) fn new<'r>(
        order: &Order<'_>,
        key: HeaderValue,
        headers: impl Iterator<Item = (&'r [u8], Option<&'r [u8]>)>,
    ) -> Self {
        let body = Body {
            order_id: order.order_id.as_str(),
            product: order.product.as_str(),
            price: Amount::new(i128::from(order.price.minor()), order.currency),
            price_minor: order.price.minor(),
            quantity: order.quantity,
            currency: order.currency.as_str(),
            created_at: Some(order.created_at_milliseconds).filter(|created| *created != 0),
        };
        let body = serde_json::to_vec(&body).expect("texts and numbers can be written as JSON").into();
        Self { body, key, trace: trace(headers) }
    }

    /// The JSON.
    pub(super) fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// Adds the headers that belong to this order.
    pub(super) fn add_headers(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(IDEMPOTENCY_KEY, self.key.clone());
        for (name, value) in TRACE.into_iter().zip(&self.trace) {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
    }
}

/// The last header of each name counts, as for other users of record headers; one that no request can carry does not.
fn trace<'r>(headers: impl Iterator<Item = (&'r [u8], Option<&'r [u8]>)>) -> [Option<HeaderValue>; 2] {
    let mut trace = [None, None];
    for (name, value) in headers {
        let place = TRACE.iter().position(|known| known.as_str().as_bytes().eq_ignore_ascii_case(name));
        if let (Some(place), Some(value)) = (place, value) {
            trace[place] = HeaderValue::from_bytes(value).ok();
        }
    }
    trace
}

/// Makes idempotency keys: `<group>-<topic>-<partition>-<offset>`. Characters of the group that no header can carry, and
/// `%`, are written as in an address (`%C3%BC`).
#[derive(Clone, Debug)]
pub(crate) struct IdempotencyKeys {
    prefix: String,
}

impl IdempotencyKeys {
    /// The keys of one group in one topic.
    pub(crate) fn new(group: &str, topic: &str) -> Self {
        let mut prefix = String::with_capacity(group.len() + topic.len() + 2);
        for byte in group.bytes() {
            if byte.is_ascii_graphic() && byte != b'%' {
                prefix.push(char::from(byte));
            } else {
                write!(prefix, "%{byte:02X}").expect("a string takes what is written");
            }
        }
        Self { prefix: format!("{prefix}-{topic}-") }
    }

    /// The key of one record.
    pub(crate) fn key(&self, partition: i32, offset: i64) -> HeaderValue {
        HeaderValue::try_from(format!("{}{partition}-{offset}", self.prefix))
            .expect("visible ASCII is a header's value")
    }
}

#[cfg(test)]
mod tests {
    use schemas::order::{Currency, Money, Order, Text};

    use super::{HeaderMap, IdempotencyKeys, Request};

    fn order(currency: Currency, minor: i64, created_at_milliseconds: i64) -> Order<'static> {
        Order {
            order_id: Text::from("order-\"29\""),
            product: Text::from("P7"),
            price: Money::from_minor(minor),
            quantity: 2,
            currency,
            created_at_milliseconds,
        }
    }

    fn request(order: &Order<'_>, headers: &[(&str, Option<&[u8]>)]) -> Request {
        let key = IdempotencyKeys::new("shop orders", "orders").key(3, 12_345);
        Request::new(order, key, headers.iter().map(|(name, value)| (name.as_bytes(), *value)))
    }

    #[test]
    fn an_order_is_posted_in_the_words_of_order_files() {
        let dollars = request(&order(Currency::USD, 5_500, 1_763_721_600_000), &[]);
        let expected = concat!(
            r#"{"orderId":"order-\"29\"","product":"P7","price":"55.00","priceMinor":5500,"#,
            r#""quantity":2,"currency":"USD","createdAt":1763721600000}"#,
        );
        assert_eq!(dollars.body(), expected);
        let yen = request(&order(Currency::parse(b"JPY").expect("a currency"), 5_500, 0), &[]);
        let text = String::from_utf8(yen.body().to_vec()).expect("JSON is text");
        assert!(text.contains(r#""price":"5500","priceMinor":5500"#) && !text.contains("createdAt"), "{text}");
    }

    #[test]
    fn the_key_names_group_topic_partition_and_offset() {
        let mut headers = HeaderMap::new();
        request(&order(Currency::USD, 1, 0), &[]).add_headers(&mut headers);
        assert_eq!(headers["idempotency-key"], "shop%20orders-orders-3-12345");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers.len(), 2);
        assert_eq!(IdempotencyKeys::new("größe%", "a").key(0, 0), "gr%C3%B6%C3%9Fe%25-a-0-0");
    }

    #[test]
    fn of_the_records_headers_only_the_trace_goes_along() {
        let sent = request(
            &order(Currency::USD, 1, 0),
            &[
                ("traceparent", Some(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")),
                ("Traceparent", Some(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
                ("tracestate", Some(b"congo=t61rcWkgMzE")),
                ("authorization", Some(b"Bearer of-somebody-else")),
                ("other", None),
            ],
        );
        let mut headers = HeaderMap::new();
        sent.add_headers(&mut headers);
        assert_eq!(headers["traceparent"], "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        assert_eq!(headers["tracestate"], "congo=t61rcWkgMzE");
        assert_eq!(headers.len(), 4);
    }

    #[test]
    fn a_trace_that_would_break_out_of_its_header_is_left_out() {
        let sent = request(&order(Currency::USD, 1, 0), &[("traceparent", Some(b"00\r\nhost: evil"))]);
        let mut headers = HeaderMap::new();
        sent.add_headers(&mut headers);
        assert!(!headers.contains_key("traceparent"));
    }
}
