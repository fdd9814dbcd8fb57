//! Servers that do not do as they should, and a login that a written server checks.

use std::io::{Read, Write};
use std::net::TcpListener;

use proptest::prelude::*;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::rand_core::OsRng;
use rsa::{Oaep, RsaPrivateKey};
use test_redis::free_port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::fetch::mysql::answers::fields;
use crate::test_servers::{Hostile, accepts};

async fn failure(hostile: Hostile) -> String {
    let port = accepts(hostile);
    let error = fetched(&format!("mysql:{port}"), watch()).await.unwrap_err().to_string();
    error.strip_prefix(&format!("port {port}: ")).unwrap().to_owned()
}

pub(super) fn framed(sequence: u8, body: &[u8]) -> Vec<u8> {
    let [a, b, c, ..] = body.len().to_le_bytes();
    [&[a, b, c, sequence], body].concat()
}

/// As MySQL 8.0 sends it.
pub(super) fn greeting() -> Vec<u8> {
    let mut body = b"\x0a8.0.36\0\x05\0\0\0abcdefgh\0\xff\xff\x21\x02\0\xff\xcf\x15".to_vec();
    body.extend([0; 10]);
    body.extend(b"ijklmnopqrst\0caching_sha2_password\0");
    framed(0, &body)
}

/// All up to an answer to the first question.
fn logged_in(answer: &[u8]) -> Vec<u8> {
    [greeting(), framed(2, b"\0\0\0\x02\0\0\0"), answer.to_vec()].concat()
}

#[tokio::test]
async fn failures_say_what_is_wrong() {
    let port = free_port();
    assert_eq!(
        fetched(&format!("mysql:{port}"), json!({})).await.unwrap_err().to_string(),
        format!("port {port}: connection refused")
    );
    assert_eq!(
        fetched("mysql", json!({"MySQL": {"port": "x"}})).await.unwrap_err().to_string(),
        "port 'x' in metrics_config, MySQL: {port: …}, must be a number from 1 to 65535"
    );
    assert_eq!(
        failure(Hostile::Says(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())).await,
        "not MySQL's protocol: SSH-2.0-OpenSSH_9.2"
    );
    assert_eq!(
        failure(Hostile::Closes(Vec::new())).await,
        "the connection was closed in the middle"
    );
    assert_eq!(
        failure(Hostile::Closes(greeting())).await,
        "the connection was closed in the middle"
    );
    let clear = framed(2, b"\xfemysql_clear_password\0");
    assert_eq!(
        failure(Hostile::Says([greeting(), clear].concat())).await,
        "user 'watch' logs in by the plugin mysql_clear_password; \
         known here are mysql_native_password and caching_sha2_password"
    );
    assert_eq!(
        failure(Hostile::Says([greeting(), framed(2, b"\x01no key")].concat())).await,
        "the server's public key can't be used: ASN.1 error: PEM error: PEM preamble contains invalid data \
         (NUL byte)"
    );
    let insecure =
        framed(2, b"\xff\x57\x0c#HY000Connections using insecure transport are prohibited");
    assert_eq!(
        failure(Hostile::Says([greeting(), insecure].concat())).await,
        "ERROR 3159: Connections using insecure transport are prohibited; \
         see metrics_config, MySQL: {tls: true}"
    );
    let error = framed(0, b"\xff\x10\x04Too many connections");
    assert_eq!(failure(Hostile::Says(error)).await, "ERROR 1040: Too many connections");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left_within_the_limit() {
    assert_eq!(failure(Hostile::Silent).await, "connected, but no login within 5 s");
    assert_eq!(
        failure(Hostile::Says(logged_in(b""))).await,
        "no answer to SHOW GLOBAL STATUS within 5 s"
    );
}

#[tokio::test]
async fn an_answer_too_large_is_not_taken() {
    // As many columns as a number can hold: no memory is taken for them.
    let columns = framed(1, &[&[0xfe][..], &[0xff; 8]].concat());
    assert_eq!(
        failure(Hostile::Says(logged_in(&columns))).await,
        "SHOW GLOBAL STATUS: it answers 18446744073709551615 columns"
    );
    // A packet of 16 MB.
    let packet = [0xff, 0xff, 0xff, 1];
    assert_eq!(
        failure(Hostile::Says(logged_in(&packet))).await,
        "SHOW GLOBAL STATUS: its answer is longer than 4194304 bytes"
    );
    // A file of ours.
    assert_eq!(
        failure(Hostile::Says(logged_in(&framed(1, b"\xfb/etc/passwd")))).await,
        "SHOW GLOBAL STATUS: not MySQL's protocol: /etc/passwd"
    );
    for endless in [&b"\0"[..], b"\x01\0\0\0\0", b"x"] {
        let error = failure(Hostile::Endless(endless.to_vec())).await;
        assert!(error.starts_with("not MySQL's protocol: "), "{error}");
    }
}

#[tokio::test]
async fn rows_without_end_are_cut_off() {
    let column = b"\x03def\0\0\0\x01a\0";
    let mut answer =
        logged_in(&[framed(1, b"\x01"), framed(2, column), framed(3, b"\xfe\0\0\x02\0")].concat());
    let mut small = answer.clone();
    for sequence in (4..=u8::MAX).chain((0..300).flat_map(|_| 0..=u8::MAX)) {
        small.extend(framed(sequence, &[0]));
    }
    assert_eq!(
        failure(Hostile::Says(small)).await,
        "SHOW GLOBAL STATUS: its answer has more than 50000 values"
    );
    let mut sequence = 4_u8;
    while answer.len() < 6 << 20 {
        answer.extend(framed(sequence, &[&b"\xfc\x00\x10"[..], &[b'x'; 4096]].concat()));
        sequence = sequence.wrapping_add(1);
    }
    assert_eq!(
        failure(Hostile::Says(answer)).await,
        "SHOW GLOBAL STATUS: its answer is longer than 4194304 bytes"
    );
}

#[tokio::test]
async fn a_server_that_has_not_seen_the_user_gets_the_password_for_its_eyes_only() {
    let key = RsaPrivateKey::new(&mut OsRng, 1024).unwrap();
    let public = key.to_public_key().to_public_key_pem(LineEnding::LF).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut said = |packet: &[u8]| {
            stream.write_all(packet).unwrap();
            let mut header = [0; 4];
            stream.read_exact(&mut header).unwrap();
            let mut body = vec![0; usize::from(header[0]) | usize::from(header[1]) << 8];
            stream.read_exact(&mut body).unwrap();
            body
        };
        let login = said(&greeting());
        assert!(login.windows(7).any(|part| part == b"watch\0\x20"), "{login:?}");
        assert_eq!(said(&framed(2, b"\x01\x04")), [2]);
        let body = [&[1], public.as_bytes()].concat();
        let sent = said(&framed(4, &body));
        let read = key.decrypt(Oaep::new::<sha1::Sha1>(), &sent).unwrap();
        let nonce = b"abcdefghijklmnopqrst".iter().cycle();
        let password: Vec<u8> = read.iter().zip(nonce).map(|(a, b)| a ^ b).collect();
        assert_eq!(password, b"0123\0");
        let question = said(&framed(6, b"\0\0\0\x02\0\0\0"));
        assert_eq!(question, b"\x03SHOW GLOBAL STATUS");
    });
    let error = fetched(&format!("mysql:{port}"), watch()).await.unwrap_err().to_string();
    assert!(error.contains("closed"), "{error}");
    server.join().unwrap();
}

#[tokio::test]
async fn within_tls_such_a_server_gets_the_password_as_it_is() {
    let (ours, theirs) = tokio::io::duplex(4096);
    let (mut read, mut write) = tokio::io::split(theirs);
    let server = tokio::spawn(async move {
        let mut said = async |packet: &[u8]| {
            write.write_all(packet).await.unwrap();
            let mut header = [0; 4];
            read.read_exact(&mut header).await.unwrap();
            let mut body = vec![0; usize::from(header[0]) | usize::from(header[1]) << 8];
            read.read_exact(&mut body).await.unwrap();
            (header[3], body)
        };
        let (sequence, login) = said(b"").await;
        assert_eq!((sequence, login[1] & 8), (2, 8), "{login:?}");
        assert!(login.windows(7).any(|part| part == b"watch\0\x20"), "{login:?}");
        assert_eq!(said(&framed(3, b"\x01\x04")).await, (4, b"0123\0".to_vec()));
        let question = said(&framed(5, b"\0\0\0\x02\0\0\0")).await;
        assert_eq!(question, (0, b"\x03SHOW STATUS".to_vec()));
    });
    let greeting = greeting();
    let greeted = Greeted::read(&mut greeting.as_slice()).await.unwrap();
    let mut asked = Vec::new();
    // What begins TLS, which is left out here, as the rest does not see it.
    let greeted = greeted.ask_for_tls(&mut asked).await.unwrap();
    assert_eq!((asked.len(), asked[3]), (36, 1));
    let mut client = Client::log_in(ours, greeted, "watch", "0123").await.unwrap();
    assert!(client.query("SHOW STATUS").await.is_err());
    server.await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn whatever_bytes_a_server_sends_nothing_panics(
        has_greeted in any::<bool>(),
        answer in proptest::collection::vec(any::<u8>(), 0..400),
        packets in proptest::collection::vec(
            (proptest::sample::select(vec![0u8, 1, 2, 3, 0xfb, 0xfc, 0xfd, 0xfe, 0xff]),
             proptest::collection::vec(any::<u8>(), 0..40)), 0..12),
    ) {
        let mut said = if has_greeted { logged_in(b"") } else { greeting() };
        let first = if has_greeted { 1 } else { 2 };
        for (sequence, (kind, body)) in (first..).zip(&packets) {
            said.extend(framed(sequence, &[&[*kind], body.as_slice()].concat()));
        }
        said.extend(answer);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut said = said.as_slice();
            let Ok(greeted) = Greeted::read(&mut said).await else { return };
            let stream = tokio::io::join(said, tokio::io::sink());
            if let Ok(mut client) = Client::log_in(stream, greeted, "user", "password").await
                && let Ok(table) = client.query("SHOW GLOBAL STATUS").await
            {
                fields(table);
            }
        });
    }
}
