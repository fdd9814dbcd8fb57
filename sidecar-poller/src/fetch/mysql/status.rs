//! The numbers and settings of a MySQL server itself.

use line_protocol::DataSourceType::{Derive, Gauge};

use super::answers::Answers;
use super::replication::either_name;
use crate::fetch::Report;

/// Keys that are names in the status.
pub(super) const DERIVED: [&str; 20] = [
    "created_tmp_tables",
    "created_tmp_disk_tables",
    "created_tmp_files",
    "com_delete",
    "com_insert",
    "com_replace",
    "com_select",
    "com_update",
    "slow_queries",
    "connections",
    "threads_created",
    "select_full_join",
    "select_full_range_join",
    "select_range",
    "select_range_check",
    "select_scan",
    "sort_merge_passes",
    "sort_range",
    "sort_rows",
    "sort_scan",
];
pub(super) const GAUGES: [&str; 3] = ["threads_cached", "threads_connected", "threads_running"];

/// Meta that are variables of the same name, sent where they exist.
pub(super) const VARIABLES_SHOWN: [&str; 21] = [
    "version",
    "version_comment",
    "slow_query_log",
    "long_query_time",
    "log_queries_not_using_indexes",
    "max_connections",
    "max_connect_errors",
    "thread_cache_size",
    "sync_binlog",
    "sync_relay_log",
    "sync_relay_log_info",
    "innodb_version",
    "innodb_support_xa",
    "innodb_flush_log_at_trx_commit",
    "innodb_doublewrite",
    "innodb_file_per_table",
    "innodb_file_format",
    "innodb_io_capacity",
    "innodb_io_capacity_max",
    "innodb_page_size",
    "innodb_adaptive_hash_index",
];

/// Adds what the server says of itself.
pub(super) fn add_to(report: &mut Report, answers: &Answers) {
    let Answers { status, variables, .. } = answers;
    let told = |name: &str| status.get(name).map_or("U", String::as_str);
    for key in DERIVED {
        report.metric(key, Derive, told(key));
    }
    for key in GAUGES {
        report.metric(key, Gauge, told(key));
    }
    report.meta("uptime", status.get("uptime").map_or("0", String::as_str));
    for name in VARIABLES_SHOWN {
        if let Some(value) = variables.get(name) {
            report.meta(name, value);
        }
    }
    // Its name before MySQL 5.1.
    if !variables.contains_key("slow_query_log")
        && let Some(value) = variables.get("log_slow_queries")
    {
        report.meta("log_slow_queries", value);
    }
    if let Some(value) = either_name(variables, "sync_master_info") {
        report.meta("sync_master_info", value);
    }
}
