//! Languages: each page in the one that its reader chose or the browser asks for, whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::access::with_users;
use crate::process::{Answer, HOST, SILENT_HOST, Web};

/// Tags, and a word of each that stands on every page.
const LANGUAGES: [(&str, &str); 3] = [("en", "Help"), ("ja", "ヘルプ"), ("zh-Hans", "帮助")];

/// The English texts.
const ENGLISH: &str = include_str!("../../src/languages/en.rs");

fn pages() -> Vec<String> {
    [
        "/",
        "/?service=Shop",
        &format!("/server?address={HOST}"),
        &format!("/server?address={SILENT_HOST}&compare=day&term=week"),
        &format!("/servers?address={HOST}&address={SILENT_HOST}"),
        &format!("/details?address={HOST}&plugin_identifier=base&graph=loadavg-1"),
        "/pipeline",
        &format!("/forget?address={HOST}"),
        "/nothing",
        "/server?address=10.9.9.9",
        "/?service=none",
        &format!("/details?address={SILENT_HOST}&plugin_identifier=base&graph=loadavg-1"),
    ]
    .map(str::to_owned)
    .into()
}

fn start() -> Web {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kurado-web"));
    command.arg("--open-access=operator");
    let web = Web::start_by(command, |_| {});
    web.record("base", &["loadavg-1"]);
    web
}

fn in_language(web: &Web, target: &str, tag: &str) -> Answer {
    web.get_with(target, &format!("accept: text/html\r\naccept-language: {tag}"))
}

/// What people are told by a page: its texts, and attributes that are read to them. What is marked as
/// English, and what was never ours to say, is left out.
fn said(page: &str) -> BTreeSet<String> {
    let mut said = BTreeSet::new();
    let mut is_english = false;
    for part in page.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or((part, ""));
        if tag.contains("lang=\"en\"") && !tag.starts_with("html") {
            is_english = true;
            continue;
        }
        if tag.starts_with('/') && ["/span", "/p", "/ul", "/option"].contains(&tag) {
            is_english = false;
        }
        if is_english || tag.starts_with("code") || tag.starts_with("pre") {
            continue;
        }
        said.insert(text.trim().to_owned());
        for attribute in tag.split("=\"").collect::<Vec<_>>().windows(2) {
            let name = attribute[0].rsplit([' ', '\n', '"']).next().unwrap();
            let is_read = ["aria-label", "title", "placeholder", "alt"].contains(&name);
            let is_of_scripts = tag.starts_with("template") && name.starts_with("data-");
            if is_read || is_of_scripts {
                said.insert(attribute[1].split('"').next().unwrap().trim().to_owned());
            }
        }
    }
    said
}

/// The English texts, those with values cut into what stands between.
fn english() -> BTreeSet<String> {
    let fields = ENGLISH.split_once("own_name: \"English\",").unwrap().1;
    let texts = fields.split('"').skip(1).step_by(2);
    let texts = texts.map(|text| text.split("\\\n").map(str::trim_start).collect::<String>());
    let parts = texts.flat_map(|text| {
        text.split(['{', '}']).step_by(2).map(|part| part.trim().to_owned()).collect::<Vec<_>>()
    });
    parts.filter(|part| part.chars().filter(|c| c.is_alphabetic()).count() > 1).collect()
}

#[test]
fn a_page_is_in_the_language_that_the_browser_asks_for_and_says_so() {
    let web = start();
    for target in pages() {
        for (tag, word) in LANGUAGES {
            let answer = in_language(&web, &target, tag);
            let page = answer.text();
            assert!(page.contains(&format!("<html lang=\"{tag}\"")), "{target}: {page}");
            assert!(page.contains(&format!(">{word} <kbd>")), "{target} {tag}: {page}");
            assert_eq!(answer.headers["content-language"], tag, "{target}");
            assert_eq!(answer.headers["cache-control"], "no-store", "{target}");
            for header in ["accept-language", "cookie"] {
                assert!(answer.headers["vary"].contains(header), "{target}: {header}");
            }
        }
    }
}

#[test]
fn no_english_is_left_on_a_page_of_another_language() {
    let web = start();
    let english = english();
    assert!(english.len() > 100, "{english:?}");
    let users = with_users(&[]);
    for (tag, _) in &LANGUAGES[1..] {
        let mut texts: Vec<(String, String)> = pages()
            .into_iter()
            .map(|target| (in_language(&web, &target, tag).text(), target))
            .collect();
        texts.push((in_language(&users, "/login", tag).text(), "/login".to_owned()));
        for (page, target) in texts {
            for said in said(&page) {
                for text in &english {
                    let is_left = said == *text || (text.contains(' ') && said.contains(text));
                    assert!(!is_left, "{target} {tag}: '{text}' in '{said}'");
                }
            }
        }
    }
}

#[test]
fn in_english_those_texts_are_on_the_pages() {
    let web = start();
    let english = english();
    for target in pages() {
        let said = said(&in_language(&web, &target, "en").text());
        let known = said.iter().filter(|said| english.contains(*said)).count();
        assert!(known > 10, "{target}: {said:?}");
    }
}

#[test]
fn what_the_reader_chose_wins_over_the_browser_and_is_shown_as_chosen() {
    let web = start();
    let get = |cookie: &str| {
        web.get_with(
            "/",
            &format!("accept-language: zh-TW\r\ncookie: x=y; kurado_language={cookie}"),
        )
        .text()
    };
    let page = get("ja");
    assert!(page.contains("<html lang=\"ja\""), "{page}");
    assert!(page.contains("<option value=\"ja\" lang=\"ja\" selected>日本語</option>"), "{page}");
    for other in ["auto", "pink", "../en", "%00"] {
        let page = get(other);
        assert!(page.contains("<html lang=\"zh-Hans\""), "{other}: {page}");
        assert!(!page.contains("lang=\"zh-Hans\" selected"), "{other}: {page}");
    }
}

#[test]
fn a_reason_in_place_of_a_picture_is_in_the_readers_language_and_json_has_none() {
    let web = start();
    let target = format!("/graph?address={SILENT_HOST}&plugin_identifier=base&graph=loadavg-1");
    let answer = web.get_with(&target, "accept: image/*\r\naccept-language: ja");
    assert_eq!(answer.status, 404);
    assert!(answer.text().starts_with("ファイルなし: "), "{}", answer.text());
    assert!(answer.headers["vary"].contains("accept-language"));
    assert!(web.get(&target).text().starts_with("no file yet: "));
    let counts = web.get_with("/api/service-status", "accept-language: ja");
    assert!(!counts.headers.contains_key("content-language"));
}

#[test]
fn what_scripts_say_has_the_same_places_for_values_in_each_language() {
    let web = start();
    let texts = |tag: &str| -> BTreeMap<String, BTreeSet<String>> {
        let page = in_language(&web, "/", tag).text();
        let (_, texts) = page.split_once("<template id=\"texts\"").unwrap();
        let texts = texts.split_once("></template>").unwrap().0;
        let texts = texts.lines().filter_map(|line| line.trim().split_once("=\""));
        let places = |text: &str| {
            text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap().to_owned()).collect()
        };
        texts.map(|(name, text)| (name.to_owned(), places(text))).collect()
    };
    let wanted = texts("en");
    assert!(wanted.len() > 10 && wanted.values().any(|places| places.len() == 3), "{wanted:?}");
    for (tag, _) in LANGUAGES {
        assert_eq!(texts(tag), wanted, "{tag}");
    }
    // Scripts name these and no others.
    let camel = |name: &str| {
        let mut words = name.trim_start_matches("data-").split('-');
        let first = words.next().unwrap().to_owned();
        words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
    };
    let names: BTreeSet<String> = wanted.keys().map(|name| camel(name)).collect();
    let scripts = read_all("assets/scripts");
    let is_named = |name: &String| {
        // Statuses are said by their names.
        ["ok", "warning", "critical", "unknown"].contains(&name.as_str())
            || scripts.iter().any(|(_, text)| text.contains(&format!("\"{name}\"")))
    };
    assert!(names.iter().all(is_named), "{names:?}");
    for (script, text) in &scripts {
        for said in text.split("say(\"").skip(1) {
            let name = said.split('"').next().unwrap();
            assert!(names.contains(name), "{script} says {name}");
        }
    }
}

#[test]
fn templates_have_no_texts_of_their_own() {
    for (name, template) in read_all("templates") {
        // The name of the page, for the style sheet.
        let plain = without(&template, "{% block page %}", "{% endblock %}");
        let plain = without(&without(&plain, "{{", "}}"), "{%", "%}");
        let plain = without(&plain, "{#", "#}");
        for said in said(&format!("<x>{plain}")) {
            let words = said.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() > 1);
            // Names.
            let words: Vec<&str> =
                words.filter(|word| !["Kurado", "Redis", "Shift"].contains(word)).collect();
            assert!(words.is_empty(), "{name}: '{said}' belongs into src/languages");
        }
    }
}

#[test]
fn each_text_is_used() {
    let texts = include_str!("../../src/languages/texts.rs");
    let uses: String = ["src", "src/pages", "src/access", "src/access/oidc", "templates"]
        .iter()
        .flat_map(|folder| read_all(folder))
        .map(|(_, text)| text)
        .chain([texts.split_once("impl Texts").unwrap().1.to_owned()])
        .collect();
    let used: BTreeSet<&str> = uses
        .split('.')
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
        .collect();
    let (_, fields) = texts.split_once("pub struct Texts {").unwrap();
    let fields = fields.split_once("\n}").unwrap().0;
    for field in fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")) {
        let field = field.split(':').next().unwrap();
        let by_pattern = ["auto", "light", "dark"].contains(&field);
        assert!(by_pattern || used.contains(field), "no page says {field}");
    }
}

/// Names and texts of the files of a folder of this crate.
fn read_all(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.is_file());
    files.map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap())).collect()
}

/// Without what stands between these.
fn without(text: &str, begin: &str, end: &str) -> String {
    let mut parts = text.split(begin);
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once(end).map_or("", |(_, rest)| rest));
    rest.fold(first, |all, part| all + part)
}
