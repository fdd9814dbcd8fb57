//! `RPUSH kurado-update`, as agents of the earlier system send, is a push.

use redis::Value;
use test_redis::eventually;

use crate::rrdtool::last_update;
use crate::sample;
use crate::server::Server;

const LINE: &str = "10.0.0.1\tbase.metrics.a\t1\t1404873350";

fn later(seconds: u32) -> String {
    LINE.replace("1404873350", &(sample::TIME + seconds).to_string())
}

#[test]
fn what_agents_push_to_the_queue_is_accepted_and_its_count_replied() {
    let server = Server::start(&[]);
    let sample = sample::with_address("10.0.0.1");
    let accepted: usize = server.try_run_words(&["RPUSH", "kurado-update", &sample]).unwrap();
    assert_eq!(accepted, 46);
    // Three columns mean the sender's own address; several payloads are one push.
    let words = ["rPuSh", "kurado-update", sample::LINES, "nonsense", &later(60)];
    assert_eq!(server.try_run_words::<usize>(&words).unwrap(), 47);
    assert_eq!(server.run::<usize>("EXISTS kurado-update"), 0);
    assert_eq!(server.info("lines_rejected"), 1);
    assert_eq!(server.flush(), 81);
    let file = server.file("127.0.0.1", "base", "memory-free.gauge");
    assert_eq!(last_update(&file).0, sample::TIME);
}

#[test]
fn other_commands_and_other_lists_stay_as_they_are() {
    let server = Server::start(&[]);
    let push =
        |command: &str, list: &str| server.try_run_words::<usize>(&[command, list, LINE]).unwrap();
    for list in ["kurado-updat", "kurado-update2", "KURADO-UPDATE", "other"] {
        assert_eq!(push("RPUSH", list), 1);
        assert_eq!(push("RPUSH", list), 2);
    }
    assert_eq!(push("LPUSH", "kurado-update"), 1);
    assert_eq!(server.run::<Value>("KURADO.HOST 10.0.0.1"), Value::Nil);
    // A list of that name stays as it is while pushes go on.
    assert_eq!(push("RPUSH", "kurado-update"), 1);
    assert_eq!(push("RPUSHX", "kurado-update"), 2);
    assert_eq!(server.run::<Vec<String>>("LRANGE kurado-update 0 -1"), [LINE, LINE]);
    assert_eq!(server.run::<usize>("KURADO.FLUSH 10.0.0.1"), 1);
    let error = server.try_run::<Value>("RPUSH kurado-update").unwrap_err();
    assert!(error.contains("wrong number of arguments"), "{error}");
}

#[test]
fn the_setting_turns_it_off_and_on() {
    let server = Server::start(&["--kurado.queue-compat", "no"]);
    let push = || server.try_run_words::<usize>(&["RPUSH", "kurado-update", LINE, "x"]).unwrap();
    assert_eq!(push(), 2);
    assert_eq!(server.run::<usize>("LLEN kurado-update"), 2);
    server.run::<()>("CONFIG SET kurado.queue-compat yes");
    assert_eq!(push(), 1);
    assert_eq!(server.run::<usize>("LLEN kurado-update"), 2);
    server.run::<()>("CONFIG SET kurado.queue-compat no");
    assert_eq!(push(), 4);
}

#[test]
fn it_works_in_pipelines_multi_and_scripts() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for (atomic, start) in [(false, 0), (true, 1000)] {
        let mut pipe = redis::pipe();
        if atomic {
            pipe.atomic();
        }
        for n in 0..10 {
            pipe.cmd("RPUSH").arg("kurado-update").arg(later(start + n * 60));
        }
        pipe.cmd("RPUSH").arg("list").arg("x");
        let replies: Vec<usize> = pipe.query(&mut connection).unwrap();
        assert_eq!(replies[..10], [1; 10]);
        assert_eq!(replies[10], 1 + usize::from(atomic));
    }
    let script = "return {redis.call('RPUSH', KEYS[1], ARGV[1]), redis.call('RPUSH', 'l', 'x')}";
    let words = ["EVAL", script, "1", "kurado-update", &later(3000)];
    assert_eq!(server.try_run_words::<Vec<usize>>(&words).unwrap(), [1, 1]);
    assert_eq!(server.try_run_words::<Vec<usize>>(&words).unwrap(), [1, 2]);
    assert_eq!(server.flush(), 21);
}

#[test]
fn what_was_accepted_is_replicated_as_a_push() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", server.port())]);
    // Whatever the replica's own setting: it takes what the master took.
    replica.run::<()>("CONFIG SET kurado.queue-compat no");
    eventually("the full sync", || {
        replica.run::<String>("INFO replication").contains("master_link_status:up").then_some(())
    });
    server.try_run_words::<usize>(&["RPUSH", "kurado-update", sample::LINES]).unwrap();
    eventually("the stream", || (replica.info("series") == 40).then_some(()));
    let error = replica.try_run::<Value>("RPUSH kurado-update x").unwrap_err();
    assert!(error.contains("read only replica"), "{error}");
    replica.run::<()>("CONFIG SET kurado.queue-compat yes");
    // A list of the master's stays a list.
    server.run::<()>("CONFIG SET kurado.queue-compat no");
    server.run::<usize>("RPUSH kurado-update x");
    eventually("the list", || (replica.run::<usize>("LLEN kurado-update") == 1).then_some(()));
    server.kill();
    server.start_again();
    assert_eq!(server.info("series"), 40);
    assert_eq!(server.run::<usize>("LLEN kurado-update"), 1);
    server.flush();
    let file = server.file("127.0.0.1", "base", "memory-free.gauge");
    assert_eq!(last_update(&file).0, sample::TIME);
}

#[test]
fn who_may_write_the_queue_may_push_for_any_host_and_nobody_else() {
    let server = Server::start(&[]);
    for (name, keys) in [("agent", "%W~kurado-update"), ("other", "~kurado:*")] {
        server.run::<()>(&format!("ACL SETUSER {name} on >pass +rpush +kurado.queue {keys}"));
    }
    let push = |name: &str| {
        let url = format!("redis://{name}:pass@127.0.0.1:{}", server.port());
        let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        let mut command = redis::cmd("RPUSH");
        command.arg("kurado-update").arg(LINE).query::<usize>(&mut connection)
    };
    assert_eq!(push("agent").unwrap(), 1);
    let error = push("other").unwrap_err().to_string();
    assert!(error.to_lowercase().contains("no permissions to access"), "{error}");
}

#[test]
fn past_a_bound_the_sender_gets_an_error() {
    let server = Server::start(&["--kurado.max-hosts", "1"]);
    server.push_point("10.0.0.2", "a", 1, sample::TIME);
    let error = server.try_run_words::<Value>(&["RPUSH", "kurado-update", LINE]).unwrap_err();
    assert!(error.contains("no line was accepted: there would be 2 hosts"), "{error}");
}
