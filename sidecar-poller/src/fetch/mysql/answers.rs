//! What a MySQL server answered.

use std::collections::BTreeMap;

/// The answer to a query.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// The names of its columns.
    pub names: Vec<String>,
    /// As many values as columns each; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Names, in small letters, and their values.
pub(super) type Fields = BTreeMap<String, String>;

/// All that a server said.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub status: Fields,
    pub variables: Fields,
    /// `None` where InnoDB does not tell.
    pub innodb_status: Option<String>,
    /// Each source that it replicates from.
    pub replication: Vec<Fields>,
    /// Why it does not tell of replication.
    pub no_replication: Option<String>,
}

/// The fields of an answer with a name and a value a row. NULL is left out.
pub(super) fn fields(table: Table) -> Fields {
    let pairs = table.rows.into_iter().filter_map(|row| {
        let [name, value] = <[Option<String>; 2]>::try_from(row).ok()?;
        Some((name?.to_lowercase(), value?))
    });
    pairs.collect()
}

/// The rows of an answer by the names of its columns. NULL is left out.
pub(super) fn columns(table: Table) -> impl Iterator<Item = Fields> {
    let names: Vec<String> = table.names.iter().map(|name| name.to_lowercase()).collect();
    table.rows.into_iter().map(move |row| {
        let named = names.iter().zip(row);
        named.filter_map(|(name, value)| Some((name.clone(), value?))).collect()
    })
}
