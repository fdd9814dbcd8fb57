//! What the claims of a user say: its name, and what that one may do.

use serde_json::Value as Json;

use crate::access::Role;

/// Longest name of a user, in bytes.
const MAX_NAME: usize = 100;

/// In which claims name and roles stand.
#[derive(Clone, Debug)]
pub struct ClaimNames {
    /// The claim of the name; without it the first of `preferred_username`, `email` and `sub`.
    pub user: Option<String>,
    /// The claim of the roles: a text, or a list of them.
    pub role: String,
    /// The roles of those who may look.
    pub viewers: Vec<String>,
    /// The roles of those who may change and delete as well.
    pub operators: Vec<String>,
}

impl ClaimNames {
    /// The name, for pages and logs.
    ///
    /// # Errors
    /// Names the claim that is missing, or is no name.
    pub fn user_name<'a>(&self, claims: &'a Json) -> Result<&'a str, String> {
        let is_name = |name: &&str| {
            !name.is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control)
        };
        let get = |claim| at(claims, claim).and_then(Json::as_str).filter(is_name);
        match &self.user {
            Some(claim) => get(claim).ok_or_else(|| {
                format!(
                    "claim {claim} must be a text of 1 to {MAX_NAME} bytes without control characters"
                )
            }),
            None => ["preferred_username", "email", "sub"].into_iter().find_map(get).ok_or_else(
                || "none of the claims preferred_username, email and sub is a name".to_owned(),
            ),
        }
    }

    /// What the user may do; `None` where no role allows anything.
    pub fn role(&self, claims: &Json) -> Option<Role> {
        let has = |names: &[String]| match at(claims, &self.role) {
            Some(Json::String(role)) => names.contains(role),
            Some(Json::Array(roles)) => {
                roles.iter().filter_map(Json::as_str).any(|role| names.iter().any(|n| n == role))
            }
            _ => false,
        };
        if has(&self.operators) {
            Some(Role::Operator)
        } else {
            has(&self.viewers).then_some(Role::Viewer)
        }
    }

    /// Whether the claims say all that is asked for.
    pub fn are_in(&self, claims: &Json) -> bool {
        let user = self.user.as_deref().unwrap_or("preferred_username");
        at(claims, user).is_some() && at(claims, &self.role).is_some()
    }
}

/// The claim of that name; a dot leads into a claim that has claims, unless it is part of a name.
fn at<'a>(claims: &'a Json, path: &str) -> Option<&'a Json> {
    claims.get(path).or_else(|| {
        path.match_indices('.').find_map(|(dot, _)| at(claims.get(&path[..dot])?, &path[dot + 1..]))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(user: Option<&str>, role: &str) -> ClaimNames {
        ClaimNames {
            user: user.map(ToOwned::to_owned),
            role: role.to_owned(),
            viewers: vec!["viewer".to_owned(), "staff".to_owned()],
            operators: vec!["operator".to_owned()],
        }
    }

    #[test]
    fn the_role_is_the_highest_that_the_claim_gives_and_none_without_it() {
        for (path, claims, role) in [
            ("roles", json!({"roles": ["viewer", "operator"]}), Some(Role::Operator)),
            ("roles", json!({"roles": "staff"}), Some(Role::Viewer)),
            ("roles", json!({"roles": ["Operator", 7, null, ["viewer"]]}), None),
            ("roles", json!({"roles": {"operator": true}}), None),
            ("roles", json!({}), None),
            (
                "realm_access.roles",
                json!({"realm_access": {"roles": ["viewer"]}}),
                Some(Role::Viewer),
            ),
            (
                "resource_access.my.web.roles",
                json!({"resource_access": {"my.web": {"roles": ["viewer"]}}}),
                Some(Role::Viewer),
            ),
            (
                "https://example.org/roles",
                json!({"https://example.org/roles": ["operator"]}),
                Some(Role::Operator),
            ),
            ("realm_access.roles", json!({"realm_access": "operator"}), None),
        ] {
            assert_eq!(names(None, path).role(&claims), role, "{path} of {claims}");
        }
    }

    #[test]
    fn the_name_is_the_claim_that_was_chosen_else_the_first_that_is_there() {
        let claims = json!({"sub": "7", "email": "ann@example.org", "name": "Ann", "bad": "a\nb"});
        let of = |user| names(user, "roles").user_name(&claims).map_err(|_| ());
        assert_eq!(of(None), Ok("ann@example.org"));
        assert_eq!(of(Some("name")), Ok("Ann"));
        assert_eq!(of(Some("nickname")), Err(()));
        assert_eq!(of(Some("bad")), Err(()));
    }
}
