//! What servers of other versions answer, by their documented formats.

use proptest::prelude::*;

use super::*;
use crate::fetch::drawn::drawn_keys;
use crate::fetch::mysql::answers::{Fields, Table, columns};
use crate::fetch::mysql::{innodb, status};

fn table(names: &[&str], rows: &[&[Option<&str>]]) -> Table {
    Table {
        names: names.iter().map(|&name| name.to_owned()).collect(),
        rows: rows
            .iter()
            .map(|row| row.iter().map(|value| value.map(str::to_owned)).collect())
            .collect(),
    }
}

fn some_fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_names_of_mysql_8_4_become_those_of_before() {
    let replica = table(
        &[
            "Replica_IO_State",
            "Source_Host",
            "Source_Port",
            "Read_Source_Log_Pos",
            "Exec_Source_Log_Pos",
            "Replica_IO_Running",
            "Replica_SQL_Running",
            "Seconds_Behind_Source",
            "Last_Error",
            "Last_IO_Error",
        ],
        &[&[
            Some("Waiting for source to send event"),
            Some("db1"),
            Some("3306"),
            Some("700"),
            Some("600"),
            Some("Yes"),
            Some("No"),
            None,
            Some("Error 'x'\r\nin\ta query\n"),
            Some(""),
        ]],
    );
    let answers = Answers {
        variables: some_fields(&[("sync_source_info", "10000"), ("version", "8.4.2")]),
        replication: columns(replica).collect(),
        ..Answers::default()
    };
    let lines = lines(&report(&answers));
    for (key, value) in [
        ("metrics.replication_second_behind_master.gauge", "U"),
        ("metrics.replication_read_master_log_pos.gauge", "700"),
        ("metrics.replication_exec_master_log_pos.gauge", "600"),
        ("meta.replication", "1"),
        ("meta.replication_slave_io_running", "Yes"),
        ("meta.replication_slave_sql_running", "No"),
        ("meta.replication_master_host", "db1"),
        ("meta.replication_master_port", "3306"),
        ("meta.sync_master_info", "10000"),
        ("warn.replication", "Error 'x'\\r\\nin\\ta query"),
    ] {
        assert_eq!(lines[key], value, "{key}");
    }
}

#[test]
fn a_server_of_4_1_tells_of_innodb_in_its_text_alone() {
    let text = "Buffer pool size   512\nFree buffers       400\nDatabase pages     112\n\
                Modified db pages  10\nPages read 20, created 3, written 4\n\
                Buffer pool hit rate 999 / 1000\n5 OS file reads, 6 OS file writes, 7 OS fsyncs\n\
                8 log i/o's done, 0.00 log i/o's/second\n\
                Number of rows inserted 9, updated 1, deleted 2, read 3\n\
                Mutex spin waits 100, rounds 200, OS waits 3\n\
                RW-shared spins 10, OS waits 1; RW-excl spins 20, OS waits 2\n";
    let answers = Answers {
        variables: some_fields(&[
            ("have_innodb", "YES"),
            ("log_slow_queries", "OFF"),
            ("innodb_buffer_pool_size", "8589934592"),
            ("innodb_flush_method", ""),
        ]),
        innodb_status: Some(text.to_owned()),
        ..Answers::default()
    };
    let lines = lines(&report(&answers));
    for (key, value) in [
        ("innodb_buffer_pool_pages_total.gauge", "8388608"),
        ("innodb_buffer_pool_pages_free.gauge", "6553600"),
        ("innodb_buffer_pool_pages_data.gauge", "1835008"),
        ("innodb_buffer_pool_pages_dirty.gauge", "163840"),
        ("innodb_buffer_pool_hit_rate.gauge", "99.90000"),
        ("innodb_pages_read.derive", "20"),
        ("innodb_pages_created.derive", "3"),
        ("innodb_pages_written.derive", "4"),
        ("innodb_data_reads.derive", "5"),
        ("innodb_data_writes.derive", "6"),
        ("innodb_data_fsyncs.derive", "7"),
        ("innodb_log_writes.derive", "8"),
        ("innodb_rows_inserted.derive", "9"),
        ("innodb_rows_updated.derive", "1"),
        ("innodb_rows_deleted.derive", "2"),
        ("innodb_rows_read.derive", "3"),
        ("innodb_spin_waits.derive", "130"),
        ("innodb_spin_rounds.derive", "200"),
        ("innodb_os_waits.derive", "6"),
        ("com_select.derive", "U"),
    ] {
        assert_eq!(lines[&format!("metrics.{key}")], value, "{key}");
    }
    assert_eq!(lines["meta.innodb_buffer_pool_size"], "8,192MB");
    assert_eq!(lines["meta.innodb_flush_method"], "fdatasync");
    assert_eq!(lines["meta.log_slow_queries"], "OFF");
    assert_eq!(lines["meta.uptime"], "0");
    assert_eq!(lines["meta.replication"], "0");
}

#[test]
fn innodb_that_is_not_in_use_is_not_told_of() {
    for have in ["NO", "DISABLED"] {
        let answers = Answers {
            variables: some_fields(&[("have_innodb", have), ("innodb_buffer_pool_size", "1")]),
            ..Answers::default()
        };
        let lines = lines(&report(&answers));
        assert_eq!(lines["meta.innodb"], "0");
        assert!(!lines.keys().any(|key| key.starts_with("metrics.innodb")), "{lines:?}");
    }
}

#[test]
fn graphs_are_drawn_from_what_is_fetched() {
    let answers = Answers {
        variables: some_fields(&[("innodb_buffer_pool_size", "1")]),
        replication: vec![Fields::new()],
        ..Answers::default()
    };
    let mut fetched: std::collections::BTreeSet<String> =
        report(&answers).metrics.into_iter().map(|(key, _)| key).collect();
    // Not drawn, as it was not before.
    assert!(fetched.remove("innodb_spin_rounds.derive"));
    // What groups are shown for.
    let meta = ["innodb", "replication"].map(|name| (name.to_owned(), "1".to_owned()));
    assert_eq!(drawn_keys("mysql", &meta.into()), fetched);
}

proptest! {
    #[test]
    fn whatever_a_server_tells_makes_lines_that_can_be_pushed(
        status in proptest::collection::btree_map(
            proptest::sample::select([&status::DERIVED[..], &status::GAUGES[..], &["uptime"]].concat()),
            any::<String>(), 0..20),
        innodb in proptest::collection::btree_map(
            proptest::sample::select(innodb::PAGES.map(|(key, _)| key).to_vec()),
            any::<u64>().prop_map(|number| number.to_string()), 0..4),
        page_size in prop_oneof![Just("16384".to_owned()), any::<u64>().prop_map(|n| n.to_string()), any::<String>()],
        variables in proptest::collection::btree_map(
            proptest::sample::select([&status::VARIABLES_SHOWN[..], &["innodb_buffer_pool_size", "innodb_flush_method"]].concat()),
            any::<String>(), 0..20),
        source in proptest::collection::btree_map(
            proptest::sample::select(vec!["last_error", "last_io_error", "master_host", "seconds_behind_source"]),
            any::<String>(), 0..4),
        text in proptest::option::of(any::<String>()),
    ) {
        let owned = |pairs: BTreeMap<&str, String>| -> Fields {
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        };
        let mut status = owned(status);
        status.extend(owned(innodb));
        status.insert("innodb_page_size".to_owned(), page_size);
        let answers = Answers {
            status,
            variables: owned(variables),
            innodb_status: text,
            replication: vec![owned(source)],
            no_replication: None,
        };
        // Each line is parsed there.
        lines(&report(&answers));
    }
}
