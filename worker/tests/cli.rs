//! What the binary answers to bad input: one clear message that names the thing and the remedy, and exit code 2.
//!
//! The conversations are in `cli/*.trycmd`; `TRYCMD=overwrite` writes what the binary says now. Deliberately none that
//! needs a broker.

#[test]
fn bad_input_is_refused_with_what_to_do() {
    trycmd::TestCases::new().default_bin_name("worker").case("tests/cli/*.trycmd");
}
