//! Where a MySQL server replicates from, and how far it is.

use line_protocol::DataSourceType::Gauge;

use super::answers::{Answers, Fields};
use crate::fetch::Report;

/// Keys and meta of replication, and the columns that tell them, by the names before MySQL 8.0.22.
const GAUGES: [(&str, &str); 3] = [
    ("replication_second_behind_master", "seconds_behind_master"),
    ("replication_read_master_log_pos", "read_master_log_pos"),
    ("replication_exec_master_log_pos", "exec_master_log_pos"),
];
const META: [(&str, &str); 4] = [
    ("replication_slave_io_running", "slave_io_running"),
    ("replication_slave_sql_running", "slave_sql_running"),
    ("replication_master_host", "master_host"),
    ("replication_master_port", "master_port"),
];

/// Adds whether the server replicates, and what it says of that where it does.
pub(super) fn add_to(report: &mut Report, answers: &Answers) {
    let source = answers.replication.first();
    report.meta("replication", &u8::from(source.is_some()).to_string());
    if let Some(source) = source {
        for (key, column) in GAUGES {
            report.metric(key, Gauge, either_name(source, column).unwrap_or("U"));
        }
        for (name, column) in META {
            if let Some(value) = either_name(source, column) {
                report.meta(name, value);
            }
        }
    }
    // What stopped applying; else what keeps it from reading. Of several sources any one's.
    let error = ["last_error", "last_io_error"].iter().find_map(|column| {
        let errors = answers.replication.iter().filter_map(|source| source.get(*column));
        errors.map(|error| error.trim()).find(|error| !error.is_empty())
    });
    if let Some(error) = error.or(answers.no_replication.as_deref()) {
        let text = error.replace('\r', "\\r").replace('\n', "\\n").replace('\t', "\\t");
        report.warning("replication", &text);
    }
}

/// A value by its name of old; or by the one that MySQL has now: `source` and `replica` for
/// `master` and `slave`.
pub(super) fn either_name<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    let now = || fields.get(&name.replace("master", "source").replace("slave", "replica"));
    fields.get(name).or_else(now).map(String::as_str)
}
