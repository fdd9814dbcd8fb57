//! The numbers and settings of InnoDB.

use line_protocol::DataSourceType::{Derive, Gauge};

use super::answers::{Answers, Fields};
use super::innodb_status::{Counters, Waits};
use crate::fetch::Report;

/// One of the numbers in InnoDB's own status.
pub(super) type Counter = fn(&Counters) -> Option<u64>;

/// Keys that are names in the status, and where InnoDB's own text has them.
pub(super) const DERIVED: [(&str, Counter); 11] = [
    ("innodb_rows_read", |counters| counters.rows_read),
    ("innodb_rows_deleted", |counters| counters.rows_deleted),
    ("innodb_rows_updated", |counters| counters.rows_updated),
    ("innodb_rows_inserted", |counters| counters.rows_inserted),
    ("innodb_pages_read", |counters| counters.pages_read),
    ("innodb_pages_created", |counters| counters.pages_created),
    ("innodb_pages_written", |counters| counters.pages_written),
    ("innodb_data_reads", |counters| counters.data_reads),
    ("innodb_data_writes", |counters| counters.data_writes),
    ("innodb_data_fsyncs", |counters| counters.data_fsyncs),
    ("innodb_log_writes", |counters| counters.log_writes),
];
/// Pages there, sent in bytes.
pub(super) const PAGES: [(&str, Counter); 4] = [
    ("innodb_buffer_pool_pages_total", |counters| counters.pages_total),
    ("innodb_buffer_pool_pages_free", |counters| counters.pages_free),
    ("innodb_buffer_pool_pages_data", |counters| counters.pages_data),
    ("innodb_buffer_pool_pages_dirty", |counters| counters.pages_dirty),
];
/// The size of a page on servers that do not tell it.
const OLD_PAGE_SIZE: u64 = 16384;

/// Whether InnoDB is there and in use. Since MySQL 5.6 no variable says so: it always is.
pub(super) fn is_used(variables: &Fields) -> bool {
    match variables.get("have_innodb") {
        Some(have) => have.eq_ignore_ascii_case("yes"),
        None => variables.contains_key("innodb_buffer_pool_size"),
    }
}

/// Adds whether InnoDB is in use, and what it says where it is.
pub(super) fn add_to(report: &mut Report, answers: &Answers) {
    let Answers { status, variables, .. } = answers;
    let is_used = is_used(variables);
    report.meta("innodb", &u8::from(is_used).to_string());
    if !is_used {
        return;
    }
    let text = answers.innodb_status.as_deref().unwrap_or_default();
    let page_size = status.get("innodb_page_size").or_else(|| variables.get("innodb_page_size"));
    let page_size = page_size.map_or(Some(OLD_PAGE_SIZE), |text| text.parse().ok());
    let number = |name: &str| status.get(name)?.parse::<u64>().ok();
    // Before MySQL 5.0 the text alone tells.
    let counters = Counters::parse(text);
    for (key, of) in DERIVED {
        report.metric(key, Derive, &known(number(key).or_else(|| of(&counters))));
    }
    for (key, of) in PAGES {
        let pages = number(key).or_else(|| of(&counters));
        let bytes = pages.zip(page_size).and_then(|(pages, size)| pages.checked_mul(size));
        report.metric(key, Gauge, &known(bytes));
    }
    let hit_rate = number("innodb_buffer_pool_reads")
        .zip(number("innodb_buffer_pool_read_requests"))
        .map_or(counters.hit_rate, |(reads, requests)| hit_rate(reads, requests))
        .map(|rate| format!("{rate:.5}"));
    report.metric("innodb_buffer_pool_hit_rate", Gauge, &known(hit_rate));
    let waits = Waits::parse(text);
    report.metric("innodb_spin_waits", Derive, &known(waits.spin_waits));
    report.metric("innodb_spin_rounds", Derive, &known(waits.spin_rounds));
    report.metric("innodb_os_waits", Derive, &known(waits.os_waits));

    if let Some(size) = variables.get("innodb_buffer_pool_size") {
        report.meta("innodb_buffer_pool_size", &megabytes(size));
    }
    let method = variables.get("innodb_flush_method").filter(|method| !method.is_empty());
    report.meta("innodb_flush_method", method.map_or("fdatasync", String::as_str));
}

/// In percent; `None` where nothing was asked for.
#[allow(clippy::cast_precision_loss)]
pub(super) fn hit_rate(reads: u64, requests: u64) -> Option<f64> {
    (requests > 0).then(|| (1.0 - reads as f64 / requests as f64) * 100.0)
}

/// The value, or that it is unknown.
fn known(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "U".to_owned(), |value| value.to_string())
}

/// Bytes as `1,024MB`; as it is where it is no number.
fn megabytes(bytes: &str) -> String {
    let Ok(bytes) = bytes.parse::<u64>() else {
        return bytes.to_owned();
    };
    let digits = (bytes >> 20).to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + "MB"
}
