//! The agent and the module, by each way between them.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use test_redis::certificates::Certificates;
use test_redis::{Running, built, eventually, free_port};

use crate::server::Server;

#[test]
fn an_agent_with_a_user_of_its_own_pushes_by_tcp_socket_and_tls() {
    let files = Certificates::new();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("redis.sock").to_str().unwrap().to_owned();
    let tls_port = free_port().to_string();
    let path = |name: &str| files.path(name);
    let [cert, key, ca] = ["server.pem", "server.key", "ca.pem"].map(path);
    let [client_cert, client_key] = ["client.pem", "client.key"].map(path);
    let options = [
        ["--unixsocket", &socket],
        ["--tls-port", &tls_port],
        ["--tls-cert-file", &cert],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &ca],
    ];
    let server = Server::start(&options.concat());
    server.run::<()>("ACL SETUSER rack-a on >hidden ~kurado:{10.0.0.*} +kurado.push");

    let agent = |address: &str, url: &str| {
        let path = directory.path().join(format!("{address}.log"));
        let mut command = Command::new(built("kurado-agent"));
        command
            .args(["--self-ip", address, "--spool-size", "0"])
            .env("KURADO_MQ", url)
            .env_remove("KURADO_PASSWORD");
        if url.starts_with("rediss://") {
            let files =
                [["--tls-ca", &ca], ["--tls-cert", &client_cert], ["--tls-key", &client_key]];
            command.args(files.concat());
        }
        command.stdin(Stdio::null()).stderr(File::create(&path).unwrap());
        (Running::start(&mut command), path)
    };
    let place = format!("127.0.0.1:{}", server.port());
    for (address, url) in [
        ("10.0.0.1", format!("redis://rack-a:hidden@{place}")),
        ("10.0.0.2", format!("unix://rack-a:hidden@{socket}")),
        ("10.0.0.3", format!("rediss://rack-a:hidden@127.0.0.1:{tls_port}")),
        ("10.0.0.4", place.clone()),
    ] {
        let (_agent, log) = agent(address, &url);
        eventually(&format!("lines of {address}"), || {
            let log = fs::read_to_string(&log).unwrap();
            assert!(!log.contains("cannot send") && !log.contains("hidden"), "{log}");
            let found = server.cli(&["KURADO.SERIES", address, "base"]);
            found.contains("loadavg-1").then_some(())
        });
    }

    // Its key is not this user's: the log says which right is missing, and nothing comes.
    let (_agent, log) = agent("10.9.0.1", &format!("redis://rack-a:hidden@{place}"));
    eventually("the reason", || {
        let log = fs::read_to_string(&log).unwrap();
        log.contains("NOPERM").then(|| assert!(log.contains("kurado:{10.9.0.1}"), "{log}"))
    });
    // Nor may this one push at all, and the list is no way around.
    server.run::<()>("ACL SETUSER none on >hidden ~* +rpush +kurado.queue");
    let (_agent, log) = agent("10.0.0.5", &format!("redis://none:hidden@{place}"));
    eventually("the reason", || {
        let log = fs::read_to_string(&log).unwrap();
        log.contains("; its user needs +kurado.push and ~kurado:{ADDRESS}").then_some(())
    });
    let hosts = server.cli(&["KURADO.HOSTS"]);
    assert!(!hosts.contains("10.9.0.1") && !hosts.contains("10.0.0.5"), "{hosts}");
}
