//! The options that say where the server is, and who connects to it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::Server;
use super::password::{Password, PasswordFile, PasswordSource};
use super::tls::{Tls, TlsFiles};
use super::url::{Endpoint, Url, shown};

/// The environment variable of the server's address: a URL may have a password in it.
pub const SERVER_VARIABLE: &str = "KURADO_MQ";

/// The environment variable of the server's password: arguments show in `ps`.
pub const PASSWORD_VARIABLE: &str = "KURADO_PASSWORD";

/// Where to send. The fields' comments are part of `--help`.
#[derive(Args)]
pub struct ServerOptions {
    /// Redis server to send to: HOST[:PORT] (without a port, 1887),
    /// redis://[USER[:PASSWORD]@]HOST[:PORT][/DB], rediss:// likewise for
    /// TLS, or unix:/PATH
    // It is read by `server`: clap would show a faulty value, and a password in it.
    #[arg(
        long,
        value_name = "SERVER",
        env = SERVER_VARIABLE,
        hide_env_values = true,
        default_value = "127.0.0.1:1887",
        verbatim_doc_comment
    )]
    mq: String,

    /// User of the server's ACL, where the URL names none
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// File with the server's password, read at each connection. The
    /// password stands there, in KURADO_PASSWORD or in the URL: in one of
    /// them only
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    password_file: Option<PathBuf>,

    /// File of the authorities that may have signed the server's
    /// certificate, as PEM; without, those that the system trusts
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    tls_ca: Option<PathBuf>,

    /// Certificate for servers that ask for one, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The certificate's key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl ServerOptions {
    /// The server, by what was read of the command line and by what `PASSWORD_VARIABLE` has.
    ///
    /// # Errors
    /// Which options are wrong or at odds, and the rule. The text shows no password.
    pub fn server(&self, password_variable: Option<OsString>) -> Result<Server, String> {
        let url: Url = self.mq.parse().map_err(|rule| {
            format!("the server '{}' (--mq or {SERVER_VARIABLE}): {rule}", shown(&self.mq))
        })?;
        let password = self.password(url.password, password_variable)?;
        let user = match (url.user, &self.user) {
            (Some(_), Some(_)) => {
                return Err("the user stands in the URL and in --user: one must go".to_owned());
            }
            (of_url, of_option) => of_url.or_else(|| of_option.clone()),
        };
        if user.is_some() && matches!(password, PasswordSource::Nowhere) {
            return Err(format!(
                "a user is named without a password: it stands in {PASSWORD_VARIABLE}, in \
                 --password-file or in the URL, as redis://USER:PASSWORD@HOST"
            ));
        }
        let tls = self.tls(&url.endpoint)?;
        let mut address = url.endpoint.to_string();
        if url.db > 0 {
            address.push_str(&format!(" database {}", url.db));
        }
        Ok(Server { address, endpoint: url.endpoint, user, password, db: url.db, tls })
    }

    fn password(
        &self,
        of_url: Option<Password>,
        variable: Option<OsString>,
    ) -> Result<PasswordSource, String> {
        let of_variable = variable.and_then(|password| Password::new(password.into_vec()));
        let both = |one: &str, other: &str| {
            Err(format!("the password stands in {one} and in {other}: one must go"))
        };
        match (of_url, of_variable, &self.password_file) {
            (Some(_), Some(_), _) => both("the URL", PASSWORD_VARIABLE),
            (Some(_), _, Some(_)) => both("the URL", "--password-file"),
            (_, Some(_), Some(_)) => both(PASSWORD_VARIABLE, "--password-file"),
            (None, None, Some(path)) => Ok(PasswordSource::File(PasswordFile::new(path))),
            (of_url, of_variable, None) => {
                Ok(of_url.or(of_variable).map_or(PasswordSource::Nowhere, PasswordSource::Given))
            }
        }
    }

    fn tls(&self, endpoint: &Endpoint) -> Result<Option<Arc<Tls>>, String> {
        let client = self.tls_cert.clone().zip(self.tls_key.clone());
        if let Endpoint::Tls(host, _) = endpoint {
            let tls = Tls::new(host, TlsFiles { ca: self.tls_ca.clone(), client })?;
            return Ok(Some(Arc::new(tls)));
        }
        // Whoever names a certificate expects that nobody listens.
        match (&self.tls_ca, client) {
            (None, None) => Ok(None),
            (ca, _) => {
                let option = if ca.is_some() { "--tls-ca" } else { "--tls-cert" };
                Err(format!("{option} is for TLS, and '{endpoint}' is without: write rediss://"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        server: ServerOptions,
    }

    /// The server by a command line; `variable` is what the environment has as the password.
    fn server(line: &str, variable: &str) -> Result<Server, String> {
        let line = Line::try_parse_from(std::iter::once("agent").chain(line.split_whitespace()));
        line.unwrap_or_else(|error| panic!("{error}")).server.server(Some(variable.into()))
    }

    fn fault(line: &str, variable: &str) -> String {
        server(line, variable).err().unwrap()
    }

    #[test]
    fn the_password_comes_from_the_one_place_that_has_it() {
        let given = |line, variable| match server(line, variable).unwrap().password {
            PasswordSource::Given(password) => password.as_bytes().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(given("--mq redis://:a@h", ""), b"a");
        assert_eq!(given("--mq h:1", "b"), b"b");
        let of_file = server("--mq h:1 --password-file /c", "").unwrap().password;
        assert!(matches!(of_file, PasswordSource::File(_)));
        let none = server("--mq h:1", "").unwrap().password;
        assert!(matches!(none, PasswordSource::Nowhere));
    }

    #[test]
    fn two_passwords_or_users_are_refused_and_not_shown() {
        for (line, variable, rule) in [
            ("--mq redis://:hidden@h", "hidden", "in the URL and in KURADO_PASSWORD"),
            ("--mq redis://:hidden@h --password-file /f", "", "in the URL and in --password-file"),
            ("--mq h --password-file /f", "hidden", "in KURADO_PASSWORD and in --password-file"),
            ("--mq redis://hidden:hidden@h --user hidden", "", "in the URL and in --user"),
            ("--mq redis://hidden@h", "", "a user is named without a password"),
            (
                "--mq redis://:hidden@h:x",
                "",
                "the server 'redis://*' (--mq or KURADO_MQ): the port must be a number",
            ),
            ("--mq hidden:hidden@h:1", "", "the server '*' (--mq or KURADO_MQ): a user"),
        ] {
            let fault = fault(line, variable);
            assert!(fault.contains(rule) && !fault.contains("hidden"), "{line}: {fault}");
        }
    }

    #[test]
    fn certificates_without_tls_are_refused() {
        assert_eq!(
            fault("--mq redis://h --tls-ca /ca", ""),
            "--tls-ca is for TLS, and 'h:1887' is without: write rediss://"
        );
        let fault = fault("--mq unix:/s --tls-cert /c --tls-key /k", "");
        assert!(fault.starts_with("--tls-cert is for TLS, and 'unix:/s'"), "{fault}");
    }

    #[test]
    fn logs_call_the_server_by_its_place_alone() {
        for (line, address) in [
            ("", "127.0.0.1:1887"),
            ("--mq 10.0.0.9:1888", "10.0.0.9:1888"),
            ("--mq redis://agent:hidden@[::1]/2", "[::1]:1887 database 2"),
            ("--mq rediss://agent:hidden@h", "rediss://h:1887"),
            ("--mq unix://agent:hidden@/run/r.sock", "unix:/run/r.sock"),
        ] {
            assert_eq!(server(line, "").unwrap().address, address);
        }
    }
}
