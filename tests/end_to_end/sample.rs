//! What an agent of 2014 sent, and its fields.

/// 46 lines of three columns.
pub const LINES: &str = include_str!("../samples/agent-2014.tsv");
/// The time of them all.
pub const TIME: u32 = 1_404_873_350;

/// The same with an address in front of each.
pub fn with_address(address: &str) -> String {
    LINES.lines().map(|line| format!("{address}\t{line}\n")).collect()
}

/// Key with its type, and value, of each metric.
pub fn metrics() -> Vec<(String, String)> {
    let metrics = LINES.lines().filter_map(|line| {
        let mut columns = line.split('\t');
        let key = columns.next()?.strip_prefix("base.metrics.")?;
        let typed = [".gauge", ".counter", ".derive", ".absolute"].iter().any(|t| key.ends_with(t));
        let key = if typed { key.to_owned() } else { format!("{key}.gauge") };
        Some((key, columns.next()?.to_owned()))
    });
    metrics.collect()
}
