//! A snapshot's bytes, format version 1.
//!
//! ```text
//! magic "OPSS" | version 1 | kind 0 | body length, u64 LE | body | xxh3-64 of all before, u64 LE
//! body: watermark | end | unresolved | resolved ahead | counters | totals | scan marks | last reset
//! ```
//! Numbers are the variable-length ones of `varint`; offsets that ascend are written as distances. Kinds 1 and up are
//! kept free for snapshots cut into chunks. Deliberately strict: each snapshot has one spelling, and whatever differs
//! from it by a byte is refused; nothing is allocated that the input is not large enough to fill.

use snafu::{OptionExt, ensure};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    failure::{Disposition, FailureClass},
    retry::MAXIMUM_RETRIES,
    totals::{Total, Totals},
    window::Window,
};

use super::{
    ChecksumSnafu, Counters, Error, ForeignSnafu, MalformedSnafu, NewerSnafu, Pending, ScanMark, Snapshot,
    TrailingBytesSnafu, Tries, TruncatedSnafu, Unresolved,
    varint::{Reader, put, put_bytes, put_signed},
};

const MAGIC: &[u8; 4] = b"OPSS";
const VERSION: u8 = 1;
const WHOLE: u8 = 0;
const HEADER: usize = 14;
const TRAILER: usize = 8;

const HAS_TRIES: u8 = 1;
const RETRY_PENDING: u8 = 2;
const PANICKED: u8 = 4;
const DEAD_LETTER_PENDING: u8 = 8;

pub(super) fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + snapshot.unresolved.len() * 12 + snapshot.totals.len() * 64);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[VERSION, WHOLE]);
    out.extend_from_slice(&[0; 8]);
    put_signed(&mut out, snapshot.watermark.into());
    put(&mut out, distance(snapshot.watermark, snapshot.end));
    put_unresolved(&mut out, snapshot);
    put_ascending(&mut out, snapshot.end, &snapshot.resolved_ahead);
    put_counters(&mut out, &snapshot.counters);
    put_totals(&mut out, &snapshot.totals);
    put(&mut out, snapshot.scan_marks.len() as u128);
    for mark in &snapshot.scan_marks {
        put_signed(&mut out, mark.partition.into());
        put_signed(&mut out, mark.offset.into());
    }
    put_bytes(&mut out, snapshot.last_reset.as_bytes());
    let body = (out.len() - HEADER) as u64;
    out[HEADER - 8..HEADER].copy_from_slice(&body.to_le_bytes());
    let checksum = xxh3_64(&out);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

pub(super) fn decode(bytes: &[u8]) -> Result<Snapshot, Error> {
    let mut reader = Reader::new(body(bytes)?);
    let snapshot = read_body(&mut reader).context(MalformedSnafu)?;
    ensure!(reader.is_empty(), MalformedSnafu);
    Ok(snapshot)
}

/// The checksum that a snapshot's bytes end with.
pub(super) fn checksum(bytes: &[u8]) -> Option<u64> {
    bytes.last_chunk().map(|last| u64::from_le_bytes(*last))
}

/// Checks everything around the body.
fn body(bytes: &[u8]) -> Result<&[u8], Error> {
    let magic = &bytes[..bytes.len().min(MAGIC.len())];
    ensure!(MAGIC.starts_with(magic), ForeignSnafu);
    ensure!(bytes.len() >= HEADER, TruncatedSnafu { have: bytes.len() });
    let (version, kind) = (bytes[4], bytes[5]);
    ensure!(version == VERSION && kind == WHOLE, NewerSnafu { version, kind });
    let (header, rest) = bytes.split_at(HEADER);
    let length = header.last_chunk().map_or(u64::MAX, |length| u64::from_le_bytes(*length));
    let length = usize::try_from(length).ok().filter(|length| *length <= rest.len());
    let length = length.with_context(|| TruncatedSnafu { have: bytes.len() })?;
    ensure!(rest.len() >= length + TRAILER, TruncatedSnafu { have: bytes.len() });
    ensure!(rest.len() == length + TRAILER, TrailingBytesSnafu { extra: rest.len() - length - TRAILER });
    ensure!(checksum(bytes) == Some(xxh3_64(&bytes[..HEADER + length])), ChecksumSnafu);
    Ok(&rest[..length])
}

fn read_body(reader: &mut Reader<'_>) -> Option<Snapshot> {
    let watermark: i64 = reader.signed()?;
    let end = watermark.checked_add(reader.number()?)?;
    let unresolved = read_unresolved(reader, watermark, end)?;
    let resolved_ahead = read_ascending(reader, end)?;
    let counters = read_counters(reader)?;
    let totals = read_totals(reader)?;
    let mut scan_marks = Vec::with_capacity(reader.count(2)?);
    for _ in 0..scan_marks.capacity() {
        scan_marks.push(ScanMark { partition: reader.signed()?, offset: reader.signed()? });
    }
    let last_reset = String::from_utf8(reader.bytes()?.to_vec()).ok()?;
    Some(Snapshot { watermark, end, unresolved, resolved_ahead, counters, totals, scan_marks, last_reset })
}

fn put_unresolved(out: &mut Vec<u8>, snapshot: &Snapshot) {
    put(out, snapshot.unresolved.len() as u128);
    let mut next = snapshot.watermark;
    let mut near = 0;
    for unresolved in &snapshot.unresolved {
        put(out, distance(next, unresolved.offset));
        next = unresolved.offset + 1;
        match &unresolved.tries {
            None => out.push(0),
            Some(tries) => {
                put_tries(out, tries, near);
                near = tries.first_failure_milliseconds;
            }
        }
    }
}

/// The lowest one is the watermark, or there is none and the end is; none is at or above the end, nor so far above
/// the watermark that no window could hold it.
fn read_unresolved(reader: &mut Reader<'_>, watermark: i64, end: i64) -> Option<Vec<Unresolved>> {
    let count = reader.count(2)?;
    let mut all = Vec::with_capacity(count);
    let mut next = watermark;
    let mut near = 0;
    for _ in 0..count {
        let offset = next.checked_add(reader.number()?)?;
        if offset >= end || offset - watermark > Window::REACH {
            return None;
        }
        next = offset + 1;
        let flags = reader.byte()?;
        let tries = if flags == 0 { None } else { Some(read_tries(reader, flags, near)?) };
        near = tries.map_or(near, |tries| tries.first_failure_milliseconds);
        all.push(Unresolved { offset, tries });
    }
    (all.first().map_or(end, |first| first.offset) == watermark).then_some(all)
}

fn put_tries(out: &mut Vec<u8>, tries: &Tries, near: i64) {
    let mut flags = HAS_TRIES;
    flags |= if tries.retry_pending { RETRY_PENDING } else { 0 };
    flags |= if tries.panicked { PANICKED } else { 0 };
    flags |= if matches!(tries.pending, Pending::DeadLetter(_)) { DEAD_LETTER_PENDING } else { 0 };
    out.extend_from_slice(&[flags, class_code(tries.class), tries.retries]);
    put(out, tries.runs.into());
    let (first, last) = (tries.first_failure_milliseconds, tries.last_failure_milliseconds);
    put_signed(out, i128::from(first) - i128::from(near));
    put_signed(out, i128::from(last) - i128::from(first));
    match tries.pending {
        Pending::DeadLetter(disposition) => out.push(disposition_code(disposition)),
        Pending::Run { due_milliseconds } => put_signed(out, i128::from(due_milliseconds) - i128::from(last)),
    }
}

fn read_tries(reader: &mut Reader<'_>, flags: u8, near: i64) -> Option<Tries> {
    if flags & HAS_TRIES == 0 || flags > 15 {
        return None;
    }
    let class = class_of(reader.byte()?)?;
    let retries = reader.byte().filter(|retries| *retries <= MAXIMUM_RETRIES)?;
    let runs = reader.number()?;
    let first = read_near(reader, near)?;
    let last = read_near(reader, first)?;
    let pending = if flags & DEAD_LETTER_PENDING == 0 {
        Pending::Run { due_milliseconds: read_near(reader, last)? }
    } else {
        Pending::DeadLetter(disposition_of(reader.byte()?)?)
    };
    Some(Tries {
        retries,
        retry_pending: flags & RETRY_PENDING != 0,
        panicked: flags & PANICKED != 0,
        runs,
        class,
        first_failure_milliseconds: first,
        last_failure_milliseconds: last,
        pending,
    })
}

fn read_near(reader: &mut Reader<'_>, near: i64) -> Option<i64> {
    i64::try_from(i128::from(near).checked_add(reader.signed()?)?).ok()
}

fn put_ascending(out: &mut Vec<u8>, mut next: i64, offsets: &[i64]) {
    put(out, offsets.len() as u128);
    for offset in offsets {
        put(out, distance(next, *offset));
        next = offset + 1;
    }
}

fn read_ascending(reader: &mut Reader<'_>, mut next: i64) -> Option<Vec<i64>> {
    let mut offsets = Vec::with_capacity(reader.count(1)?);
    for _ in 0..offsets.capacity() {
        let offset = next.checked_add(reader.number()?)?;
        next = offset.checked_add(1)?;
        offsets.push(offset);
    }
    Some(offsets)
}

fn put_counters(out: &mut Vec<u8>, counters: &Counters) {
    let used = counters.retries.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
    for count in [counters.succeeded, counters.dead_lettered, counters.skipped, used as u64] {
        put(out, count.into());
    }
    for count in &counters.retries[..used] {
        put(out, (*count).into());
    }
}

fn read_counters(reader: &mut Reader<'_>) -> Option<Counters> {
    let (succeeded, dead_lettered, skipped) = (reader.number()?, reader.number()?, reader.number()?);
    let mut retries = [0; MAXIMUM_RETRIES as usize];
    let used = reader.count(1)?;
    for count in retries.get_mut(..used)? {
        *count = reader.number()?;
    }
    let shortest = used == 0 || retries[used - 1] > 0;
    shortest.then_some(Counters { succeeded, dead_lettered, skipped, retries })
}

fn put_totals(out: &mut Vec<u8>, totals: &Totals) {
    let rows = totals.sorted();
    put(out, rows.len() as u128);
    for (product, currency, total) in rows {
        put_bytes(out, product);
        out.extend_from_slice(&currency);
        put(out, total.count.into());
        put_signed(out, total.sum);
        put_signed(out, total.sum_squares);
        put_signed(out, total.min.into());
        put_signed(out, total.max.into());
        put_signed(out, total.revenue);
    }
}

fn read_totals(reader: &mut Reader<'_>) -> Option<Totals> {
    let count = reader.count(10)?;
    let mut totals = Totals::new();
    let mut before: Option<(&[u8], [u8; 3])> = None;
    for _ in 0..count {
        let key = (reader.bytes()?, *reader.take(3)?.first_chunk::<3>()?);
        let total = Total {
            count: reader.number()?,
            sum: reader.signed()?,
            sum_squares: reader.signed()?,
            min: reader.signed()?,
            max: reader.signed()?,
            revenue: reader.signed()?,
        };
        if before.is_some_and(|before| before >= key) || total.count == 0 {
            return None;
        }
        totals.add_total(key.0, key.1, &total);
        before = Some(key);
    }
    Some(totals)
}

/// `to` is not below `from`.
fn distance(from: i64, to: i64) -> u128 {
    (i128::from(to) - i128::from(from)).cast_unsigned()
}

/// Codes are part of the format: never change or reuse one.
fn class_code(class: FailureClass) -> u8 {
    match class {
        FailureClass::Undecodable => 1,
        FailureClass::Invalid => 2,
        FailureClass::SchemaUnknown => 3,
        FailureClass::RegistryUnavailable => 4,
        FailureClass::DependencyDown => 5,
        FailureClass::Transient => 6,
        FailureClass::Rejected => 7,
        FailureClass::HandlerPanic => 8,
        FailureClass::Oversized => 9,
        FailureClass::Tombstone => 10,
    }
}

fn class_of(code: u8) -> Option<FailureClass> {
    FailureClass::ALL.into_iter().find(|class| class_code(*class) == code)
}

/// Codes are part of the format: never change or reuse one.
fn disposition_code(disposition: Disposition) -> u8 {
    match disposition {
        Disposition::RetriesExhausted => 1,
        Disposition::Permanent => 2,
        Disposition::Rejected => 3,
    }
}

fn disposition_of(code: u8) -> Option<Disposition> {
    Disposition::ALL.into_iter().find(|disposition| disposition_code(*disposition) == code)
}
