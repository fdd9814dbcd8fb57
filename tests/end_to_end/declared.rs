//! What `COMMAND` tells of each command, and what follows: arity, flags, keys, docs.

use redis::Value;
use test_redis::eventually;

use crate::sample;
use crate::server::{Server, field, pairs, text};

/// Each command with its arity and what it does.
const COMMANDS: [(&str, i64, &str); 14] = [
    ("kurado.push", -2, "write denyoom"),
    ("kurado.meta", -2, ""),
    ("kurado.meta|set", -3, "write denyoom"),
    ("kurado.meta|get", -3, "readonly"),
    ("kurado.meta|del", -4, "write"),
    ("kurado.queue", -3, "write denyoom"),
    ("kurado.del", -2, "write"),
    ("kurado.rename", -3, "write"),
    ("kurado.host", 2, "readonly"),
    ("kurado.hosts", -1, "readonly"),
    ("kurado.states", -2, "readonly"),
    ("kurado.series", -2, "readonly"),
    ("kurado.fetch", -7, "readonly"),
    ("kurado.flush", -1, "readonly"),
];

#[test]
fn each_command_tells_its_arity_and_flags_and_none_but_the_queue_has_a_key() {
    let server = Server::start(&[]);
    for (name, arity, flags) in COMMANDS {
        let info: Vec<Value> = server.run(&format!("COMMAND INFO {name}"));
        let [Value::Array(info)] = &*info else { panic!("{name}: {info:?}") };
        assert_eq!(info[1], Value::Int(arity), "{name}");
        let Value::Array(told) = &info[2] else { panic!("{name}: {info:?}") };
        let told: Vec<String> = told.iter().map(text).collect();
        for flag in ["write", "denyoom", "readonly"] {
            let expected = flags.split(' ').any(|expected| expected == flag);
            assert_eq!(told.iter().any(|told| told == flag), expected, "{name}: {told:?}");
        }
        assert_eq!(info[3], Value::Int(i64::from(name == "kurado.queue")), "{name}");
    }
}

#[test]
fn each_command_has_docs_with_summary_arguments_and_complexity() {
    let server = Server::start(&[]);
    for (name, _, _) in COMMANDS {
        let docs: Value = server.run(&format!("COMMAND DOCS {name}"));
        let (found, doc) = pairs(&docs).remove(0);
        assert_eq!(found, name);
        for field_name in ["summary", "since", "complexity"] {
            assert!(!text(&field(&doc, field_name)).is_empty(), "{name}: {field_name}");
        }
        if name == "kurado.meta" {
            assert_eq!(pairs(&field(&doc, "subcommands")).len(), 4);
        } else {
            assert!(matches!(field(&doc, "arguments"), Value::Array(list) if !list.is_empty()));
        }
    }
    let docs: Value = server.run("COMMAND DOCS kurado.fetch");
    let Value::Array(arguments) = field(&pairs(&docs).remove(0).1, "arguments") else {
        panic!("{docs:?}");
    };
    let names: Vec<String> = arguments.iter().map(|a| text(&field(a, "name"))).collect();
    assert_eq!(names, ["address", "plugin", "key", "cf", "start", "end", "step"]);
    assert_eq!(text(&field(&arguments[3], "type")), "oneof");
    assert!(format!("{:?}", field(&arguments[6], "flags")).contains("optional"));
}

#[test]
fn too_few_or_too_many_words_are_refused() {
    let server = Server::start(&[]);
    for words in [
        "KURADO.PUSH",
        "KURADO.META",
        "KURADO.META SET",
        "KURADO.META GET",
        "KURADO.META GET a b c d",
        "KURADO.META DEL a",
        "KURADO.META DEL a b c d",
        "KURADO.HOST",
        "KURADO.HOST a b",
        "KURADO.DEL",
        "KURADO.DEL a b c d",
        "KURADO.RENAME",
        "KURADO.RENAME a",
        "KURADO.HOSTS MATCH",
        "KURADO.STATES",
        "KURADO.SERIES",
        "KURADO.SERIES a b c",
        "KURADO.FETCH a b c MAX 1",
        "KURADO.FETCH a b c MAX 1 2 3 4",
    ] {
        let error = server.try_run::<Value>(words).unwrap_err();
        assert!(error.contains("wrong number of arguments"), "{words}: {error}");
    }
    let error = server.try_run::<Value>("KURADO.META PUT 10.0.0.1").unwrap_err();
    assert!(error.contains("unknown subcommand 'PUT'"), "{error}");
}

#[test]
fn meta_and_states_are_read_on_a_replica_and_nothing_is_set_there() {
    let master = Server::start(&[]);
    master.push(&sample::with_address("10.0.0.1"));
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port())]);
    eventually("the full sync", || (replica.info("series") == 40).then_some(()));
    let meta: Vec<String> = replica.run("KURADO.META GET 10.0.0.1 base traffic-interfaces");
    assert_eq!(meta, ["traffic-interfaces", "eth0"]);
    let words = "KURADO.STATES 10.0.0.1 10.0.0.9";
    assert_eq!(replica.run::<Value>(words), master.run::<Value>(words));
    for words in ["KURADO.META SET x", "KURADO.META DEL 10.0.0.1 base"] {
        let error = replica.try_run::<Value>(words).unwrap_err();
        assert!(error.contains("read only replica"), "{words}: {error}");
    }
    assert_eq!(master.run::<usize>("KURADO.META DEL 10.0.0.1 base traffic-interfaces"), 1);
    eventually("the deletion", || {
        let words = "KURADO.META GET 10.0.0.1 base traffic-interfaces";
        replica.run::<Vec<String>>(words).is_empty().then_some(())
    });
}

#[test]
fn past_maxmemory_reading_and_deleting_go_on() {
    let server = Server::start(&[]);
    server.push(&sample::with_address("10.0.0.1"));
    server.run::<()>("CONFIG SET maxmemory 1");
    for words in ["KURADO.PUSH x", "KURADO.META SET x"] {
        let error = server.try_run::<Value>(words).unwrap_err();
        assert!(error.contains("command not allowed when used memory"), "{words}: {error}");
    }
    let meta: Vec<String> = server.run("KURADO.META GET 10.0.0.1 base traffic-interfaces");
    assert_eq!(meta, ["traffic-interfaces", "eth0"]);
    assert_ne!(server.run::<Vec<Value>>("KURADO.STATES 10.0.0.1"), [Value::Nil]);
    assert_eq!(server.run::<usize>("KURADO.META DEL 10.0.0.1 base traffic-interfaces"), 1);
    assert_eq!(server.flush(), 40);
    server.run::<()>("CONFIG SET maxmemory 0");
    server.push_point("10.0.0.1", "a", 1, sample::TIME);
}

#[test]
fn a_user_that_may_only_push_can_do_nothing_else() {
    let server = Server::start(&[]);
    server.run::<()>("ACL SETUSER agent on >pass +kurado.push ~kurado:*");
    let client = redis::Client::open(format!("redis://agent:pass@127.0.0.1:{}", server.port()));
    let mut connection =
        client.unwrap().get_connection_with_timeout(std::time::Duration::from_secs(30)).unwrap();
    let mut run = |words: &str| -> Result<Value, String> {
        let words: Vec<&str> = words.split(' ').collect();
        let mut command = redis::Cmd::new();
        command.arg(words).query(&mut connection).map_err(|error| error.to_string())
    };
    run("KURADO.PUSH 10.0.0.1\tbase.metrics.a\t1\t1404873350").unwrap();
    // The container of subcommands does nothing by itself.
    let others =
        COMMANDS.iter().filter(|(name, ..)| !["kurado.push", "kurado.meta"].contains(name));
    for (name, arity, _) in others {
        let mut words = name.replace('|', " ");
        while (words.split(' ').count() as u64) < arity.unsigned_abs() {
            words.push_str(" 10.0.0.1");
        }
        let error = run(&words).unwrap_err();
        assert!(error.contains("no permissions to run"), "{words}: {error}");
    }
    // A subcommand has rights of its own.
    server.run::<()>("ACL SETUSER agent +kurado.meta|get");
    run("KURADO.META GET 10.0.0.1").unwrap();
    run("KURADO.META DEL 10.0.0.1 base").unwrap_err();
}

#[test]
fn where_the_server_takes_new_acl_categories_all_commands_are_in_kurado() {
    let server = Server::start(&[]);
    let info: String = server.run("INFO server");
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap());
    // Valkey and Redict, which say that they are 7.2, take them or not.
    let takes_new = (parts.next(), parts.next()) >= (Some(7), Some(4));
    // Some do not list a module's commands here, so each command tells its own.
    if let Err(error) = server.try_run::<Vec<String>>("ACL CAT kurado") {
        assert!(!takes_new && error.contains("Unknown category"), "{error}");
        return;
    }
    for (name, _, flags) in COMMANDS {
        let info: Vec<Value> = server.run(&format!("COMMAND INFO {name}"));
        let [Value::Array(info)] = &*info else { panic!("{name}: {info:?}") };
        let Value::Array(told) = &info[6] else { panic!("{name}: {info:?}") };
        let told: Vec<String> = told.iter().map(text).collect();
        assert!(told.iter().any(|told| told == "@kurado"), "{name}: {told:?}");
        let writes = told.iter().any(|told| told == "@write");
        assert_eq!(writes, flags.contains("write"), "{name}: {told:?}");
    }
}
