//! What is asked of a MySQL server, one question after the other.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use super::answers::{Answers, Table, columns, fields};
use super::client::{Client, Fault};
use super::{ANSWERS, innodb};

/// Questions, with their form on servers that don't know the first.
const STATUS: [&str; 2] = ["SHOW GLOBAL STATUS", "SHOW STATUS"];
const VARIABLES: [&str; 1] = ["SHOW VARIABLES"];
const INNODB_STATUS: [&str; 2] = ["SHOW ENGINE INNODB STATUS", "SHOW INNODB STATUS"];
/// MySQL 8.4 knows only the first.
const REPLICA_STATUS: [&str; 2] = ["SHOW REPLICA STATUS", "SHOW SLAVE STATUS"];

/// Errors by their numbers: a syntax that the server does not know; a right that is missing.
const SYNTAX: u16 = 1064;
const NO_RIGHT: u16 = 1227;

/// A connection that must have done its work by then.
pub(super) struct Conversation<S> {
    client: Client<S>,
    until: Instant,
    /// Why nothing more can be asked.
    broken: Option<String>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(super) fn new(client: Client<S>, until: Instant) -> Self {
        Self { client, until, broken: None }
    }

    /// Asks all; an error says why there is nothing to show.
    pub(super) async fn ask_all(&mut self, user: &str) -> Result<Answers, String> {
        let mut answers = Answers {
            status: fields(self.ask(&STATUS).await.map_err(|(_, reason)| reason)?),
            variables: fields(self.ask(&VARIABLES).await.map_err(|(_, reason)| reason)?),
            ..Answers::default()
        };
        if innodb::is_used(&answers.variables)
            && let Ok(table) = self.ask(&INNODB_STATUS).await
        {
            answers.innodb_status =
                columns(table).next().and_then(|mut columns| columns.remove("status"));
        }
        // The last, as it may wait on a server whose replication is being stopped.
        match self.ask(&REPLICA_STATUS).await {
            Ok(table) => answers.replication = columns(table).collect(),
            Err((Some(NO_RIGHT), reason)) => {
                answers.no_replication = Some(format!("{reason}; grant it to user '{user}'"));
            }
            Err((_, reason)) => answers.no_replication = Some(reason),
        }
        Ok(answers)
    }

    /// Asks in the first of these forms that the server knows. An error is its number, where the
    /// server gave one, and a reason that names the question.
    async fn ask(&mut self, forms: &[&str]) -> Result<Table, (Option<u16>, String)> {
        let mut unknown = (None, String::new());
        for query in forms {
            if let Some(reason) = &self.broken {
                return Err((None, reason.clone()));
            }
            let fault = match timeout_at(self.until, self.client.query(query)).await {
                Ok(Ok(table)) => return Ok(table),
                Ok(Err(fault)) => fault,
                Err(_) => {
                    let reason = format!("no answer to {query} within {} s", ANSWERS.as_secs());
                    self.broken = Some(reason.clone());
                    return Err((None, reason));
                }
            };
            let reason = format!("{query}: {}", fault.reason());
            match fault {
                Fault::Refused(error) if error.code == SYNTAX => {
                    unknown = (Some(error.code), reason);
                }
                Fault::Refused(error) => return Err((Some(error.code), reason)),
                Fault::Io(_) | Fault::Odd(_) => {
                    self.broken = Some(reason.clone());
                    return Err((None, reason));
                }
            }
        }
        Err(unknown)
    }

    /// Takes leave.
    pub(super) async fn end(self) {
        if self.broken.is_none() {
            // A server that does not take it is left without a word.
            let _ = timeout_at(self.until, self.client.quit()).await;
        }
    }
}
