//! SIGHUP reads certificate and users at once.

use std::process::Command;

use crate::access::{ANN, eventually, line};
use crate::process::Web;
use crate::tls::certify;

#[test]
fn a_hangup_reads_certificate_and_users_and_names_a_file_that_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let [certificate, key, users] = ["certificate", "key", "users"].map(|n| folder.path().join(n));
    let good = line("ann", ANN, "viewer");
    std::fs::write(&users, &good).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kurado-web"));
    command.arg("--tls-cert").arg(&certificate).arg("--tls-key").arg(&key);
    command.arg("--users").arg(&users);
    let web = Web::start_by(command, |_| {});
    let hang_up = || {
        let id = web.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    };
    let logs = |text: &str| eventually(|| web.log().contains(text));
    // Nobody asks for anything meanwhile, so nothing else looks at the files.
    std::fs::write(&users, format!("{good}{}", line("bob", ANN, "viewer"))).unwrap();
    hang_up();
    assert!(logs("SIGHUP: certificate and key read anew"), "{}", web.log());
    assert!(logs("SIGHUP: users read anew: 2 of them"), "{}", web.log());
    std::fs::write(&users, "ann:damaged\n").unwrap();
    std::fs::write(&certificate, "damaged").unwrap();
    hang_up();
    assert!(logs(&format!("SIGHUP: users file {}:1: ", users.display())), "{}", web.log());
    assert!(logs("the users of before hold"), "{}", web.log());
    assert!(logs(&format!("SIGHUP: TLS certificate {}", certificate.display())), "{}", web.log());
    assert!(logs("the certificate of before holds"), "{}", web.log());
}
