//! Process furniture of every binary: telemetry, admin server, shutdown, build information.
//!
//! Deliberately knows nothing of orders or Kafka.
