//! What INFO of a Redis server says.

use std::collections::BTreeMap;

use line_protocol::DataSourceType::{self, Derive, Gauge};

use crate::fetch::Report;

/// Keys, their types, and the field of INFO; left out where INFO lacks it.
pub(super) const METRICS: [(&str, DataSourceType, &str); 8] = [
    ("total_commands_processed", Derive, "total_commands_processed"),
    ("total_connections_received", Derive, "total_connections_received"),
    ("evicted_keys", Derive, "evicted_keys"),
    ("connected_clients", Gauge, "connected_clients"),
    ("connected_slaves", Gauge, "connected_slaves"),
    ("used_memory", Gauge, "used_memory"),
    ("mem_fragmentation_ratio", Gauge, "mem_fragmentation_ratio"),
    ("pubsub_channels", Gauge, "pubsub_channels"),
];

/// Meta and the field of INFO.
pub(super) const META: [(&str, &str); 4] = [
    ("version", "redis_version"),
    ("uptime", "uptime_in_seconds"),
    ("vm_enabled", "vm_enabled"),
    ("role", "role"),
];

/// Makes the report of what the server said.
pub fn report(
    info: &str,
    slowlog: i64,
    settings: impl Iterator<Item = (&'static str, String)>,
) -> Report {
    let fields = fields(info);
    let mut report = Report::default();
    for (key, kind, field) in METRICS {
        if let Some(value) = fields.get(field) {
            report.metric(key, kind, value);
        }
    }
    // Its name before Redis 2.6, and since.
    let changes =
        fields.get("rdb_changes_since_last_save").or_else(|| fields.get("changes_since_last_save"));
    if let Some(changes) = changes {
        report.metric("changes_since_last_save", Gauge, changes);
    }
    report.metric("keys", Gauge, &keys(&fields).to_string());
    report.metric("slowlog", Gauge, &slowlog.to_string());
    for (name, field) in META {
        if let Some(value) = fields.get(field) {
            report.meta(name, value);
        }
    }
    for (name, value) in settings {
        report.meta(name, &value);
    }
    report
}

/// The fields of INFO: lines `name:value`; sections begin with `#`.
pub(super) fn fields(info: &str) -> BTreeMap<&str, &str> {
    info.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim_end()))
        .collect()
}

/// How many keys all databases have: `db0:keys=1,expires=0,…`. A server without keys has no such
/// line.
fn keys(fields: &BTreeMap<&str, &str>) -> u64 {
    fields
        .iter()
        .filter(|(name, _)| {
            name.strip_prefix("db").is_some_and(|number| number.parse::<u32>().is_ok())
        })
        .flat_map(|(_, value)| value.split(','))
        .filter_map(|part| part.strip_prefix("keys=")?.parse().ok())
        .fold(0, u64::saturating_add)
}
