//! What each command does in MULTI, in scripts, and for users with few rights: decided for all of
//! them, so a new command without such a decision fails here.

use redis::{Connection, Value};

use crate::sample;
use crate::server::{Server, text};

/// What is to become of a call.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Runs,
    /// The error has this in it.
    Refused(&'static str),
    /// One line is rejected, and its reason has this in it.
    Rejects(&'static str),
}
use Outcome::{Refused, Rejects, Runs};

/// What is to become of a command in each place.
struct Decision {
    /// As COMMAND LIST has it; a subcommand behind a `|`.
    name: &'static str,
    /// A call about host 10.0.0.1, as an array of words.
    call: &'static [&'static str],
    multi: Outcome,
    eval: Outcome,
    eval_ro: Outcome,
    /// For a user with `+kurado.push` and all hosts.
    push_only: Outcome,
    /// For a user with all commands and the key of 10.0.0.2 alone.
    other_host: Outcome,
}

const LINE: &str = "10.0.0.1\tbase.metrics.a\t2\t1404873410";
const META: &str = "10.0.0.1\tbase.meta.m\ttext\t1404873410";
const WAITS: Outcome = Refused("waits for the disk, so it can't run in MULTI or a script");
const WRITES: Outcome = Refused("Write commands are not allowed from read-only scripts");
const DENIED: Outcome = Refused("no permissions to run");
const NOT_ITS_HOST: Outcome = Refused("no permission for key 'kurado:{10.0.0.1}'");

const DECISIONS: [Decision; 15] = [
    Decision {
        name: "kurado.push",
        call: &["KURADO.PUSH", LINE],
        multi: Runs,
        eval: Runs,
        eval_ro: WRITES,
        push_only: Runs,
        other_host: Rejects("no permission for key 'kurado:{10.0.0.1}'"),
    },
    Decision {
        // Of the earlier system: its key is the one that ACL rules are about.
        name: "kurado.queue",
        call: &["KURADO.QUEUE", "kurado-update", LINE],
        multi: Runs,
        eval: Runs,
        eval_ro: WRITES,
        push_only: DENIED,
        // "this user has no …", or "No …".
        other_host: Refused("o permissions to access"),
    },
    Decision {
        name: "kurado.meta",
        call: &["KURADO.META"],
        multi: Refused("wrong number of arguments"),
        eval: Refused("Wrong number of args"),
        eval_ro: Refused("Wrong number of args"),
        push_only: Refused("wrong number of arguments"),
        other_host: Refused("wrong number of arguments"),
    },
    Decision {
        name: "kurado.meta|set",
        call: &["KURADO.META", "SET", META],
        multi: Runs,
        eval: Runs,
        eval_ro: WRITES,
        push_only: DENIED,
        other_host: Rejects("no permission for key 'kurado:{10.0.0.1}'"),
    },
    Decision {
        name: "kurado.meta|get",
        call: &["KURADO.META", "GET", "10.0.0.1"],
        multi: Runs,
        eval: Runs,
        eval_ro: Runs,
        push_only: DENIED,
        other_host: NOT_ITS_HOST,
    },
    Decision {
        name: "kurado.meta|del",
        call: &["KURADO.META", "DEL", "10.0.0.1", "base"],
        multi: Runs,
        eval: Runs,
        eval_ro: WRITES,
        push_only: DENIED,
        other_host: NOT_ITS_HOST,
    },
    Decision {
        name: "kurado.meta|help",
        call: &["KURADO.META", "HELP"],
        multi: Runs,
        eval: Runs,
        eval_ro: Runs,
        push_only: DENIED,
        other_host: Runs,
    },
    Decision {
        name: "kurado.host",
        call: &["KURADO.HOST", "10.0.0.1"],
        multi: Runs,
        eval: Runs,
        eval_ro: Runs,
        push_only: DENIED,
        other_host: NOT_ITS_HOST,
    },
    Decision {
        // It lists those that the user may read.
        name: "kurado.hosts",
        call: &["KURADO.HOSTS"],
        multi: Runs,
        eval: Runs,
        eval_ro: Runs,
        push_only: DENIED,
        other_host: Runs,
    },
    Decision {
        // One host that the user may not read refuses the whole, as none is to pass for unknown.
        name: "kurado.states",
        call: &["KURADO.STATES", "10.0.0.2", "10.0.0.1"],
        multi: Runs,
        eval: Runs,
        eval_ro: Runs,
        push_only: DENIED,
        other_host: NOT_ITS_HOST,
    },
    Decision {
        name: "kurado.series",
        call: &["KURADO.SERIES", "10.0.0.1"],
        multi: Runs,
        eval: Runs,
        eval_ro: Runs,
        push_only: DENIED,
        other_host: NOT_ITS_HOST,
    },
    Decision {
        name: "kurado.fetch",
        call: &["KURADO.FETCH", "10.0.0.1", "base", "a.gauge", "MAX", "1404873300", "1404873420"],
        multi: WAITS,
        eval: WAITS,
        eval_ro: WAITS,
        push_only: DENIED,
        other_host: NOT_ITS_HOST,
    },
    Decision {
        name: "kurado.flush",
        call: &["KURADO.FLUSH", "10.0.0.1"],
        multi: WAITS,
        eval: WAITS,
        eval_ro: WAITS,
        push_only: DENIED,
        other_host: NOT_ITS_HOST,
    },
    Decision {
        // Memory forgets at once, the files go a little later.
        name: "kurado.del",
        call: &["KURADO.DEL", "10.0.0.1"],
        multi: Runs,
        eval: Runs,
        eval_ro: WRITES,
        push_only: DENIED,
        other_host: NOT_ITS_HOST,
    },
    Decision {
        // The same.
        name: "kurado.rename",
        call: &["KURADO.RENAME", "10.0.0.1", "10.0.0.3", "REPLACE"],
        multi: Runs,
        eval: Runs,
        eval_ro: WRITES,
        push_only: DENIED,
        other_host: NOT_ITS_HOST,
    },
];

type Reply = Result<Value, String>;

fn run(connection: &mut Connection, words: &[&str]) -> Reply {
    let mut command = redis::Cmd::new();
    let reply = command.arg(words).query::<Value>(connection);
    match reply.map_err(|error| error.to_string())? {
        Value::ServerError(error) => Err(format!("{error:?}")),
        reply => Ok(reply),
    }
}

/// Runs a call as the one command of a transaction. What is refused when it is queued discards it.
fn run_in_multi(connection: &mut Connection, words: &[&str]) -> Reply {
    run(connection, &["MULTI"])?;
    if let Err(error) = run(connection, words) {
        assert!(run(connection, &["EXEC"]).unwrap_err().contains("previous errors"));
        return Err(error);
    }
    match run(connection, &["EXEC"])? {
        Value::Array(mut replies) => match replies.remove(0) {
            Value::ServerError(error) => Err(format!("{error:?}")),
            reply => Ok(reply),
        },
        other => panic!("{other:?}"),
    }
}

fn run_in_script(connection: &mut Connection, eval: &str, words: &[&str]) -> Reply {
    let script = ["return redis.call(unpack(ARGV))", "0"];
    run(connection, &[&[eval], &script[..], words].concat())
}

fn check(what: &str, outcome: Outcome, reply: &Reply) {
    match (outcome, reply) {
        (Runs, Ok(Value::Array(reply))) if matches!(reply[..], [_, Value::Int(n), Value::Array(_)] if n > 0) =>
        {
            panic!("{what}: a line is rejected: {reply:?}")
        }
        (Runs, Ok(_)) => {}
        (Refused(expected), Err(error)) => assert!(error.contains(expected), "{what}: {error}"),
        (Rejects(expected), Ok(Value::Array(reply))) => {
            let Value::Array(reasons) = &reply[2] else { panic!("{what}: {reply:?}") };
            assert_eq!(reply[..2], [Value::Int(0), Value::Int(1)], "{what}");
            assert!(text(&reasons[0]).contains(expected), "{what}: {reasons:?}");
        }
        _ => panic!("{what} is to be {outcome:?}, and is {reply:?}"),
    }
}

fn connect_as(server: &Server, user: &str) -> Connection {
    let url = format!("redis://{user}:pass@127.0.0.1:{}", server.port());
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

/// Each command of the module, subcommands included.
fn all_commands(server: &Server) -> Vec<String> {
    let mut names: Vec<String> = server.run("COMMAND LIST FILTERBY MODULE kurado");
    let listed = names.clone();
    for name in listed.iter().filter(|name| !name.contains('|')) {
        let info: Vec<Value> = server.run(&format!("COMMAND INFO {name}"));
        let Value::Array(info) = &info[0] else { panic!("{info:?}") };
        // Behind arity, flags, keys, ACL categories, hints and key specs.
        let Value::Array(subcommands) = &info[9] else { panic!("{info:?}") };
        for subcommand in subcommands {
            let Value::Array(subcommand) = subcommand else { panic!("{subcommand:?}") };
            names.push(text(&subcommand[0]));
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn for_each_command_it_is_decided_what_it_does_in_multi_scripts_and_for_users_of_few_rights() {
    let server = Server::start(&[]);
    let mut decided: Vec<&str> = DECISIONS.iter().map(|decision| decision.name).collect();
    decided.sort_unstable();
    assert_eq!(all_commands(&server), decided);

    server
        .run::<()>("ACL SETUSER agent on >pass +kurado.push ~kurado:* +multi +exec +eval +eval_ro");
    server.run::<()>("ACL SETUSER other on >pass +@all ~kurado:{10.0.0.2}");
    let mut operator = server.connect();
    let (mut agent, mut other) = (connect_as(&server, "agent"), connect_as(&server, "other"));
    for decision in &DECISIONS {
        let Decision { name, call, .. } = decision;
        let checked = |place: &str,
                       outcome,
                       reply: &dyn Fn(&mut Connection) -> Reply,
                       who: &mut Connection| {
            // Each call finds the host as a new one: a point of its own, meta, no file.
            server.run::<Value>("KURADO.DEL 10.0.0.1");
            server.push_point("10.0.0.1", "a", 1, sample::TIME);
            server.push(META);
            check(&format!("{name} {place}"), outcome, &reply(who));
        };
        checked("in MULTI", decision.multi, &|who| run_in_multi(who, call), &mut operator);
        let scripts = [("EVAL", decision.eval), ("EVAL_RO", decision.eval_ro)];
        for (eval, outcome) in scripts {
            checked(eval, outcome, &|who| run_in_script(who, eval, call), &mut operator);
        }
        checked("of an agent", decision.push_only, &|who| run(who, call), &mut agent);
        checked(
            "of an agent in MULTI",
            decision.push_only,
            &|who| run_in_multi(who, call),
            &mut agent,
        );
        checked("of another host", decision.other_host, &|who| run(who, call), &mut other);
    }
    assert_eq!(server.info("batches_in_flight"), 0);
    assert_eq!(server.info("clients_waiting"), 0);
}

/// Keys stand inside payloads, where Redis can't check them, and it does not tell a module who runs
/// a script. Which commands a script may call is checked all the same.
#[test]
fn a_script_may_use_all_hosts_by_the_commands_of_its_user() {
    let server = Server::start(&[]);
    server.run::<()>("ACL SETUSER agent on >pass +eval +kurado.push ~kurado:{10.0.0.2}");
    let mut agent = connect_as(&server, "agent");
    check("a push", Runs, &run_in_script(&mut agent, "EVAL", &["KURADO.PUSH", LINE]));
    assert_eq!(server.info("series"), 1);
    let others = DECISIONS
        .iter()
        .filter(|decision| !["kurado.push", "kurado.meta"].contains(&decision.name));
    for Decision { name, call, .. } in others {
        let error = run_in_script(&mut agent, "EVAL", call).unwrap_err();
        // Redis, and others.
        let texts = ["can't run this command or subcommand", "no permissions to run"];
        assert!(texts.iter().any(|text| error.contains(text)), "{name}: {error}");
    }
    assert_eq!(server.info("series"), 1);
}
