//! All `unsafe` of the project: the librdkafka calls that rdkafka has no wrapper for.
//!
//! Reading one partition's queue in batches (one call for up to a thousand records, at half the cost of `poll`), the
//! watermarks the client has at hand, answers to commits, credentials of a running client, a look at brokers'
//! certificates, and two knobs of the embedded broker. Each block says why it is sound. What can be had through
//! rdkafka's safe API does not belong here.
#![expect(unsafe_code, reason = "librdkafka calls without a wrapper; nowhere else is unsafe allowed")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::thread::Thread;

use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::bindings as native;
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaType;

use super::certificate::{Fault, Inspector};

/// Records of one partition, read in batches from the partition's own queue.
///
/// The queue is cut loose from the consumer's main queue, so that a partition without room is simply not read: its
/// queue fills and librdkafka stops fetching it. Records are handed out one at a time and freed on [`Self::advance`],
/// so what was not advanced over is offered again.
pub(crate) struct PartitionReader<C: ConsumerContext + 'static> {
    partition: i32,
    queue: NonNull<native::rd_kafka_queue_t>,
    /// Messages of the last batch; those before `next` are freed already.
    batch: Vec<*mut native::rd_kafka_message_t>,
    next: usize,
    /// Called by librdkafka's threads when the queue gets its first entry; freed after the queue no longer knows it.
    waker: Box<Thread>,
    /// Keeps the client alive for as long as the queue and the messages are.
    consumer: Arc<BaseConsumer<C>>,
}

// SAFETY: librdkafka's queues and messages may be used from any one thread at a time, and the reader is not `Sync`.
unsafe impl<C: ConsumerContext + 'static> Send for PartitionReader<C> {}

impl<C: ConsumerContext + 'static> PartitionReader<C> {
    /// Takes the queue of `partition` away from the consumer's main queue; `None` if librdkafka does not know the
    /// partition or the name holds a NUL byte. `waker` is unparked whenever the empty queue gets an entry.
    ///
    /// Call it before the partition is assigned: librdkafka keeps the setting, and no record strays to the main queue.
    pub(crate) fn detach(consumer: &Arc<BaseConsumer<C>>, topic: &str, partition: i32, waker: Thread) -> Option<Self> {
        let topic = CString::new(topic).ok()?;
        let waker = Box::new(waker);
        // SAFETY: the client is alive (we hold an `Arc`), `topic` is a NUL-terminated string that outlives the call;
        // the returned queue is ours to destroy. Forwarding to NULL only clears the forwarding.
        let queue = unsafe {
            let queue = native::rd_kafka_queue_get_partition(consumer.client().native_ptr(), topic.as_ptr(), partition);
            let queue = NonNull::new(queue)?;
            native::rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut());
            queue
        };
        // SAFETY: the box lives until `drop`, which first takes the callback off the queue.
        unsafe {
            let opaque = ptr::from_ref::<Thread>(&waker).cast_mut().cast::<c_void>();
            native::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(unpark), opaque);
        }
        Some(Self { partition, queue, batch: Vec::new(), next: 0, waker, consumer: Arc::clone(consumer) })
    }

    /// The partition's number.
    pub(crate) fn partition(&self) -> i32 {
        self.partition
    }

    /// Fetches up to `limit` entries that are there already, without waiting, if all earlier ones were advanced over.
    /// Returns whether there is an entry to look at.
    pub(crate) fn refill(&mut self, limit: usize) -> bool {
        if self.next < self.batch.len() {
            return true;
        }
        self.next = 0;
        self.batch.clear();
        self.batch.reserve(limit);
        // SAFETY: `batch` has room for `limit` pointers; librdkafka writes at most that many and returns how many, so
        // the new length covers only written entries. Messages are ours until destroyed. A negative count is an error.
        unsafe {
            let count = native::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, self.batch.as_mut_ptr(), limit);
            self.batch.set_len(usize::try_from(count).unwrap_or(0).min(limit));
        }
        !self.batch.is_empty()
    }

    /// The entry that is next in line, if [`Self::refill`] found one.
    pub(crate) fn current(&self) -> Option<Entry<'_>> {
        let message = NonNull::new(*self.batch.get(self.next)?)?;
        Some(Entry { message, reader: PhantomData })
    }

    /// Frees the current entry and goes on to the next.
    pub(crate) fn advance(&mut self) {
        if let Some(message) = self.batch.get(self.next) {
            self.next += 1;
            // SAFETY: the message came from librdkafka, is freed exactly once (`next` moved past it), and no `Entry`
            // can be alive, since it would borrow `self`.
            unsafe { native::rd_kafka_message_destroy(*message) };
        }
    }

    /// Where the partition's log begins and ends as of the last fetch: its first offset and the one after its last record.
    /// Asks no broker; `None` before the first fetch.
    pub(crate) fn known_bounds(&self, topic: &CStr) -> Option<(i64, i64)> {
        let (mut low, mut high) = (-1, -1);
        let client = self.consumer.client().native_ptr();
        // SAFETY: the client is alive, `topic` is NUL-terminated, both out-pointers are valid for writes.
        let error = unsafe {
            native::rd_kafka_get_watermark_offsets(client, topic.as_ptr(), self.partition, &raw mut low, &raw mut high)
        };
        (error == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some((low.max(0), high))
    }
}

impl<C: ConsumerContext + 'static> Drop for PartitionReader<C> {
    fn drop(&mut self) {
        while self.next < self.batch.len() {
            self.advance();
        }
        // SAFETY: the callback is taken off before its opaque (`waker`) is freed, the queue handle is destroyed once,
        // and the client it belongs to is still alive: `consumer` is dropped after this.
        unsafe {
            native::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            native::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
        let _: &Thread = &self.waker;
    }
}

/// Wakes the thread that reads the queue.
unsafe extern "C" fn unpark(_client: *mut native::rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: `opaque` is the `Box<Thread>` of a live reader: the callback is taken off the queue before it is freed.
    unsafe { &*opaque.cast::<Thread>() }.unpark();
}

/// One entry of a partition's queue: a record, or an error in its place. Borrowed until the reader advances.
pub(crate) struct Entry<'r> {
    message: NonNull<native::rd_kafka_message_t>,
    reader: PhantomData<&'r ()>,
}

impl<'r> Entry<'r> {
    fn get(&self) -> &'r native::rd_kafka_message_t {
        // SAFETY: the message is alive until the reader advances, which needs the reader mutably.
        unsafe { self.message.as_ref() }
    }

    /// The error that stands in place of a record (end of partition included); `None` for a record.
    pub(crate) fn error(&self) -> Option<RDKafkaErrorCode> {
        let error = self.get().err;
        (error != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| RDKafkaErrorCode::from(error))
    }

    /// What librdkafka says of the error: it puts the words where a record has its value.
    pub(crate) fn error_words(&self) -> String {
        let words = self.value().map(String::from_utf8_lossy).filter(|words| !words.is_empty());
        words.map_or_else(|| self.error().map(|code| code.to_string()).unwrap_or_default(), |words| words.into_owned())
    }

    /// The record's offset; for end of partition the offset of the next record to come.
    pub(crate) fn offset(&self) -> i64 {
        self.get().offset
    }

    /// The key's bytes; `None` for a null key.
    pub(crate) fn key(&self) -> Option<&'r [u8]> {
        // SAFETY: key and length come from one message that is alive for `'r`.
        unsafe { bytes(self.get().key, self.get().key_len) }
    }

    /// The value's bytes; `None` for a null value.
    pub(crate) fn value(&self) -> Option<&'r [u8]> {
        // SAFETY: payload and length come from one message that is alive for `'r`.
        unsafe { bytes(self.get().payload, self.get().len) }
    }

    /// The record's timestamp in milliseconds since 1970; `None` if it has none.
    pub(crate) fn timestamp(&self) -> Option<i64> {
        // SAFETY: the message is alive; the kind of timestamp is not asked for (NULL is allowed).
        let timestamp = unsafe { native::rd_kafka_message_timestamp(self.message.as_ptr(), ptr::null_mut()) };
        (timestamp >= 0).then_some(timestamp)
    }

    /// The record's headers in order: name and value (`None` for a null value). Names are bytes, since Kafka does not
    /// make other clients write UTF-8.
    pub(crate) fn headers(&self) -> Headers<'r> {
        let mut list = ptr::null_mut();
        // SAFETY: the message is alive; on success `list` belongs to the message and lives as long.
        let error = unsafe { native::rd_kafka_message_headers(self.message.as_ptr(), &raw mut list) };
        let found = error == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        Headers { list: if found { list } else { ptr::null_mut() }, index: 0, message: PhantomData }
    }
}

/// Bytes behind a pointer of librdkafka; `None` for NULL.
///
/// # Safety
/// A pointer that is not NULL must be valid for `length` bytes for all of `'r`.
unsafe fn bytes<'r>(start: *const c_void, length: usize) -> Option<&'r [u8]> {
    // SAFETY: the caller's promise.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) })
}

/// The headers of one record, in order.
pub(crate) struct Headers<'r> {
    list: *mut native::rd_kafka_headers_t,
    index: usize,
    message: PhantomData<&'r ()>,
}

impl<'r> Iterator for Headers<'r> {
    type Item = (&'r [u8], Option<&'r [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.list.is_null() {
            return None;
        }
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the list belongs to a live message, the out-pointers are valid; past the end it answers NOENT.
        let error = unsafe {
            native::rd_kafka_header_get_all(self.list, self.index, &raw mut name, &raw mut value, &raw mut size)
        };
        if error != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() {
            return None;
        }
        self.index += 1;
        // SAFETY: both belong to the live message; the name is NUL-terminated, the value has `size` bytes or is NULL.
        Some(unsafe { (CStr::from_ptr(name).to_bytes(), bytes(value, size)) })
    }
}

/// A partition and what became of its commit: the offset that the group took, or why it took none.
pub(crate) type CommitAnswer = (i32, Result<i64, RDKafkaErrorCode>);

/// Commits whose answers come through a queue of their own: rdkafka asks for commit events, but librdkafka sends none
/// unless a callback is set besides.
pub(crate) struct CommitQueue<C: ConsumerContext + 'static> {
    queue: NonNull<native::rd_kafka_queue_t>,
    /// Keeps the client alive for as long as the queue is.
    consumer: Arc<BaseConsumer<C>>,
}

// SAFETY: librdkafka's queues may be used from any thread, and this one is not `Sync`.
unsafe impl<C: ConsumerContext + 'static> Send for CommitQueue<C> {}

impl<C: ConsumerContext + 'static> CommitQueue<C> {
    /// A queue for the answers to `consumer`'s commits; `None` when librdkafka makes none.
    pub(crate) fn new(consumer: &Arc<BaseConsumer<C>>) -> Option<Self> {
        // SAFETY: the client is alive (we hold an `Arc`); the queue is ours to destroy.
        let queue = unsafe { native::rd_kafka_queue_new(consumer.client().native_ptr()) };
        Some(Self { queue: NonNull::new(queue)?, consumer: Arc::clone(consumer) })
    }

    /// Sends a commit; [`Self::answers`] gives its answer later, with this number.
    pub(crate) fn commit(&self, offsets: &TopicPartitionList, number: usize) -> Result<(), RDKafkaErrorCode> {
        let client = self.consumer.client().native_ptr();
        let number = ptr::without_provenance_mut(number);
        // SAFETY: client, list and queue are alive; librdkafka copies the list. Without a callback the answer goes to
        // the queue as an event, which carries the number; nobody follows it as a pointer.
        let error = unsafe { native::rd_kafka_commit_queue(client, offsets.ptr(), self.queue.as_ptr(), None, number) };
        if error == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(error.into()) }
    }

    /// The answer to one commit, if it is there: the commit's number, and what became of each partition.
    pub(crate) fn answers(&self) -> Option<(usize, Vec<CommitAnswer>)> {
        // SAFETY: the queue is alive; the event, if there is one, is ours until destroyed, and so is what it points to.
        // The list has `cnt` elements, and its error stands for all of them.
        unsafe {
            let event = NonNull::new(native::rd_kafka_queue_poll(self.queue.as_ptr(), 0))?;
            let error = native::rd_kafka_event_error(event.as_ptr());
            let list = native::rd_kafka_event_topic_partition_list(event.as_ptr());
            let answers = list.as_ref().map_or_else(Vec::new, |list| {
                let count = usize::try_from(list.cnt).unwrap_or(0);
                let elements = if count == 0 { &[][..] } else { std::slice::from_raw_parts(list.elems, count) };
                elements.iter().map(|element| commit_answer(element, error)).collect()
            });
            let number = native::rd_kafka_event_opaque(event.as_ptr()).addr();
            native::rd_kafka_event_destroy(event.as_ptr());
            Some((number, answers))
        }
    }
}

impl<C: ConsumerContext + 'static> Drop for CommitQueue<C> {
    fn drop(&mut self) {
        // SAFETY: destroyed once, while its client is alive: `consumer` is dropped after this.
        unsafe { native::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

fn commit_answer(element: &native::rd_kafka_topic_partition_t, all: native::rd_kafka_resp_err_t) -> CommitAnswer {
    let none = native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
    let error = if element.err == none { all } else { element.err };
    (element.partition, if error == none { Ok(element.offset) } else { Err(error.into()) })
}

/// Makes the embedded broker that `holder` carries quick to form and re-form consumer groups.
///
/// Returns `false` if `holder` carries none (it was not made with `test.mock.num.brokers`).
pub(crate) fn speed_up_groups<C: ClientContext>(holder: &Client<C>, heartbeat_milliseconds: i32) -> bool {
    // SAFETY: the client is alive; the cluster's handle is borrowed from it only for these calls, each of which locks
    // the cluster by itself.
    unsafe {
        let cluster = native::rd_kafka_handle_mock_cluster(holder.native_ptr());
        if cluster.is_null() {
            return false;
        }
        native::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 50);
        native::rd_kafka_mock_set_group_consumer_heartbeat_interval_ms(cluster, heartbeat_milliseconds);
    }
    true
}

/// Gives a running client another name and password for the connections that it makes from now on (SASL PLAIN and
/// SCRAM).
///
/// # Errors
/// In words, when librdkafka does not take them or one holds a NUL byte; the old ones then stay.
pub(crate) fn set_credentials<C: ClientContext>(
    client: &Client<C>,
    username: &str,
    password: &str,
) -> Result<(), String> {
    let (Ok(username), Ok(password)) = (CString::new(username), CString::new(password)) else {
        return Err("a NUL byte in the user's name or password".to_owned());
    };
    // SAFETY: the client is alive, both texts are NUL-terminated and copied by the call, which locks what it changes.
    let error =
        unsafe { native::rd_kafka_sasl_set_credentials(client.native_ptr(), username.as_ptr(), password.as_ptr()) };
    let Some(error) = NonNull::new(error) else { return Ok(()) };
    // SAFETY: the error is ours; its text is NUL-terminated, lives as long as it does, and is copied before it is freed.
    unsafe {
        let words = CStr::from_ptr(native::rd_kafka_error_string(error.as_ptr())).to_string_lossy().into_owned();
        native::rd_kafka_error_destroy(error.as_ptr());
        Err(words)
    }
}

/// A client that tells `inspector` what OpenSSL holds against the brokers' certificates, and refuses what it refuses.
/// Without TLS in this build it sees none.
pub(crate) fn inspecting_client(config: &ClientConfig, inspector: Inspector) -> KafkaResult<Client<Inspector>> {
    let native_config = config.create_native_config()?;
    // SAFETY: the configuration is alive. The callback is handed the client's opaque, which `Client::new` sets to its
    // context: an `Inspector`, since that is the type of the client that is made of this configuration and no other.
    unsafe { native::rd_kafka_conf_set_ssl_cert_verify_cb(native_config.ptr(), Some(note_certificate)) };
    Client::new(config, native_config, RDKafkaType::RD_KAFKA_CONSUMER, inspector)
}

/// Called by librdkafka's threads for each certificate of a chain; 0 refuses it.
unsafe extern "C" fn note_certificate(
    _client: *mut native::rd_kafka_t,
    address: *const c_char,
    _broker: i32,
    error: *mut c_int,
    depth: c_int,
    _certificate: *const c_char,
    _size: usize,
    _words: *mut c_char,
    _room: usize,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: `opaque` is the context of the client that calls (see `inspecting_client`), which outlives its threads;
    // the address is NUL-terminated and the error readable for the time of the call.
    let (inspector, address, code) = unsafe { (&*opaque.cast::<Inspector>(), CStr::from_ptr(address), *error) };
    if code == 0 {
        return 1;
    }
    inspector.note(Fault { address: address.to_string_lossy().into_owned(), code, depth });
    0
}
