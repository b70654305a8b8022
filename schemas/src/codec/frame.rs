//! What stands before a record: nothing, a single object's header, or a Confluent frame.
//!
//! Formats: Avro 1.12 "single object encoding" (C3 01 and the schema's CRC-64-AVRO, little endian); Confluent wire format 0
//! (0x00 and the schema id, four bytes big endian). Deliberately not the 16-byte GUID frame: no producer here writes it.

/// First bytes of a single object.
pub(crate) const SINGLE_OBJECT_MARK: [u8; 2] = [0xc3, 0x01];
/// First byte of a Confluent frame.
pub(crate) const CONFLUENT_MAGIC: u8 = 0;

/// The schema id and the record of a Confluent frame; `None` when it does not begin like one or is shorter than one.
#[inline]
pub(crate) fn split_confluent(bytes: &[u8]) -> Option<(u32, &[u8])> {
    match bytes {
        [CONFLUENT_MAGIC, a, b, c, d, record @ ..] => Some((u32::from_be_bytes([*a, *b, *c, *d]), record)),
        _ => None,
    }
}

/// The fingerprint and the record of a single object; `None` when it does not begin like one or is shorter than one.
#[inline]
pub(crate) fn split_single_object(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (fingerprint, record) = bytes.strip_prefix(&SINGLE_OBJECT_MARK)?.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*fingerprint), record))
}
