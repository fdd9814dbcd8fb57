//! What servers of other versions answer, by their documented formats.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use proptest::prelude::*;

use super::hostile::{framed, greeting};
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

/// What a server answers to one question: the names of the columns and one row, names and values in
/// as many rows, or an error's number.
enum Answer {
    Row(&'static str),
    Pairs(&'static str),
    Refused(u16),
}

impl Answer {
    /// In packets. Each column's, or name's, value stands behind it, and tabs in between.
    fn packets(&self) -> Vec<u8> {
        let (names, rows): (Vec<&str>, Vec<Vec<&str>>) = match self {
            Self::Refused(code) => {
                let [low, high] = code.to_le_bytes();
                return framed(1, &[&[0xff, low, high], &b"#42000no"[..]].concat());
            }
            Self::Row(text) => {
                let (names, values) =
                    text.lines().map(|line| line.split_once('\t').unwrap()).unzip();
                (names, vec![values])
            }
            Self::Pairs(text) => {
                let rows = text.lines().map(|line| line.split('\t').collect()).collect();
                (vec!["Variable_name", "Value"], rows)
            }
        };
        let packed = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let value = |text: &&str| if *text == "NULL" { vec![0xfb] } else { packed(text) };
        let mut bodies = vec![vec![u8::try_from(names.len()).unwrap()]];
        bodies.extend(names.iter().map(|name| [b"\x03def\0\0\0", &packed(name)[..]].concat()));
        bodies.push(b"\xfe\0\0\x02\0".to_vec());
        bodies.extend(rows.iter().map(|row| row.iter().flat_map(value).collect()));
        bodies.push(b"\xfe\0\0\x02\0".to_vec());
        (1u8..).zip(bodies).flat_map(|(sequence, body)| framed(sequence, &body)).collect()
    }
}

/// A server that gives these answers to one client, and an error to all other questions. Gives its
/// port, and what was asked.
fn recorded(answers: &'static [(&str, Answer)]) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut said = |packets: &[u8]| {
            stream.write_all(packets).unwrap();
            let mut header = [0; 4];
            stream.read_exact(&mut header).unwrap();
            let mut body = vec![0; usize::from(header[0]) | usize::from(header[1]) << 8];
            stream.read_exact(&mut body).unwrap();
            body
        };
        said(&greeting());
        let mut question = said(&framed(2, b"\0\0\0\x02\0\0\0"));
        let mut asked = Vec::new();
        while let [3, text @ ..] = question.as_slice() {
            let text = String::from_utf8(text.to_vec()).unwrap();
            let answer = answers.iter().find(|(question, _)| *question == text);
            let packets = answer.map_or(&Answer::Refused(1064), |(_, answer)| answer).packets();
            asked.push(text);
            question = said(&packets);
        }
        // The farewell.
        assert_eq!(question, [1]);
        asked
    });
    (port, server)
}

const STATUS: &str = "Com_insert\t7\nInnodb_buffer_pool_pages_total\t512\nInnodb_page_size\t16384\n\
                      Innodb_rows_inserted\t9\nUptime\t60";

/// Replication as MySQL 5.7 tells it.
const SLAVE: &str = "Slave_IO_State\tWaiting for master to send event\nMaster_Host\tdb1\nMaster_User\tcopy\n\
                     Master_Port\t3306\nConnect_Retry\t60\nMaster_Log_File\tlog.000003\nRead_Master_Log_Pos\t700\n\
                     Relay_Log_Pos\t320\nRelay_Master_Log_File\tlog.000003\nSlave_IO_Running\tYes\n\
                     Slave_SQL_Running\tYes\nLast_Errno\t0\nLast_Error\t\nSkip_Counter\t0\nExec_Master_Log_Pos\t600\n\
                     Seconds_Behind_Master\t5\nLast_IO_Errno\t0\nLast_IO_Error\t\nLast_SQL_Error\t";
/// The same as MySQL 8.0.22 and later do.
const REPLICA: &str = "Replica_IO_State\tWaiting for source to send event\nSource_Host\tdb1\nSource_User\tcopy\n\
                       Source_Port\t3306\nConnect_Retry\t60\nSource_Log_File\tlog.000003\nRead_Source_Log_Pos\t700\n\
                       Relay_Log_Pos\t320\nRelay_Source_Log_File\tlog.000003\nReplica_IO_Running\tYes\n\
                       Replica_SQL_Running\tYes\nLast_Errno\t0\nLast_Error\t\nSkip_Counter\t0\nExec_Source_Log_Pos\t600\n\
                       Seconds_Behind_Source\t5\nLast_IO_Errno\t0\nLast_IO_Error\t\nLast_SQL_Error\t";

static MYSQL_5_7: [(&str, Answer); 4] = [
    ("SHOW GLOBAL STATUS", Answer::Pairs(STATUS)),
    (
        "SHOW VARIABLES",
        Answer::Pairs(
            "version\t5.7.44\ninnodb_version\t5.7.44\ninnodb_buffer_pool_size\t134217728\ninnodb_flush_method\t\n\
             innodb_support_xa\tON\ninnodb_file_format\tBarracuda\nslow_query_log\tOFF\nsync_master_info\t10000",
        ),
    ),
    ("SHOW ENGINE INNODB STATUS", Answer::Refused(1227)),
    ("SHOW SLAVE STATUS", Answer::Row(SLAVE)),
];
/// Both names of what was renamed in between.
static MYSQL_8_0: [(&str, Answer); 5] = [
    ("SHOW GLOBAL STATUS", Answer::Pairs(STATUS)),
    (
        "SHOW VARIABLES",
        Answer::Pairs(
            "version\t8.0.36\ninnodb_version\t8.0.36\ninnodb_buffer_pool_size\t134217728\ninnodb_flush_method\tfsync\n\
             slow_query_log\tOFF\nsync_master_info\t10000\nsync_source_info\t10000",
        ),
    ),
    (
        "SHOW ENGINE INNODB STATUS",
        Answer::Row("Type\tInnoDB\nName\t\nStatus\tRW-shared spins 11, rounds 12, OS waits 1"),
    ),
    ("SHOW REPLICA STATUS", Answer::Row(REPLICA)),
    ("SHOW SLAVE STATUS", Answer::Row(SLAVE)),
];
static MYSQL_8_4: [(&str, Answer); 4] = [
    ("SHOW GLOBAL STATUS", Answer::Pairs(STATUS)),
    (
        "SHOW VARIABLES",
        Answer::Pairs(
            "version\t8.4.2\ninnodb_version\t8.4.2\ninnodb_buffer_pool_size\t134217728\ninnodb_flush_method\tO_DIRECT\n\
             slow_query_log\tOFF\nsync_source_info\t10000",
        ),
    ),
    (
        "SHOW ENGINE INNODB STATUS",
        Answer::Row("Type\tInnoDB\nName\t\nStatus\tRW-shared spins 11, rounds 12, OS waits 1"),
    ),
    ("SHOW REPLICA STATUS", Answer::Row(REPLICA)),
];

#[tokio::test]
async fn each_version_is_asked_in_its_words_and_told_by_the_same_names() {
    let (since_8, before) = (["SHOW REPLICA STATUS"], ["SHOW REPLICA STATUS", "SHOW SLAVE STATUS"]);
    for (version, answers, method, last, os_waits) in [
        ("5.7.44", &MYSQL_5_7[..], "fdatasync", &before[..], "U"),
        ("8.0.36", &MYSQL_8_0[..], "fsync", &since_8[..], "1"),
        ("8.4.2", &MYSQL_8_4[..], "O_DIRECT", &since_8[..], "1"),
    ] {
        let (port, server) = recorded(answers);
        let lines = fetched(&format!("mysql:{port}"), watch()).await.unwrap();
        for (key, value) in [
            ("metrics.com_insert.derive", "7"),
            ("metrics.com_delete.derive", "U"),
            ("metrics.innodb_rows_inserted.derive", "9"),
            ("metrics.innodb_buffer_pool_pages_total.gauge", "8388608"),
            ("metrics.innodb_os_waits.derive", os_waits),
            ("metrics.replication_second_behind_master.gauge", "5"),
            ("metrics.replication_read_master_log_pos.gauge", "700"),
            ("metrics.replication_exec_master_log_pos.gauge", "600"),
            ("meta.version", version),
            ("meta.innodb", "1"),
            ("meta.innodb_buffer_pool_size", "128MB"),
            ("meta.innodb_flush_method", method),
            ("meta.slow_query_log", "OFF"),
            ("meta.sync_master_info", "10000"),
            ("meta.replication", "1"),
            ("meta.replication_slave_io_running", "Yes"),
            ("meta.replication_slave_sql_running", "Yes"),
            ("meta.replication_master_host", "db1"),
            ("meta.replication_master_port", "3306"),
        ] {
            assert_eq!(lines[key], value, "{version}: {key}");
        }
        assert!(!lines.contains_key("warn.replication"), "{version}: {lines:?}");
        let is_5_7 = version.starts_with("5.7");
        assert_eq!(lines.contains_key("meta.innodb_support_xa"), is_5_7, "{version}");
        assert_eq!(lines.contains_key("meta.innodb_file_format"), is_5_7, "{version}");
        let first = ["SHOW GLOBAL STATUS", "SHOW VARIABLES", "SHOW ENGINE INNODB STATUS"];
        assert_eq!(server.join().unwrap(), [&first[..], last].concat(), "{version}");
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
    for key in DECLARATION.not_drawn {
        assert!(fetched.remove(*key), "{key}");
    }
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
