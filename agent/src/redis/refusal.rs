//! What a server's refusal means for the one who runs the agent. Each is tried again later: the server
//! may be mended by then.

/// An error of the server's, and what to do about it.
pub fn with_advice(command: &str, error: &str) -> String {
    match advice(command, error) {
        advice if advice.is_empty() => error.to_owned(),
        advice => format!("{}{advice}", error.trim_end_matches('.')),
    }
}

/// What to do about an error of the server's, to be put behind it; empty where its own words say all.
fn advice(command: &str, error: &str) -> String {
    let code = error.split([' ', '\t']).next().unwrap_or_default();
    match code {
        "NOAUTH" => {
            "; give the password by KURADO_PASSWORD, --password-file or the URL in --mq".to_owned()
        }
        "NOPERM" => format!("; its user needs {}", rights(command)),
        "LOADING" => "; the server has just been started, and reads its data".to_owned(),
        "READONLY" => "; the server is a replica: name its master in --mq".to_owned(),
        "MOVED" | "ASK" => {
            let owner = error.rsplit(' ').next().unwrap_or_default();
            format!("; the server is one of a Redis Cluster: name {owner} in --mq")
        }
        "CLUSTERDOWN" => "; the server is one of a Redis Cluster that is not whole".to_owned(),
        "MASTERDOWN" => "; the server is a replica that has lost its master".to_owned(),
        "OOM" => "; the server has reached its maxmemory".to_owned(),
        "MISCONF" => "; the server cannot save its data: its log says why".to_owned(),
        "NOREPLICAS" => "; the server wants more replicas than it has".to_owned(),
        "BUSY" => "; the server is held by a script".to_owned(),
        "DENIED" => "; the server is in protected mode, and takes no connections from other \
                     machines until it has a password"
            .to_owned(),
        "ERR" if error.contains("max number of clients") => {
            "; the server has reached its maxclients".to_owned()
        }
        "ERR" if command == "AUTH" && error.contains("wrong number of arguments") => {
            "; the server knows no users, being older than Redis 6: give the password alone"
                .to_owned()
        }
        // Redis before 6, and since.
        "ERR"
            if command == "AUTH"
                && (error.contains("no password is set")
                    || error.contains("without any password configured")) =>
        {
            "; the server has no password: give none".to_owned()
        }
        _ => String::new(),
    }
}

/// Puts behind a reason why a line was refused what to do about it, where its own words do not say all.
pub fn advise_on_line(reason: &mut String) {
    // The module checks keys itself, as they stand in lines.
    let key = reason.find("NOPERM ").and_then(|at| reason.get(at..)?.split('\'').nth(1));
    if let Some(key) = key {
        *reason = format!("{reason}; the server's ACL gives it to its user by ~{key}");
    }
}

/// What a user of the server's ACL needs for a command.
fn rights(command: &str) -> &'static str {
    match command {
        "KURADO.PUSH" => "+kurado.push and ~kurado:{ADDRESS}",
        "RPUSH" => "+rpush and ~kurado-update",
        "SELECT" => "+select",
        _ => "the right to it",
    }
}

/// The beginning of an error of the server's, fit for a log.
pub fn words(error: &str) -> String {
    error.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_what_to_do() {
        for (command, error, expected) in [
            ("KURADO.PUSH", "NOAUTH Authentication required.", "--password-file"),
            ("KURADO.PUSH", "NOPERM this user has no permissions", "+kurado.push"),
            ("RPUSH", "NOPERM this user has no permissions", "~kurado-update"),
            ("KURADO.PUSH", "LOADING Redis is loading the dataset in memory", "just been started"),
            ("RPUSH", "READONLY You can't write against a read only replica.", "name its master"),
            ("RPUSH", "MOVED 3999 10.0.0.5:6381", "name 10.0.0.5:6381 in --mq"),
            ("RPUSH", "CLUSTERDOWN The cluster is down", "not whole"),
            ("RPUSH", "OOM command not allowed when used memory > 'maxmemory'.", "its maxmemory"),
            ("RPUSH", "MISCONF Redis is configured to save RDB snapshots, but", "its log says why"),
            (
                "AUTH",
                "DENIED Redis is running in protected mode because",
                "until it has a password",
            ),
            ("AUTH", "ERR max number of clients reached", "its maxclients"),
            ("AUTH", "ERR wrong number of arguments for 'auth' command", "password alone"),
            ("AUTH", "ERR Client sent AUTH, but no password is set", "give none"),
            (
                "AUTH",
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
                "give none",
            ),
        ] {
            let advice = advice(command, error);
            assert!(advice.starts_with("; ") && advice.contains(expected), "{error}: {advice}");
        }
        assert_eq!(advice("AUTH", "WRONGPASS invalid username-password pair"), "");
    }

    #[test]
    fn a_line_of_a_host_that_is_denied_says_the_pattern_that_is_missing() {
        let denied = "line 1: NOPERM this user has no permission for key 'kurado:{10.0.0.1}'";
        let advised =
            format!("{denied}; the server's ACL gives it to its user by ~kurado:{{10.0.0.1}}");
        let unknown = "line 1: value 'many' must be a decimal number or U";
        for (reason, expected) in
            [(denied, &*advised), ("line 1: NOPERM", "line 1: NOPERM"), (unknown, unknown)]
        {
            let mut text = reason.to_owned();
            advise_on_line(&mut text);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn words_of_a_server_can_not_fill_or_break_the_log() {
        assert_eq!(words("ERR a\u{1b}[2Jb\nc"), "ERR a [2Jb c");
        assert_eq!(words(&"é".repeat(1000)).chars().count(), 300);
    }
}
