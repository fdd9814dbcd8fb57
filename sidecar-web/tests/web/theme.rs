//! The theme that a reader chose: pages and pictures come in it from the first.

use crate::process::{HOST, Web};

/// The addresses of pictures, and what screens they are for.
fn pictures(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.contains("graph?") && line.contains("width=")).collect()
}

#[test]
fn a_page_is_in_the_chosen_theme_and_so_are_all_its_pictures() {
    let web = Web::start();
    web.record("redis", &["conn"]);
    let target = format!("/server?address={HOST}&plugin_identifier=redis");
    let open = web.get(&target).text();
    assert!(open.contains(r#"name="color-scheme" content="light dark""#), "{open}");
    assert!(open.contains("prefers-color-scheme: dark"), "the system decides");
    for (theme, is_dark) in [("light", false), ("dark", true)] {
        let page = web.get_with(&target, &format!("cookie: x=y; kurado_theme={theme}")).text();
        assert!(page.contains(&format!(r#"name="color-scheme" content="{theme}""#)), "{page}");
        assert!(!page.contains("prefers-color-scheme"), "nothing is left to the system");
        let pictures = pictures(&page);
        assert!(pictures.len() >= 2, "{page}");
        for picture in pictures.iter().filter(|line| !line.contains("<a href")) {
            assert_eq!(picture.contains("theme=dark"), is_dark, "{picture}");
        }
    }
    let error = web.get_with("/nothing", "accept: text/html\r\ncookie: kurado_theme=dark");
    assert!(error.text().contains(r#"content="dark""#), "{}", error.text());
}
