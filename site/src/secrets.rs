//! Settings of plugins, with the secrets that they name: `${VARIABLE}` of the environment, and
//! `password_file:` in place of `password:`.
//!
//! No message quotes a value that may be a secret.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value as Json};

use crate::error::SiteError;
use crate::site::Notes;
use crate::yaml::{Key, Node, Value};

/// Longest content of a `password_file`, in bytes.
const MAX_LEN: u64 = 4096;

/// A node of `metrics_config` as JSON, with its secrets. One that can't be had is null, and noted.
pub(crate) fn to_json(file: &Path, node: &Node, notes: &mut Notes) -> Json {
    match &node.value {
        Value::List(items) => items.iter().map(|item| to_json(file, item, notes)).collect(),
        Value::Map(entries) => Json::Object(mapping(file, entries, notes)),
        Value::Null | Value::Scalar(_) => match node.to_json() {
            Json::String(text) => match with_variables(&text, |name| std::env::var(name).ok()) {
                Ok(text) => Json::String(text),
                Err(variable) => {
                    notes.secret_faults.push(SiteError::new(
                        file,
                        Some(node.line),
                        format!(
                            "environment variable {variable} is not set; ${{{variable}}} here needs it"
                        ),
                    ));
                    Json::Null
                }
            },
            other => other,
        },
    }
}

fn mapping(file: &Path, entries: &[(Key, Node)], notes: &mut Notes) -> Map<String, Json> {
    let has_password = entries.iter().any(|(key, _)| key.name == "password");
    let mut json = Map::new();
    for (key, node) in entries {
        if key.name != "password_file" {
            json.insert(key.name.clone(), to_json(file, node, notes));
            continue;
        }
        let password = if has_password {
            Err("and password both stand here; one of them must go".to_owned())
        } else {
            from_file(file, node, notes)
        };
        let password = password.unwrap_or_else(|reason| {
            let message = format!("password_file: {reason}");
            notes.secret_faults.push(SiteError::new(file, Some(key.line), message));
            Json::Null
        });
        json.entry("password").or_insert(password);
    }
    json
}

/// The password in a file; a relative path starts at the folder of `file`.
fn from_file(file: &Path, node: &Node, notes: &mut Notes) -> Result<Json, String> {
    let path = node.text(file, "password_file").map_err(|error| error.message)?;
    let path = file.parent().unwrap_or(Path::new("")).join(path);
    notes.sources.note(&path);
    let unreadable = |error: std::io::Error| format!("{} can not be read: {error}", path.display());
    let mut text = String::new();
    std::fs::File::open(&path)
        .and_then(|open| open.take(MAX_LEN + 1).read_to_string(&mut text))
        .map_err(unreadable)?;
    if text.len() as u64 > MAX_LEN {
        return Err(format!("{} is longer than {MAX_LEN} bytes", path.display()));
    }
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("{} is empty; it must hold the password", path.display())),
        password => Ok(password.into()),
    }
}

/// The text with each `${NAME}` replaced; anything else that has a `$` in it stays. The error is
/// the name of a variable that is not set.
fn with_variables(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        out.push_str(before);
        match behind.split_once('}') {
            Some((name, behind)) if is_variable(name) => {
                out.push_str(&value(name).ok_or(name)?);
                rest = behind;
            }
            _ => {
                out.push_str("${");
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn filled(text: &str) -> Result<String, String> {
        with_variables(text, |name| match name {
            "USER_1" => Some("kurado".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_are_replaced_wherever_they_stand() {
        assert_eq!(filled("${USER_1}").unwrap(), "kurado");
        assert_eq!(filled("a${USER_1}b${EMPTY}${USER_1}").unwrap(), "akuradobkurado");
        assert_eq!(filled("x ${NOBODY} y").unwrap_err(), "NOBODY");
    }

    #[test]
    fn passwords_with_dollars_stay_what_they_are() {
        for text in ["a$b", "$USER_1", "${", "${}", "${a-b}", "${1}", "}${ x}", "$${x"] {
            assert_eq!(filled(text).unwrap(), text);
        }
    }

    fn read(folder: &Path, source: &str) -> (Json, Vec<String>) {
        let file = folder.join("kurado.yml");
        let node = yaml::parse(&file, source).unwrap().remove(0);
        let mut notes = Notes::default();
        let json = to_json(&file, &node, &mut notes);
        let faults = notes
            .secret_faults
            .iter()
            .map(|fault| fault.to_string().replace(&format!("{}/", folder.display()), ""));
        (json, faults.collect())
    }

    #[test]
    fn a_password_file_stands_for_a_password() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "s3cr et\n").unwrap();
        let (json, faults) = read(dir.path(), "MySQL: {user: u, password_file: secret}");
        assert_eq!(json, serde_json::json!({"MySQL": {"user": "u", "password": "s3cr et"}}));
        assert!(faults.is_empty());
    }

    #[test]
    fn faults_name_file_line_and_what_is_missing_and_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("empty"), "\n").unwrap();
        std::fs::write(dir.path().join("long"), "x".repeat(5000)).unwrap();
        for (source, fault) in [
            (
                "MySQL:\n  password: ${KURADO_TEST_NOT_SET}",
                "kurado.yml:2: environment variable KURADO_TEST_NOT_SET is not set; ${KURADO_TEST_NOT_SET} here needs it",
            ),
            (
                "MySQL:\n  password: geheim\n  password_file: empty",
                "kurado.yml:3: password_file: and password both stand here; one of them must go",
            ),
            (
                "MySQL:\n  password_file: empty",
                "kurado.yml:2: password_file: empty is empty; it must hold the password",
            ),
            (
                "MySQL:\n  password_file: long",
                "kurado.yml:2: password_file: long is longer than 4096 bytes",
            ),
            (
                "MySQL: {password_file: none}",
                "kurado.yml:1: password_file: none can not be read: No such file or directory (os error 2)",
            ),
            (
                "MySQL: {password_file: [x]}",
                "kurado.yml:1: password_file: password_file is a list of 1; it must be a text",
            ),
        ] {
            let (_, faults) = read(dir.path(), source);
            assert_eq!(faults, [fault]);
        }
    }
}
