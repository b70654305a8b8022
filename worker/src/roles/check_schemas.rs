//! `worker check-schemas`: does every order schema read what every other one wrote?
//!
//! A table on stdout, one row a reader and one column a writer, and below it why a pair does not fit. Deliberately
//! needs no Kafka and no registry: the schemas in the program, and files.

use std::fmt::{self, Write as _};
use std::io::Write;
use std::path::PathBuf;

use schemas::codec::compatibility::{NamedSchema, PairReport, pairs};
use schemas::codec::{SchemaError, SchemaVersion};
use snafu::{ResultExt, Snafu};

use super::{Ending, RoleError};
use crate::config::CheckSchemas;

/// The role's name in messages.
const ROLE: &str = "check-schemas";

/// Why schemas cannot be compared.
#[derive(Debug, Snafu)]
enum Error {
    /// A file cannot be read.
    #[snafu(display("cannot read the schema {}", path.display()))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// It is no schema.
    #[snafu(display("cannot use {name}"))]
    Parse {
        /// Its name.
        name: String,
        /// Why not.
        source: SchemaError,
    },
    /// Standard output takes nothing.
    #[snafu(display("cannot write the table to standard output"))]
    Print {
        /// The system's answer.
        source: std::io::Error,
    },
}

/// Runs the role to its end: 0 when all fit, 1 when a pair does not.
///
/// # Errors
/// When a file cannot be read or is no schema, and when standard output takes nothing.
pub fn run(config: &CheckSchemas) -> Result<Ending, RoleError> {
    let files = read(&config.files).map_err(|error| RoleError::unusable(ROLE, error))?;
    let table = Table::of(&files).map_err(|error| RoleError::unusable(ROLE, error))?;
    write!(std::io::stdout(), "{table}").context(PrintSnafu).map_err(|error| RoleError::ran(ROLE, error))?;
    Ok(if table.fits() { Ending::Done } else { Ending::Incomplete })
}

/// Name and text of each file.
fn read(files: &[PathBuf]) -> Result<Vec<(String, String)>, Error> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).context(ReadSnafu { path })?;
        Ok((path.display().to_string(), text))
    };
    files.iter().map(read).collect()
}

/// What the role prints.
struct Table {
    names: Vec<String>,
    /// Every writer with every reader.
    pairs: Vec<PairReport>,
}

impl Table {
    /// Compares the schemas of the program and of `files`.
    fn of(files: &[(String, String)]) -> Result<Self, Error> {
        let own = SchemaVersion::ALL.map(|version| NamedSchema { name: version.file_name(), text: version.text() });
        let given = files.iter().map(|(name, text)| NamedSchema { name, text });
        let schemas: Vec<NamedSchema<'_>> = own.into_iter().chain(given).collect();
        // One by one first, so that the one that is no schema is named.
        for schema in &schemas {
            pairs(&[*schema]).context(ParseSnafu { name: schema.name })?;
        }
        let pairs = pairs(&schemas).context(ParseSnafu { name: "all of them" })?;
        Ok(Self { names: schemas.iter().map(|schema| schema.name.to_owned()).collect(), pairs })
    }

    fn fits(&self) -> bool {
        self.pairs.iter().all(PairReport::is_full)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CORNER: &str = "reads \\ written with";
        let first = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(CORNER.len());
        let mut heading = format!("{CORNER:first$}");
        for name in &self.names {
            write!(heading, "  {name:>7}")?;
        }
        writeln!(formatter, "{heading}")?;
        for (index, reader) in self.names.iter().enumerate() {
            let mut row = format!("{reader:first$}");
            // The pairs come writer by writer.
            for (writer, pair) in self.names.iter().zip(self.pairs.iter().skip(index).step_by(self.names.len())) {
                let width = writer.chars().count().max(7);
                write!(row, "  {:>width$}", if pair.is_full() { "full" } else { "REFUSED" })?;
            }
            writeln!(formatter, "{row}")?;
        }
        self.pairs.iter().filter(|pair| !pair.is_full()).try_for_each(|pair| writeln!(formatter, "\n{pair}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(files: &[(&str, &str)]) -> Result<Table, Error> {
        let files: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Table::of(&files)
    }

    #[test]
    fn the_schemas_of_the_program_fit_each_other() {
        let table = table(&[]).expect("valid schemas");
        assert!(table.fits());
        insta::assert_snapshot!(table, @r"
        reads \ written with  order.v1.avsc  order.v2.avsc
        order.v1.avsc                  full           full
        order.v2.avsc                  full           full
        ");
    }

    #[test]
    fn a_schema_that_does_not_fit_is_refused_with_its_reasons() {
        let text = r#"{"type": "record", "name": "Order", "namespace": "orderpipeline", "fields": [
            {"name": "orderId", "type": "string"}, {"name": "product", "type": "string"}, {"name": "price", "type": "string"}]}"#;
        let table = table(&[("text-price.avsc", text)]).expect("valid schemas");
        assert!(!table.fits());
        insta::assert_snapshot!(table, @r"
        reads \ written with  order.v1.avsc  order.v2.avsc  text-price.avsc
        order.v1.avsc                  full           full          REFUSED
        order.v2.avsc                  full           full          REFUSED
        text-price.avsc             REFUSED        REFUSED             full

        text-price.avsc reads order.v1.avsc: REFUSED
          Incompatible schemata! Field 'price' in reader schema does not match the type in the writer schema
          order.price: a number is written where text is read

        text-price.avsc reads order.v2.avsc: REFUSED
          Incompatible schemata! Field 'price' in reader schema does not match the type in the writer schema
          order.price: a number is written where text is read

        order.v1.avsc reads text-price.avsc: REFUSED
          Incompatible schemata! Field 'price' in reader schema does not match the type in the writer schema
          order.price: text is written where a number is read

        order.v2.avsc reads text-price.avsc: REFUSED
          Incompatible schemata! Field 'price' in reader schema does not match the type in the writer schema
          order.price: text is written where a number is read
        ");
    }

    #[test]
    fn what_is_no_schema_is_named() {
        let error = table(&[("notes.txt", "hello")]).err().expect("no JSON");
        assert_eq!(error.to_string(), "cannot use notes.txt");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(&[PathBuf::from("/no/such.avsc")]).expect_err("no file");
        assert_eq!(error.to_string(), "cannot read the schema /no/such.avsc");
    }
}
