//! Settings are read, changed within their bounds, and kept by `CONFIG REWRITE`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use redis::{Connection, Value};
use test_redis::{Running, eventually, load_module};

use crate::rrdtool::rrdtool;
use crate::sample;
use crate::server::Server;

const STANDARD: &str = "AVERAGE:1:2880,AVERAGE:5:2880,AVERAGE:60:960,AVERAGE:1440:1100,\
     MIN:1:2880,MIN:5:2880,MIN:60:960,MIN:1440:1100,MAX:1:2880,MAX:5:2880,MAX:60:960,MAX:1440:1100";

/// What a change to a value gives.
enum Outcome {
    /// CONFIG GET gives this then.
    Is(&'static str),
    /// The error has this in it.
    Refused(&'static str),
}
use Outcome::{Is, Refused};

const IMMUTABLE: &str = "can't set immutable config";

/// Name, default, and values with what they give.
type Setting = (&'static str, &'static str, &'static [(&'static str, Outcome)]);

#[test]
fn each_setting_has_its_default_and_its_bounds() {
    let server = Server::start(&[]);
    let get =
        |name: &str| server.run::<Vec<String>>(&format!("CONFIG GET kurado.{name}"))[1].clone();
    let changes: &[Setting] = &[
        ("data-dir", "data", &[("/x", Refused(IMMUTABLE))]),
        ("writer-threads", "2", &[("3", Refused(IMMUTABLE))]),
        (
            "write-delay",
            "1200",
            &[
                ("1", Is("1")),
                ("86400", Is("86400")),
                ("0", Refused("between 1 and 86400")),
                ("86401", Refused("between 1 and 86400")),
                ("-5", Refused("between 1 and 86400")),
                ("soon", Refused("argument couldn't be parsed into an integer")),
            ],
        ),
        (
            "shutdown-timeout",
            "30",
            &[
                ("0", Is("0")),
                ("3600", Is("3600")),
                ("3601", Refused("between 0 and 3600")),
                ("-1", Refused("between 0 and 3600")),
            ],
        ),
        (
            "max-pending-bytes",
            "1073741824",
            &[
                ("64kb", Is("65536")),
                ("2gb", Is("2147483648")),
                ("70368744177664", Is("70368744177664")),
                ("65535", Refused("between 65536 and 70368744177664")),
                ("70368744177665", Refused("between 65536 and 70368744177664")),
            ],
        ),
        (
            "max-series",
            "5000000",
            &[
                ("1", Is("1")),
                ("4294967295", Is("4294967295")),
                ("0", Refused("between 1 and 4294967295")),
                ("4294967296", Refused("between 1 and 4294967295")),
            ],
        ),
        ("max-hosts", "100000", &[("7", Is("7")), ("0", Refused("between 1 and 4294967295"))]),
        (
            "heartbeat",
            "120",
            &[
                ("1", Is("1")),
                ("86400", Is("86400")),
                ("0", Refused("between 1 and 86400")),
                ("86401", Refused("between 1 and 86400")),
            ],
        ),
        (
            "rra",
            STANDARD,
            &[
                ("AVERAGE:1:60,LAST:5:20", Is("AVERAGE:1:60,LAST:5:20")),
                ("AVERAGE:1", Refused("kurado.rra 'AVERAGE:1': archive 'AVERAGE:1' must be a")),
                ("MEAN:1:5", Refused("archive 'MEAN:1:5' must be a consolidation")),
                ("MIN:0:5", Refused("must take 1 to 1000000 steps a row")),
                ("MIN:1:0", Refused("must have at least one row")),
                ("MIN:1:99999999", Refused("bytes, where 67108864 is the most")),
                ("", Is(STANDARD)),
                (STANDARD, Is(STANDARD)),
            ],
        ),
        (
            "queue-compat",
            "yes",
            &[("no", Is("no")), ("maybe", Refused("must be 'yes' or 'no'")), ("yes", Is("yes"))],
        ),
    ];
    let all: Vec<String> = server.run("CONFIG GET kurado.*");
    assert_eq!(all.len(), 2 * changes.len(), "{all:?}");
    for (name, default, changes) in changes {
        assert_eq!(get(name), *default, "{name}");
        for (value, outcome) in *changes {
            let before = get(name);
            let setting = format!("kurado.{name}");
            let result = server.try_run_words::<()>(&["CONFIG", "SET", &setting, value]);
            match (outcome, result) {
                (Is(expected), Ok(())) => assert_eq!(get(name), *expected),
                (Refused(expected), Err(error)) => {
                    assert!(error.contains(expected), "{name} {value}: {error}");
                    assert!(error.contains(&setting), "{name} {value}: {error}");
                    assert_eq!(get(name), before);
                }
                (_, result) => panic!("{name} {value}: {result:?}"),
            }
        }
    }
}

#[test]
fn heartbeat_and_archives_are_those_of_new_files_and_old_ones_stay() {
    let server = Server::start(&["--kurado.heartbeat", "300", "--kurado.rra", "AVERAGE:1:60"]);
    let info = |key: &str| {
        let file = server.file("10.0.0.1", "base", &format!("{key}.gauge"));
        rrdtool(&["info", file.to_str().unwrap()])
    };
    server.push_point("10.0.0.1", "first", 1, sample::TIME);
    server.flush();
    assert!(info("first").contains("ds[n].minimal_heartbeat = 300"));
    assert!(info("first").contains("rra[0].rows = 60"));
    server.run::<()>("CONFIG SET kurado.rra MAX:5:20,LAST:1:7 kurado.heartbeat 90");
    server.push_point("10.0.0.1", "first", 2, sample::TIME + 60);
    server.push_point("10.0.0.1", "second", 1, sample::TIME);
    assert_eq!(server.flush(), 2);
    assert!(info("first").contains("ds[n].minimal_heartbeat = 300"));
    let second = info("second");
    for expected in [
        "ds[n].minimal_heartbeat = 90",
        "rra[0].cf = \"MAX\"",
        "rra[0].pdp_per_row = 5",
        "rra[0].rows = 20",
        "rra[1].cf = \"LAST\"",
        "rra[1].rows = 7",
    ] {
        assert!(second.contains(expected), "{expected} in {second}");
    }
    assert!(!second.contains("rra[2]"));
}

/// Starts a server from a configuration file in a directory, which must make it listen there.
fn start_from_file(directory: &Path) -> (Running, Connection) {
    let mut command = Command::new("redis-server");
    command.arg(directory.join("redis.conf")).stdout(Stdio::null());
    let mut server = Running::start(&mut command);
    let connection = eventually("a connection", || {
        assert!(server.0.try_wait().unwrap().is_none(), "redis-server ended");
        let socket = format!("redis+unix://{}/socket", directory.display());
        redis::Client::open(socket).ok()?.get_connection().ok()
    });
    (server, connection)
}

#[test]
fn a_rewritten_configuration_loads_again_with_what_was_changed() {
    let directory = tempfile::tempdir().unwrap();
    let [_, module] = load_module();
    let path = directory.path().to_str().unwrap();
    let lines = [
        "port 0".to_owned(),
        format!("unixsocket {path}/socket"),
        "save \"\"".to_owned(),
        format!("dir {path}"),
        format!("loadmodule {module}"),
        format!("kurado.data-dir \"{path}/rrd files\""),
        "kurado.writer-threads 3".to_owned(),
    ];
    fs::write(directory.path().join("redis.conf"), lines.join("\n")).unwrap();
    let changes = [
        ("kurado.write-delay", "77"),
        ("kurado.shutdown-timeout", "9"),
        ("kurado.max-pending-bytes", "70000"),
        ("kurado.max-series", "500"),
        ("kurado.max-hosts", "50"),
        ("kurado.heartbeat", "240"),
        ("kurado.rra", "AVERAGE:1:60,MAX:60:24"),
        ("kurado.queue-compat", "no"),
    ];
    let (server, mut connection) = start_from_file(directory.path());
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg(&changes).exec(&mut connection).unwrap();
    redis::cmd("CONFIG").arg("REWRITE").exec(&mut connection).unwrap();
    drop((connection, server));
    let (_server, mut connection) = start_from_file(directory.path());
    let data = format!("{path}/rrd files");
    let fixed = [("kurado.data-dir", data.as_str()), ("kurado.writer-threads", "3")];
    for (name, expected) in changes.iter().chain(&fixed) {
        let mut get = redis::cmd("CONFIG");
        let found: Vec<String> = get.arg("GET").arg(*name).query(&mut connection).unwrap();
        assert_eq!(found, [*name, *expected]);
    }
    let line = "10.0.0.1\tbase.metrics.a\t1\t1404873350";
    redis::cmd("KURADO.PUSH").arg(line).exec(&mut connection).unwrap();
    assert_eq!(redis::cmd("KURADO.FLUSH").query::<Value>(&mut connection).unwrap(), Value::Int(1));
    let file = directory.path().join("rrd files/10.0.0.1/base/a.gauge.rrd");
    assert!(rrdtool(&["info", file.to_str().unwrap()]).contains("minimal_heartbeat = 240"));
}
