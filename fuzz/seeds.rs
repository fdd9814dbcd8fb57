//! Writes the inputs that each target starts from, made of the tests' sample, the plugins'
//! definitions and the packaged configuration, in today's formats: `seeds DIRECTORY`.

use std::fs;
use std::path::{Path, PathBuf};

use line_protocol::{DataSourceType, Record, Value, parse_line};
use rrd_store::file;
use rrd_store::host::Host;
use rrd_store::layout::Layout;
use rrd_store::point::Point;
use rrd_store::snapshot;

const LINES: &str = include_str!("../tests/samples/agent-2014.tsv");
const ODD_LINES: &str = include_str!("odd.tsv");
const CONFIGURATION: &str = include_str!("../packaging/kurado.yml");
const ROLL: &str = include_str!("../packaging/rolls/linux.yml");
/// A greeting, another way to log in, an error, a column, a row, and InnoDB's status.
const MYSQL: [&[u8]; 6] = [
    b"\x0a8.0.36\0\x05\0\0\0abcdefgh\0\xff\xff\x21\x02\0\xff\xcf\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0caching_sha2_password\0",
    b"\xfemysql_native_password\0abcdefghijklmnopqrst\0",
    b"\xff\x15\x04#28000Access denied",
    b"\x03def\0\0\0\x05Value\x05Value",
    b"\x06Uptime\x0212",
    b"Mutex spin waits 5, rounds 6, OS waits 7\nRW-shared spins 1, OS waits 2; RW-excl spins 3, OS waits 4\nRW-sx spins 1, rounds 2, OS waits 3\nNumber of rows inserted 8, updated 1, deleted 2, read 3\nPages read 4, created 3, written 2\n9 OS file reads, 8 OS file writes, 7 OS fsyncs\n6 log i/o's done, 1\nBuffer pool hit rate 9 / 10\nBuffer pool size   64\n",
];
/// A page of an exporter.
const EXPOSITION: &str = "# HELP a_total What it counts.\n# TYPE a_total counter\na_total{method=\"post\",path=\"C:\\\\x\\n\\\"y\\\"\"} 1027 1395066363000\nb 12.5e-3\nc_bucket{le=\"+Inf\"} NaN # {trace=\"z\"} 0.1\n";
/// What servers say in words, by the number of the reader in `targets/foreign_text.rs`; NUL bytes stand
/// between several pages.
const FOREIGN_TEXTS: [&str; 12] = [
    "# Server\r\nredis_version:7.0.15\r\nuptime_in_seconds:12\r\nused_memory:1048576\r\nmem_fragmentation_ratio:1.50\r\nrdb_changes_since_last_save:3\r\nrole:master\r\n# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\n\0900 1",
    "STAT version 1.6.18\r\nSTAT uptime 5\r\nSTAT cmd_get 7\r\nSTAT bytes 100\r\nSTAT maxconns 1024\r\nEND\r\n",
    "Active connections: 291 \nserver accepts handled requests\n 16630948 16630948 31070465 \nReading: 6 Writing: 179 Waiting: 106 \n",
    "Total Accesses: 41\nUptime: 1700000000\nBusyWorkers: 1\nIdleWorkers: 49\nScoreboard: _W__\n",
    "client_http.requests = 12\nclient_http.hits = 3\nclient_http.errors = 0\n\0client_http.all_median_svc_time = 0.012345 seconds\n\0Squid Object Cache: Version 5.7\nUP Time:\t12.345 seconds\nMaximum number of file descriptors:   1024\n  52 StoreEntries\n  5 StoreEntries with MemObjects\n",
    "{\"value\":11742}\0{\"value\":{\"ThreadCount\":38}}\0{\"value\":{\"java.lang:name=G1 Young Generation,type=GarbageCollector\":{\"CollectionCount\":51}}}\0{\"value\":{\"HeapMemoryUsage\":{\"max\":-1,\"used\":5}}}\0{\"value\":{\"java.lang:name=G1 Eden Space,type=MemoryPool\":{\"Usage\":{\"used\":1}}}}\0{\"value\":{\"StartTime\":1700000000999,\"VmName\":\"x\",\"InputArguments\":[\"-Xmx1g\"]}}",
    "{\"statictics\":{\"opcache_hit_rate\":99.5},\"memory_usage\":{\"used_memory\":1},\"config\":{\"memory_max\":134217728,\"max_accelerated_files\":10000}}",
    "{\"queue_max\":8192,\"queue_usage\":0,\"ios\":{\"push_success\":1,\"push_error\":0},\"goroutine_num\":10}",
    "# TYPE a_total counter\na_total{method=\"post\"} 1027 1395066363000\nb{mode=\"user\"} 12.5e-3\n# TYPE c histogram\nc_bucket{le=\"+Inf\"} 4\n",
    "Uptime\t12\nInnodb_page_size\t16384\nInnodb_buffer_pool_pages_total\t512\nInnodb_buffer_pool_reads\t1\nInnodb_buffer_pool_read_requests\t9\n\0version\t8.4.2\ninnodb_buffer_pool_size\t8589934592\nsync_source_info\t10000\n\0Mutex spin waits 5, rounds 6, OS waits 7\n\0Source_Host\tdb1\nSeconds_Behind_Source\t3\nLast_Error\tx\n",
    "HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "busy\t3\nmetrics.reqs.derive\t5\t1700000000\nmeta.version\t1.0\nwarn.x\tbroken\n",
];
const START: u32 = 1_404_873_360;
/// Bytes of a standard file's header: what the target `rrd_file` takes of it.
const HEADER_SIZE: usize = 2872;
/// What view programs print.
const VIEWS: [(&str, &str); 2] = [
    (
        "groups",
        "// mine\n#Shop (80)\tversion\t1.2\tlink\t>||<a href=\"x\">A &amp; B</a>\nreqs\n#Other\twarn\tnone\n",
    ),
    (
        "graph",
        "Requests\n# old\nDEF:a=<%RRD reqs.derive %>:n:AVERAGE\nDEF:b=<%RRD_EXTEND http:80 10.0.0.1 busy.gauge %>:x:MAX\nCDEF:c=a,b,+\nLINE1:c#00FF00:Both\n",
    ),
];

fn main() {
    let directory = std::env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.expect("the directory that the seeds go to");
    for (number, lines) in
        LINES.lines().chain(ODD_LINES.lines()).collect::<Vec<_>>().chunks(4).enumerate()
    {
        write(&directory, "line", &number.to_string(), lines.join("\n").as_bytes());
    }
    for count in [0, 1, 8, 46] {
        write(&directory, "snapshot", &count.to_string(), &snapshot::encode(&host(count)));
    }
    for data_source_type in DataSourceType::ALL {
        write(&directory, "rrd_file", data_source_type.suffix(), &rrd_file(data_source_type));
    }
    for (name, source) in definitions() {
        write(&directory, "definition", &name, &source);
    }
    for (name, output) in VIEWS {
        write(&directory, "view", name, output.as_bytes());
    }
    write(&directory, "exposition", "page", EXPOSITION.as_bytes());
    for (number, document) in CONFIGURATION.split("---").enumerate() {
        let both = format!("{document}\0{ROLL}");
        write(&directory, "configuration", &number.to_string(), both.as_bytes());
    }
    for (reader, text) in (0u8..).zip(FOREIGN_TEXTS) {
        let seed = [&[reader], text.as_bytes()].concat();
        write(&directory, "foreign_text", &reader.to_string(), &seed);
    }
    for (number, seed) in MYSQL.iter().enumerate() {
        write(&directory, "mysql", &number.to_string(), seed);
    }
    write(&directory, "configuration", "whole", format!("{CONFIGURATION}\0{ROLL}").as_bytes());
}

fn write(directory: &Path, target: &str, name: &str, seed: &[u8]) {
    let directory = directory.join(target);
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join(name), seed).expect("a file");
}

/// A host that took so many of the sample's lines, metrics twice.
fn host(lines: usize) -> Host {
    let mut host = Host::new(1);
    for line in LINES.lines().take(lines) {
        let line = parse_line(line.as_bytes()).expect("a good line").expect("no comment");
        match line.record {
            Record::Metric { key, data_source_type, value } => {
                for time in [line.time, line.time + 60] {
                    let point = Point::new(time, value);
                    host.accept(line.plugin, &key, data_source_type, point, time).expect("room");
                }
            }
            Record::Meta { key, value } => {
                host.set_meta(line.plugin, key, value, line.time).expect("room");
            }
            Record::Warning { key, text } => {
                host.set_warning(line.plugin, key, text, line.time).expect("room");
            }
        }
    }
    if lines > 0 {
        host.set_warning("http%3A80", "command", "refused", START).expect("room");
    }
    host
}

/// Three points and the header of a file that has two others.
fn rrd_file(data_source_type: DataSourceType) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("seed.rrd");
    let points = [0, 1].map(|n| Point::new(START + n * 60, Value::Unknown));
    file::write(&path, &Layout::default(), data_source_type, &points).expect("a new file");
    let number = DataSourceType::ALL.iter().position(|one| *one == data_source_type);
    let mut seed = vec![u8::try_from(number.expect("one of them") << 4 | 3).expect("a byte")];
    for n in 2..5u8 {
        seed.extend_from_slice(&(START + u32::from(n) * 60).to_le_bytes());
        seed.push(1);
        let bits = match data_source_type {
            DataSourceType::Gauge | DataSourceType::Absolute => f64::from(n).to_bits(),
            DataSourceType::Counter | DataSourceType::Derive => u64::from(n) * 100,
        };
        seed.extend_from_slice(&bits.to_le_bytes());
    }
    seed.extend_from_slice(&fs::read(&path).expect("a file")[..HEADER_SIZE]);
    seed
}

fn definitions() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let entries = fs::read_dir(directory).expect("the plugins' definitions");
    let files = entries.map(|entry| entry.expect("a file").path());
    let definitions = files.filter(|path| path.extension().is_some_and(|e| e == "toml"));
    let named = definitions.map(|path| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, fs::read(path).expect("a definition"))
    });
    named.collect()
}
