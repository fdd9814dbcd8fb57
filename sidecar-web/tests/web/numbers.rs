//! The numbers behind a graph, its comparison with before, and the page of one graph.

use std::process::Command;

use serde_json::Value;

use crate::process::{HOST, Web, command_of, rrdtool};

const REDIS: [&str; 9] =
    ["cmd", "conn", "mem", "keys", "evicted", "fragmentation", "pubsub_ch", "slowlog", "unsaved"];

fn address(graph: &str, more: &str) -> String {
    format!("/graph?address={HOST}&plugin_identifier=redis&graph={graph}{more}")
}

fn json(web: &Web, target: &str) -> Value {
    let answer = web.get(target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    assert_eq!(answer.headers["content-type"], "application/json");
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn the_numbers_of_a_graph_are_those_that_rrdtool_exports() {
    let web = Web::start();
    web.record("redis", &["conn"]);
    let numbers = json(&web, &address("conn", "&format=json&term=hour"));
    let (start, step) = (numbers["start"].as_i64().unwrap(), numbers["step"].as_i64().unwrap());
    assert_eq!(step, 60);
    let series = &numbers["series"][0];
    let values = series["values"].as_array().unwrap();
    let key = "connected_clients.gauge.rrd";
    let file = web.data_dir().join(HOST).join("redis").join(key);
    let fetched = Command::new("rrdtool")
        .args(["fetch", file.to_str().unwrap(), "AVERAGE", "-s", &(start - step).to_string()])
        .args(["-e", &(start + 69 * step).to_string()])
        .output()
        .unwrap();
    let fetched = String::from_utf8(fetched.stdout).unwrap();
    let mut compared = 0;
    for line in fetched.lines().filter_map(|line| line.split_once(": ")) {
        let (time, value) = line;
        let Ok(row) = usize::try_from((time.parse::<i64>().unwrap() - start) / step) else {
            continue;
        };
        if let Some(known) = values.get(row).and_then(Value::as_f64) {
            assert_eq!(format!("{known:e}"), format!("{:e}", value.parse::<f64>().unwrap()));
            compared += 1;
        }
    }
    assert!(compared > 60, "{compared} rows compared:\n{fetched}\n{numbers}");
    let known: Vec<f64> = values.iter().filter_map(Value::as_f64).collect();
    assert_eq!(series["last"].as_f64(), known.last().copied());
    assert_eq!(series["max"].as_f64(), known.last().copied(), "the values grow");
    assert_eq!(series["min"].as_f64(), known.first().copied());
    let canvas = &numbers["canvas"];
    assert_eq!((&canvas["width"], &canvas["height"]), (&500.into(), &100.into()));
    // A picture of more pixels takes no more of the page.
    let dense = json(&web, &address("conn", "&format=json&term=hour&scale=2"));
    assert_eq!(&dense["canvas"], canvas);
    assert_eq!(numbers["to"].as_i64().unwrap() - numbers["from"].as_i64().unwrap(), 70 * 60);
}

#[test]
fn each_graph_has_numbers_under_the_names_of_its_legend() {
    let web = Web::start();
    web.record("redis", &REDIS);
    for graph in REDIS {
        let numbers = json(&web, &address(graph, "&format=json"));
        let series = numbers["series"].as_array().unwrap();
        assert!(!series.is_empty(), "{graph}");
        for one in series {
            let name = one["name"].as_str().unwrap();
            assert!(!name.is_empty() && !name.starts_with('_'), "{graph}: '{name}'");
        }
        // Not all: a prediction needs more than these two hours.
        assert!(series.iter().any(|one| one["last"].is_f64()), "{graph}: {numbers}");
    }
}

#[test]
fn the_prediction_of_a_disk_begins_with_what_is_known_of_it_and_goes_on_to_the_end() {
    let web = Web::start();
    web.record("base", &["disk-usage-vda"]);
    let of =
        format!("/graph?address={HOST}&plugin_identifier=base&graph=disk-usage-vda&format=json");
    // An hour is known as a whole, of the day only the last two hours.
    for (term, is_whole) in [("hour", true), ("day", false)] {
        let numbers = json(&web, &format!("{of}&term={term}"));
        let rows = |name: &str| {
            let series = numbers["series"].as_array().unwrap();
            let found = series.iter().find(|one| one["name"] == name);
            found.unwrap_or_else(|| panic!("{name}: {numbers}"))["values"]
                .as_array()
                .unwrap()
                .clone()
        };
        let first = |rows: &[Value]| rows.iter().position(Value::is_f64).unwrap();
        let (used, prediction) = (rows("Used"), rows("Prediction"));
        assert_eq!(first(&used) < 2, is_whole, "{term}");
        assert_eq!(first(&prediction), first(&used), "{term}");
        assert!(prediction[first(&used)..].iter().all(Value::is_f64), "{term}: {numbers}");
    }
}

#[test]
fn a_table_has_a_header_and_a_line_a_row() {
    let web = Web::start();
    web.record("redis", &["conn"]);
    let answer = web.get(&address("conn", "&format=csv&term=hour"));
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    let name = "attachment; filename=\"web-1-redis-conn-hour.csv\"";
    assert_eq!(answer.headers["content-disposition"], name);
    let text = answer.text();
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("time,unixtime,"), "{text}");
    assert_eq!(lines.clone().count(), 70, "{text}");
    let row: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert!(row[0].ends_with("+00:00"), "{text}");
    assert!(row[1].parse::<i64>().is_ok_and(|time| time % 60 == 0), "{text}");
}

#[test]
fn a_graph_is_compared_with_what_was_before() {
    let web = Web::start();
    // The others of the graph only need to be there.
    web.record("redis", &["conn"]);
    let file = web.data_dir().join(HOST).join("redis/connected_clients.gauge.rrd");
    let file = file.to_str().unwrap();
    let today = 1_404_864_000;
    rrdtool(&[
        "create",
        file,
        "--start",
        &(today - 90_000).to_string(),
        "--step",
        "60",
        "DS:n:GAUGE:120:U:U",
        "RRA:AVERAGE:0.5:1:2880",
        "RRA:MIN:0.5:1:2880",
        "RRA:MAX:0.5:1:2880",
    ]);
    // Five the day before, seven today.
    let point = |time| format!("{time}:{}", if time <= today - 43_200 { 5 } else { 7 });
    let points: Vec<String> = (today - 89_940..=today).step_by(60).map(point).collect();
    let mut update = vec!["update", file];
    update.extend(points.iter().map(String::as_str));
    rrdtool(&update);
    let range = format!("&term=custom&from={}&to={today}", today - 3600);
    let numbers =
        json(&web, &address("conn", &format!("{range}&format=json&compare=day&rows=100")));
    let series = &numbers["series"][0];
    let all = |name: &str, value: f64| {
        let values = series[name].as_array().unwrap();
        values.len() >= 60 && values.iter().filter_map(Value::as_f64).all(|known| known == value)
    };
    assert!(all("values", 7.0) && all("previous", 5.0), "{numbers}");

    let plain = web.get(&address("conn", &range));
    let compared = web.get(&address("conn", &format!("{range}&compare=day")));
    assert_eq!(plain.picture_size(), compared.picture_size());
    assert_ne!(plain.body, compared.body);
    let drawing = web.get(&address("conn", &format!("{range}&compare=day&format=svg")));
    assert_eq!(drawing.headers["content-type"], "image/svg+xml");
    assert!(drawing.text().contains("<svg"), "{}", drawing.text());
}

#[test]
fn the_page_of_a_graph_has_its_table_and_the_command_that_draws_it() {
    let web = Web::start();
    web.record("redis", &["conn"]);
    let range = "&term=custom&from=1404860400&to=1404864000&compare=week";
    let target = address("conn", range);
    let page = web.get(&target.replacen("/graph", "/details", 1));
    assert_eq!(page.status, 200, "{}", page.text());
    let page = page.text();
    assert!(page.contains("<th scope=\"row\">"), "{page}");
    let command = command_of(&page);
    let ran = Command::new("sh")
        .args(["-c", &command])
        .current_dir(web.folder.path())
        .env("TZ", "UTC")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{command}\n{}", String::from_utf8_lossy(&ran.stderr));
    let drawn = std::fs::read(web.folder.path().join("graph.png")).unwrap();
    let shown = web.get(&format!("{target}&width=1100&height=300&legend=none"));
    assert!(drawn == shown.body, "another picture:\n{command}");
    let (width, height) = shown.picture_size();
    assert!(page.contains(&format!("width=\"{width}\" height=\"{height}\"")), "{page}");
}
