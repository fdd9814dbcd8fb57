//! SVGs of our own drawing beside what the stock rrdtool says of the same data.

use std::path::Path;
use std::process::Command;

use crate::process::{HOST, Web, command_of, rrdtool};

/// 2014-07-09 00:00 UTC.
const END: i64 = 1_404_864_000;

const GRAPHS: [&str; 4] = ["conn", "mem", "keys", "fragmentation"];

/// Numbers of all sizes and signs, small steps and leaps, and now and then none; the same for a seed.
fn random_points(mut seed: u64) -> Vec<String> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let size = 10_f64.powi(i32::try_from(next() % 24).unwrap() - 9);
    let sign = if next() % 4 == 0 { -1.0 } else { 1.0 };
    let point = |minute: i64| {
        let time = END - 1300 * 60 + minute * 60;
        match next() % 10 {
            0 => format!("{time}:U"),
            _ => format!("{time}:{}", sign * size * (next() % 1_000_003) as f64 / 1000.0),
        }
    };
    (1..=1300).map(point).collect()
}

/// Makes the file of a series anew, with these points from `start` on.
fn record(file: &Path, start: i64, points: &[String]) {
    std::fs::remove_file(file).unwrap();
    let (file, start) = (file.to_str().unwrap(), start.to_string());
    rrdtool(&[
        "create",
        file,
        "--start",
        &start,
        "--step",
        "60",
        "DS:n:GAUGE:120:U:U",
        "RRA:AVERAGE:0.5:1:1440",
        "RRA:MIN:0.5:1:1440",
        "RRA:MAX:0.5:1:1440",
    ]);
    rrdtool(&[&["update", file], &*points.iter().map(String::as_str).collect::<Vec<_>>()].concat());
}

/// What `rrdtool graph` prints where the legend has numbers, by the command on the page of the graph.
fn printed(web: &Web, query: &str) -> Vec<String> {
    let page = web.get(&format!("/details{query}&height=100&legend=below")).text();
    let mut command = command_of(&page);
    let prints: Vec<String> = command
        .lines()
        .map(|line| line.trim().trim_end_matches(" \\").trim_matches('\''))
        .filter_map(|word| word.strip_prefix('G').filter(|word| word.starts_with("PRINT:")))
        .map(|word| format!(" '{}'", word.replace("\\l", "")))
        .collect();
    assert!(prints.len() >= 3, "{command}");
    command.push_str(&prints.concat());
    let ran = Command::new("sh")
        .args(["-c", &command])
        .current_dir(web.folder.path())
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{command}\n{}", String::from_utf8_lossy(&ran.stderr));
    let text = String::from_utf8(ran.stdout).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

/// The texts of the legend, in their order.
fn legend(drawing: &str) -> Vec<String> {
    let (_, legend) = drawing.split_once("<g font-family=").unwrap();
    let texts = legend.split('>').filter_map(|part| part.split_once('<'));
    texts.map(|(text, _)| text.to_owned()).filter(|text| !text.is_empty()).collect()
}

#[test]
fn the_legend_says_what_rrdtool_prints_digit_by_digit_whatever_the_data() {
    let web = Web::start();
    web.record("redis", &GRAPHS);
    let folder = web.data_dir().join(HOST).join("redis");
    let files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    for round in 0..6_u64 {
        for (at, file) in (1..).zip(&files) {
            let seed = (round * 1000 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            record(file, END - 1300 * 60, &random_points(seed));
        }
        for graph in GRAPHS {
            // Of an hour each row is shown; of twenty librrd makes fewer of them.
            for hours in [1, 20] {
                let from = END - hours * 3600;
                let query = format!(
                    "?address={HOST}&plugin_identifier=redis&graph={graph}\
                     &term=custom&from={from}&to={END}&width=500"
                );
                let drawing = web.get(&format!("/graph{query}&format=svg")).drawing();
                assert!(!drawing.contains("NaN") && !drawing.contains("inf"), "{drawing}");
                let legend = legend(&drawing);
                let mut cells = legend.iter();
                for number in printed(&web, &query) {
                    let number = number.trim_end();
                    let found = if number.contains("nan") {
                        cells.any(|cell| cell.trim() == "–")
                    } else {
                        cells.any(|cell| cell == number)
                    };
                    assert!(found, "{query}: round {round}: no '{number}' in {legend:?}");
                }
            }
        }
    }
}

#[test]
fn a_known_shape_stands_in_the_columns_of_its_times_and_what_is_unknown_is_a_gap() {
    let web = Web::start();
    web.record("redis", &["fragmentation"]);
    let file = web.data_dir().join(HOST).join("redis/mem_fragmentation_ratio.gauge.rrd");
    // Five, then nothing for a quarter of an hour, then ten.
    let value = |minute| match minute {
        0..=90 => "5",
        91..=105 => "U",
        _ => "10",
    };
    let points: Vec<String> =
        (1..=120).map(|minute| format!("{}:{}", END - 7200 + minute * 60, value(minute))).collect();
    record(&file, END - 7200, &points);
    let query = format!(
        "/graph?address={HOST}&plugin_identifier=redis&graph=fragmentation\
         &term=custom&from={}&to={END}&width=600&format=svg",
        END - 3600
    );
    let drawing = web.get(&query).drawing();
    // Of 0 to 10 five is the middle; a minute is ten columns.
    assert!(drawing.contains("d=\"M0 50h300M450 0h150\""), "{drawing}");
    // The numbers say where in it the values stand.
    let numbers = web.get(&query.replace("&format=svg", "&format=json&picture=svg")).text();
    let canvas = r#""canvas":{"left":60,"top":26,"width":600,"height":100}"#;
    assert!(numbers.contains(canvas), "{numbers}");
    assert!(drawing.contains("<g transform=\"translate(60 26)\""), "{drawing}");
    let refused = web.get(&query.replace("&format=svg", "&format=json&picture=gif"));
    assert_eq!(
        (refused.status, refused.text().trim_end()),
        (400, "picture 'gif' must be png or svg")
    );
}

#[test]
fn what_is_not_understood_is_drawn_by_librrd_at_the_same_size() {
    const PROGRAM: &str = r#"#!/bin/sh
case "$*" in
*--graph*)
    echo 'Commands'
    echo 'DEF:a=<%RRD total_commands_processed.derive %>:x:AVERAGE'
    echo 'AREA:a#00AA00:Commands\l'
    echo 'TICK:a#FF0000:0.1'
    ;;
*) printf '#Store\ncommands\n' ;;
esac
"#;
    let web = Web::start_after(|folder| {
        test_redis::write_program(&folder.join("metrics_plugins/view/redis.sh"), PROGRAM);
    });
    web.record("redis", &["cmd"]);
    let query = format!(
        "/graph?address={HOST}&plugin_identifier=redis&graph=commands&format=svg&width=500"
    );
    let drawing = web.get(&query).text();
    assert!(drawing.starts_with("<?xml"), "{drawing:.300}");
    let png = web.get(&query.replace("svg", "png")).picture_size();
    assert!(
        drawing.contains(&format!("width=\"{}\" height=\"{}\"", png.0, png.1)),
        "{drawing:.300}"
    );
}
