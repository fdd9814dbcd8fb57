//! Settings of plugins, with the secrets that they name: `${VARIABLE}` of the environment, and
//! `password_file:` in place of `password:`; and paths of files for TLS, made whole.
//!
//! No message quotes a value that may be a secret.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value as Json};

use crate::error::SiteError;
use crate::regular_file;
use crate::site::Notes;
use crate::yaml::{Key, Node, Value};

/// Longest content of a `password_file`, in bytes.
const MAX_LEN: u64 = 4096;

/// Settings that name files of PEM, for TLS.
const TLS_FILES: [&str; 3] = ["ca_file", "cert_file", "key_file"];

/// A node of `metrics_config` as JSON, with its secrets. One that can't be had is null, and noted.
pub(crate) fn to_json(file: &Path, node: &Node, notes: &mut Notes) -> Json {
    match &node.value {
        Value::List(items) => items.iter().map(|item| to_json(file, item, notes)).collect(),
        Value::Map(entries) => Json::Object(mapping(file, entries, notes)),
        Value::Null | Value::Scalar(_) => match node.to_json() {
            Json::String(text) => filled(file, node, &text, notes),
            other => other,
        },
    }
}

/// A text with its variables filled in.
fn filled(file: &Path, node: &Node, text: &str, notes: &mut Notes) -> Json {
    let told = |message: String| SiteError::new(file, Some(node.line), message);
    if has_default(text) {
        notes.warnings.push(told(
            "only ${NAME} is replaced by a variable of the environment; this value has more between its braces, and stays as it is written".to_owned(),
        ));
    }
    with_variables(text, |name| std::env::var(name).ok()).map_or_else(
        |variable| {
            notes.secret_faults.push(told(format!(
                "environment variable {variable} is not set; ${{{variable}}} here needs it"
            )));
            Json::Null
        },
        Json::String,
    )
}

/// Whether a text has what shells take for a variable with a default or the like, such as
/// `${NAME:-default}`. It may just as well be a password.
fn has_default(text: &str) -> bool {
    text.split("${").skip(1).any(|behind| {
        let Some((inside, _)) = behind.split_once('}') else { return false };
        let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        end.is_some_and(|end| {
            is_variable(&inside[..end]) && inside[end..].starts_with([':', '-', '=', '?', '+'])
        })
    })
}

fn mapping(file: &Path, entries: &[(Key, Node)], notes: &mut Notes) -> Map<String, Json> {
    let has = |name: &str| entries.iter().any(|(key, _)| key.name == name);
    let (has_password, has_tls) = (has("password"), has("tls"));
    let mut json = Map::new();
    for (key, node) in entries {
        if key.name != "password_file" {
            let mut value = to_json(file, node, notes);
            // Beside `tls:` alone, as to programs of users these names may mean anything.
            if has_tls && TLS_FILES.contains(&key.name.as_str()) {
                value = whole_path(file, value);
            }
            json.insert(key.name.clone(), value);
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

/// A path that starts at the folder of `file` where it is relative.
fn whole_path(file: &Path, value: Json) -> Json {
    match value {
        Json::String(path) if !path.is_empty() => {
            let whole = file.parent().unwrap_or(Path::new("")).join(&path);
            // It is text, as file and path are.
            whole.to_str().map_or(Json::String(path), Json::from)
        }
        other => other,
    }
}

/// The password in a file; a relative path starts at the folder of `file`.
fn from_file(file: &Path, node: &Node, notes: &mut Notes) -> Result<Json, String> {
    let path = node.text(file, "password_file").map_err(|error| error.message)?;
    let path = file.parent().unwrap_or(Path::new("")).join(path);
    notes.sources.note(&path);
    let unreadable = |error: std::io::Error| format!("{} can not be read: {error}", path.display());
    let mut text = String::new();
    regular_file::open(&path)
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

    fn replaced(text: &str) -> Result<String, String> {
        with_variables(text, |name| match name {
            "USER_1" => Some("kurado".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_are_replaced_wherever_they_stand() {
        assert_eq!(replaced("${USER_1}").unwrap(), "kurado");
        assert_eq!(replaced("a${USER_1}b${EMPTY}${USER_1}").unwrap(), "akuradobkurado");
        assert_eq!(replaced("x ${NOBODY} y").unwrap_err(), "NOBODY");
    }

    #[test]
    fn passwords_with_dollars_stay_what_they_are() {
        for text in ["a$b", "$USER_1", "${", "${}", "${a-b}", "${1}", "}${ x}", "$${x"] {
            assert_eq!(replaced(text).unwrap(), text);
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
    fn a_variable_with_a_default_stays_as_it_is_and_is_warned_of_without_its_text() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kurado.yml");
        for text in ["${USER_1:-geheim}", "x${A-geheim}", "${A:?geheim}"] {
            assert_eq!(replaced(text).unwrap(), text);
            let node =
                yaml::parse(&file, &format!("MySQL:\n  password: '{text}'")).unwrap().remove(0);
            let mut notes = Notes::default();
            assert_eq!(to_json(&file, &node, &mut notes)["MySQL"]["password"], text);
            let [warning] = notes.warnings.as_slice() else { panic!("{text}") };
            assert_eq!(warning.line, Some(2));
            assert!(!warning.to_string().contains("geheim"), "{warning}");
        }
        for text in ["a$b", "${", "${}", "${1:-x}", "}${ x}", "$${x", "${USER_1}", "${a b}"] {
            assert!(!has_default(text), "{text}");
        }
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
    fn paths_beside_tls_start_at_the_folder_of_their_file_as_that_of_a_password_does() {
        let dir = tempfile::tempdir().unwrap();
        let (json, _) = read(
            dir.path(),
            "Redis: {tls: true, ca_file: tls/ca.pem, cert_file: /etc/c.pem, key_file: ''}\nShop: {ca_file: x}",
        );
        let ca = dir.path().join("tls/ca.pem");
        assert_eq!(
            json,
            serde_json::json!({
                "Redis": {"tls": true, "ca_file": ca, "cert_file": "/etc/c.pem", "key_file": ""},
                "Shop": {"ca_file": "x"},
            })
        );
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
