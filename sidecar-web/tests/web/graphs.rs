//! Pictures: each is drawn, has the size that the page keeps for it, and is not sent twice.

use crate::process::{HOST, Web, rrdtool};

const BASE: [&str; 4] = ["cpu", "loadavg-1", "memory-usage", "tcp-established"];
const REDIS: [&str; 9] =
    ["cmd", "conn", "mem", "keys", "evicted", "fragmentation", "pubsub_ch", "slowlog", "unsaved"];

/// The pictures of a page: address, width and height as the page says them.
fn pictures(page: &str) -> Vec<(String, u32, u32)> {
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\"")).unwrap();
        rest.split('"').next().unwrap().replace("&#38;", "&")
    };
    let mut pictures = Vec::new();
    for (start, source) in [("<img src=\"graph", "src"), ("<source media", "srcset")] {
        for (at, _) in page.match_indices(start) {
            let tag = page[at..].split('>').next().unwrap();
            let number = |name| attribute(tag, name).parse().unwrap();
            pictures.push((attribute(tag, source), number("width"), number("height")));
        }
    }
    pictures
}

#[test]
fn each_picture_of_a_page_is_drawn_at_the_size_that_the_page_keeps_for_it() {
    let web = Web::start();
    web.record("base", &BASE);
    web.record("redis", &REDIS);
    for (term, ranges) in [("hour", 1), ("day", 2), ("month", 4)] {
        let page = web.get(&format!("/server?address={HOST}&term={term}")).text();
        let found = pictures(&page);
        // Of each graph and range: light, and three other kinds of screens.
        assert_eq!(found.len(), (BASE.len() + REDIS.len()) * ranges * 4, "{term}");
        for (address, width, height) in found {
            let drawing = web.get(&format!("/{address}")).drawing();
            let size = format!(" width=\"{width}\" height=\"{height}\" ");
            assert!(drawing.contains(&size), "{address}: {size} {drawing:.200}");
            // As a PNG it takes the same room, in twice the pixels too.
            let png = address.replace("&format=svg", "&scale=2");
            let png = web.get(&format!("/{png}"));
            assert_eq!(png.picture_size(), (width * 2, height * 2), "{address}");
        }
    }
}

#[test]
fn a_graph_over_a_device_is_drawn_though_its_meta_is_gone() {
    let web = Web::start();
    web.record("base", &["traffic-eth0"]);
    let address = format!("/graph?address={HOST}&plugin_identifier=base&graph=traffic-eth0");
    let picture = web.get(&address);
    assert_eq!(picture.picture_size(), (588, 199));
    assert!(picture.headers["kurado-notice"].contains("not flushed"), "Redis is away");
}

#[test]
fn a_picture_that_the_browser_has_is_not_sent_again_until_its_files_change() {
    let web = Web::start();
    web.record("base", &["loadavg-1"]);
    // A range in the past, so that the minute does not matter.
    let address = format!(
        "/graph?address={HOST}&plugin_identifier=base&graph=loadavg-1\
         &term=custom&from=1404860400&to=1404864000"
    );
    let first = web.get(&address);
    assert_eq!(first.status, 200);
    let known = format!("if-none-match: \"x\", {}", first.headers["etag"]);
    let second = web.get_with(&address, &known);
    assert_eq!((second.status, second.body.len()), (304, 0));

    let file = web.data_dir().join(HOST).join("base/loadavg-1.gauge.rrd");
    rrdtool(&["update", file.to_str().unwrap(), "N:1"]);
    let third = web.get_with(&address, &known);
    assert_eq!(third.status, 200);
    assert_ne!(third.headers["etag"], first.headers["etag"]);
}

#[test]
fn a_graph_without_files_says_of_which_series_there_and_on_the_page() {
    let web = Web::start();
    web.record("base", &["loadavg-1"]);
    std::fs::remove_file(web.data_dir().join(HOST).join("base/processors.gauge.rrd")).unwrap();
    let says = "no file yet: processors.gauge";
    let picture = web.get(&format!("/graph?address={HOST}&plugin_identifier=base&graph=loadavg-1"));
    assert_eq!((picture.status, picture.text().trim_end()), (404, says));
    let page = web.get(&format!("/server?address={HOST}"));
    assert!(page.text().contains(&format!("loadavg-1: {says}")));
}
