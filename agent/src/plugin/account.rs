//! As whom a command runs: users of `/etc/passwd` with their groups of `/etc/group`.
//!
//! The files are read here, and not by the C library: a statically linked one would have to load the
//! system's own modules of names at run time, which may be of another version. So users of LDAP and
//! the like are not found by name; they are given as `uid:gid`.

use std::fs::File;
use std::io::{self, Read};

/// Most of either file that is read, in bytes.
const MAX_FILE_LEN: u64 = 16 * 1024 * 1024;

/// A user, and what a process of theirs needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// As in `USER` and `LOGNAME`; the uid where no name is known.
    pub name: String,
    /// The user's id.
    pub uid: u32,
    /// The id of the user's own group.
    pub gid: u32,
    /// All groups, the own one first.
    pub groups: Vec<u32>,
    /// As in `HOME`.
    pub home: String,
}

impl Account {
    /// Finds a user by name, by uid, or takes `uid:gid` as it is.
    ///
    /// # Errors
    /// Where there is no such user; the text names it and the rule.
    pub fn find(user: &str) -> Result<Self, String> {
        let passwd = read("/etc/passwd")?;
        // Without it the user has the own group only.
        let group = read("/etc/group").unwrap_or_default();
        Self::find_in(user, &passwd, &group)
    }

    fn find_in(user: &str, passwd: &str, group: &str) -> Result<Self, String> {
        if let Some((uid, gid)) = user.split_once(':')
            && let (Some(uid), Some(gid)) = (id(uid), id(gid))
        {
            let groups = vec![gid];
            return Ok(Self { name: uid.to_string(), uid, gid, groups, home: "/".to_owned() });
        }
        let mut entries = passwd.lines().filter_map(|line| {
            let mut columns = line.split(':');
            let name = columns.next().filter(|name| !name.is_empty())?;
            let (uid, gid) = (id(columns.nth(1)?)?, id(columns.next()?)?);
            let home = columns.nth(1).filter(|home| !home.is_empty()).unwrap_or("/");
            Some((name, uid, gid, home))
        });
        let wanted = id(user);
        let (name, uid, gid, home) = entries
            .find(|(name, uid, ..)| *name == user || wanted == Some(*uid))
            .ok_or_else(|| {
                format!(
                    "user '{user}' is not in /etc/passwd; one of LDAP and the like is written uid:gid"
                )
            })?;
        let mut groups = vec![gid];
        for line in group.lines() {
            let mut columns = line.split(':');
            let (Some(of), Some(members)) = (columns.nth(2).and_then(id), columns.next()) else {
                continue;
            };
            if members.split(',').any(|member| member == name) && !groups.contains(&of) {
                groups.push(of);
            }
        }
        Ok(Self { name: name.to_owned(), uid, gid, groups, home: home.to_owned() })
    }
}

/// A user's or a group's id; the last number means none to the system.
fn id(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id != u32::MAX)
}

fn read(path: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_LEN).read_to_end(&mut bytes))
        .map_err(|error: io::Error| format!("cannot read {path}: {error}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n# no entry\n+::::::\n\
        postgres:x:105:110:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\nbare:x:7:8::\n";
    const GROUP: &str = "root:x:0:\nssl-cert:x:109:postgres\npostgres:x:110:postgres\n\
        disk:x:6:other,postgres\nbad\n";

    #[test]
    fn a_user_is_found_by_name_and_by_uid_with_all_groups() {
        let account = Account::find_in("postgres", PASSWD, GROUP).unwrap();
        assert_eq!((account.uid, account.gid), (105, 110));
        assert_eq!(account.groups, [110, 109, 6]);
        assert_eq!(account.home, "/var/lib/postgresql");
        assert_eq!(Account::find_in("105", PASSWD, GROUP), Ok(account));
        assert_eq!(Account::find_in("bare", PASSWD, GROUP).unwrap().home, "/");
    }

    #[test]
    fn a_user_of_another_directory_is_given_by_both_ids() {
        let account = Account::find_in("7001:7000", PASSWD, GROUP).unwrap();
        assert_eq!((account.uid, account.gid), (7001, 7000));
        assert_eq!(account.groups, [7000]);
    }

    #[test]
    fn a_user_that_does_not_exist_is_named_with_the_rule() {
        for user in ["nobody-here", "7001", "-1", "+0", "4294967295", "4294967295:0", "", "+"] {
            let fault = Account::find_in(user, PASSWD, GROUP).unwrap_err();
            assert!(fault.starts_with(&format!("user '{user}' is not in /etc/passwd")), "{fault}");
        }
    }

    proptest! {
        #[test]
        fn no_file_makes_the_search_panic(user in ".{0,8}", passwd in "[a:0\n,]{0,80}", group in ".{0,80}") {
            let _ = Account::find_in(&user, &passwd, &group);
        }
    }
}
