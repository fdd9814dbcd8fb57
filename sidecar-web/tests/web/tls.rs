//! TLS by files.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use crate::access::eventually;
use crate::process::Web;

/// Makes a certificate for 127.0.0.1 and its key.
pub fn certify(folder: &Path) {
    let ran = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=web", "-addext", "subjectAltName=IP:127.0.0.1"])
        // So that it may be trusted by itself.
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(folder.join("key"))
        .arg("-out")
        .arg(folder.join("certificate"))
        .output()
        .expect("openssl is needed for this test");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn both_versions_of_http_come_by_tls_and_a_changed_certificate_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let [certificate, key] = ["certificate", "key"].map(|name| folder.path().join(name));
    let mut command = Command::new(env!("CARGO_BIN_EXE_kurado-web"));
    command.arg("--tls-cert").arg(&certificate).arg("--tls-key").arg(&key);
    let web = Web::start_by(command, |_| {});
    let curl = |option: &str, trusted: &Path| {
        Command::new("curl")
            .args(["--silent", "--show-error", option, "--cacert"])
            .arg(trusted)
            .args(["--write-out", "%{http_version} %header{strict-transport-security}"])
            .arg(format!("https://{}/healthz", web.address()))
            .output()
            .expect("curl is needed for this test")
    };
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let ran = curl(option, &certificate);
        let text = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(text, format!("ok\n{version} max-age=31536000"), "{:?}", ran.stderr);
    }
    // In clear it says nothing.
    let mut plain = web.connect();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");

    let before = folder.path().join("before");
    std::fs::copy(&certificate, &before).unwrap();
    std::fs::write(&certificate, "damaged").unwrap();
    let holds =
        || curl("--http2", &before).status.success() && web.log().contains("of before holds");
    assert!(eventually(holds), "{}", web.log());
    certify(folder.path());
    assert!(eventually(|| curl("--http2", &certificate).status.success()), "{}", web.log());
}

#[test]
fn a_key_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let config = folder.path().join("kurado.yml");
    std::fs::write(&config, "config:\n  redis: 127.0.0.1:1\n").unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_kurado-web"))
        .arg("--config")
        .arg(config)
        .arg("--tls-cert")
        .arg(folder.path().join("certificate"))
        .args(["--listen", "127.0.0.1:0", "--tls-key", "/nonexistent/key"])
        .output()
        .unwrap();
    let errors = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{errors}");
    assert!(errors.contains("TLS key /nonexistent/key: "), "{errors}");
}
