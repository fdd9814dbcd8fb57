//! `mysql[:port]`: what a MySQL (4.1 to 8.4) or MariaDB server says of itself, InnoDB and
//! replication.
//!
//! User, password and port stand in `metrics_config`: `MySQL: {user: …, password: …, port: …}`, also
//! as `MYSQL:`. The user needs no rights on any data: PROCESS for what InnoDB says of its mutexes,
//! REPLICATION CLIENT (in MariaDB since 10.5 SLAVE MONITOR) for replication. Nothing but SHOW is
//! sent: nothing is changed, and no table is locked.
//!
//! `MySQL: {tls: true, ca_file: …, cert_file: …, key_file: …}` says that the server is to be asked by
//! TLS, with the rules of [`crate::tls`]; one that has none is not asked.
//!
//! Passwords are proven, and not sent. But without TLS a MySQL server that has not seen a user of
//! `caching_sha2_password` since its start asks for the password, encrypted with a key that it sends
//! over the same connection: whoever can change what travels there can learn it.
//!
//! The client is our own. The libraries at hand trust the server: one takes as much memory as it
//! announces columns, reads an answer that nobody wants to its end, however long that takes, and
//! panics at a bad key. A poller talks to thousands, of which each may be broken.

mod answers;
mod client;
mod conversation;
mod innodb;
mod innodb_status;
#[cfg(test)]
mod mariadb;
mod packet;
mod password;
mod replication;
mod status;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::Value as Json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::declaration::{Arguments, Declaration, Kind, Settings};
use super::{FetchError, Report, Request};
use crate::socket;
use crate::tls::Transport;
use answers::Answers;
use client::{Client, Fault, Greeted};
use conversation::Conversation;

/// For login and all answers together, once connected.
const ANSWERS: Duration = Duration::from_secs(5);

/// Errors by their numbers: a wrong user or password; a host from which nobody may log in; a server
/// that wants TLS of all.
const ACCESS_DENIED: [u16; 2] = [1045, 1698];
const HOST_NOT_ALLOWED: u16 = 1130;
const TLS_REQUIRED: u16 = 3159;

/// Where to ask, and as whom.
struct Login {
    port: u16,
    transport: Transport,
    user: String,
    password: String,
}

pub(super) const DECLARATION: Declaration = Declaration {
    arguments: Arguments::Port(3306),
    settings: Settings::Named(
        "MySQL",
        &[
            ("user", Kind::Text),
            ("password", Kind::Text),
            ("port", Kind::Port),
            ("tls", Kind::Switch),
            ("ca_file", Kind::Text),
            ("cert_file", Kind::Text),
            ("key_file", Kind::Text),
        ],
    ),
    not_drawn: &["innodb_spin_rounds.derive"],
};

pub(super) async fn fetch(request: Request<'_>) -> Result<Report, FetchError> {
    let login = Login::of(request)?;
    let answers = login.ask(request.address).await;
    let answers =
        answers.map_err(|reason| FetchError::Failed(format!("port {}: {reason}", login.port)))?;
    Ok(report(&answers))
}

fn report(answers: &Answers) -> Report {
    let mut report = Report::default();
    status::add_to(&mut report, answers);
    innodb::add_to(&mut report, answers);
    replication::add_to(&mut report, answers);
    report
}

impl Login {
    fn of(request: Request<'_>) -> Result<Self, FetchError> {
        let settings = DECLARATION.settings.of(request.metrics_config);
        let text = |name: &str| match settings.as_ref()?.get(name)? {
            Json::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            // A password of digits only, without quotes.
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let default = match text("port") {
            None => None,
            Some(port) => {
                Some(port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                    FetchError::Failed(format!(
                        "port '{port}' in metrics_config, MySQL: {{port: …}}, must be a number from 1 to 65535"
                    ))
                })?)
            }
        };
        let port = request.given(DECLARATION.arguments.with_port(default))?.port;
        let transport = settings
            .as_ref()
            .map_or(Ok(Transport::Plain), |settings| Transport::of("MySQL", settings, port));
        Ok(Self {
            port,
            transport: transport.map_err(FetchError::Failed)?,
            user: text("user").unwrap_or_else(|| "root".to_owned()),
            password: text("password").unwrap_or_default(),
        })
    }

    /// Connects, logs in and asks all.
    async fn ask(&self, address: &str) -> Result<Answers, String> {
        let mut stream = socket::connect(address, self.port).await?;
        let until = Instant::now() + ANSWERS;
        let greeted = self.step(until, Greeted::read(&mut stream)).await?;
        match &self.transport {
            Transport::Plain => self.ask_over(stream, greeted, until).await,
            Transport::Tls(tls) => {
                let greeted = self.step(until, greeted.ask_for_tls(&mut stream)).await?;
                let stream = tls.begin(address, stream, until).await?;
                self.ask_over(stream, greeted, until).await
            }
        }
    }

    async fn ask_over<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        greeted: Greeted,
        until: Instant,
    ) -> Result<Answers, String> {
        let log_in = Client::log_in(stream, greeted, &self.user, &self.password);
        let client = self.step(until, log_in).await?;
        let mut conversation = Conversation::new(client, until);
        let answers = conversation.ask_all(&self.user).await?;
        conversation.end().await;
        Ok(answers)
    }

    /// A part of the login.
    async fn step<T>(
        &self,
        until: Instant,
        step: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, String> {
        match timeout_at(until, step).await {
            Ok(result) => result.map_err(|fault| self.failure(&fault)),
            Err(_) => Err(format!("connected, but no login within {} s", ANSWERS.as_secs())),
        }
    }

    /// Why there is no login, and what to do.
    fn failure(&self, fault: &Fault) -> String {
        let hint = match fault {
            Fault::Refused(error) if ACCESS_DENIED.contains(&error.code) => {
                // A user who must come by TLS is told no more than that.
                "; see metrics_config, MySQL: {user: …, password: …, tls: …}".to_owned()
            }
            Fault::Refused(error) if error.code == TLS_REQUIRED => {
                "; see metrics_config, MySQL: {tls: true}".to_owned()
            }
            Fault::Refused(error) if error.code == HOST_NOT_ALLOWED => {
                format!("; there, create a user '{}' for this host", self.user)
            }
            _ => String::new(),
        };
        format!("{}{hint}", fault.reason())
    }
}
