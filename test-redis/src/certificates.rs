//! Certificates for the tests of TLS.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tempfile::TempDir;

/// Keys and certificates, made by openssl: of an authority, of a server at 127.0.0.1 and of a
/// client that it signed, and of another authority.
pub struct Certificates(TempDir);

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

impl Certificates {
    /// Makes them.
    ///
    /// # Panics
    /// Where there is no openssl.
    #[must_use]
    pub fn new() -> Self {
        let certificates = Self(tempfile::tempdir().unwrap());
        // Some servers do not run as the user who runs the tests.
        fs::set_permissions(certificates.0.path(), Permissions::from_mode(0o755)).unwrap();
        fs::write(certificates.path("conf"), "[req]\ndistinguished_name=dn\n[dn]\n").unwrap();
        let authority = ["-addext", "basicConstraints=critical,CA:TRUE"];
        certificates.make("ca", &authority);
        certificates.make("other-ca", &authority);
        let [ca, key] = ["ca.pem", "ca.key"].map(|name| certificates.path(name));
        let signed = ["-CA", &ca, "-CAkey", &key, "-addext", "subjectAltName=IP:127.0.0.1"];
        certificates.make("server", &signed);
        certificates.make("client", &signed);
        certificates
    }

    fn make(&self, name: &str, options: &[&str]) {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", &format!("/CN={name}")])
            .args(["-config", &self.path("conf"), "-keyout", &self.path(&format!("{name}.key"))])
            .args(["-out", &self.path(&format!("{name}.pem"))])
            .args(options)
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.show_key(name);
    }

    /// Also makes `expired.pem` and its key: a server's that was valid until yesterday.
    ///
    /// # Panics
    /// Where there is no openssl.
    pub fn make_expired(&self) {
        self.request_and_sign("expired", &["-days", "-1", "-copy_extensions", "copy"]);
    }

    /// Also makes `version-1.pem` and its key: a server's that is signed as `openssl x509` does by
    /// itself, of X.509 version 1 and without extensions.
    ///
    /// # Panics
    /// Where there is no openssl.
    pub fn make_version_1(&self) {
        self.request_and_sign("version-1", &["-days", "2"]);
    }

    fn request_and_sign(&self, name: &str, options: &[&str]) {
        let path = |name: &str| self.path(name);
        let file = |ending: &str| self.path(&format!("{name}.{ending}"));
        let requested = Command::new("openssl")
            .args(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-subj", &format!("/CN={name}")])
            .args(["-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-config", &path("conf"), "-keyout", &file("key")])
            .args(["-out", &file("csr")])
            .output()
            .expect("openssl is installed");
        assert!(requested.status.success(), "{}", String::from_utf8_lossy(&requested.stderr));
        let signed = Command::new("openssl")
            .args(["x509", "-req"])
            .args(options)
            .args(["-CA", &path("ca.pem"), "-CAkey", &path("ca.key")])
            .args(["-in", &file("csr"), "-out", &file("pem")])
            .output()
            .expect("openssl is installed");
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
        self.show_key(name);
    }

    /// Lets every user read a key.
    fn show_key(&self, name: &str) {
        let key = self.path(&format!("{name}.key"));
        fs::set_permissions(key, Permissions::from_mode(0o644)).unwrap();
    }

    /// The path of one of the files: `ca.pem`, `server.key` and so on.
    ///
    /// # Panics
    /// Where the path is no text.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }
}
