//! Who asks, and what that one may do.

use std::str::FromStr;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// See everything.
    Viewer,
    /// Change and delete as well.
    Operator,
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "operator" => Ok(Self::Operator),
            other => Err(format!("role '{other}' must be viewer or operator")),
        }
    }
}

/// Somebody who may see the pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who it is; `None` where access is open to all.
    pub name: Option<String>,
    /// What that one may do.
    pub role: Role,
    /// Whether it logged in here, so that it can log out here.
    pub has_session: bool,
}
