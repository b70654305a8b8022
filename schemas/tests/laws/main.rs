//! Laws of the decoder over random writers: it reads what `apache-avro` reads, and survives what nobody should send.

mod hostile;
mod oracle;
mod writers;
