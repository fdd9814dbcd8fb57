//! The zone in which times are shown and read.

use std::process::Command;

use crate::process::{HOST, Web};

/// One that is started with this in `TZ`.
fn start_in(zone: &str) -> Web {
    let mut command = Command::new("env");
    command.arg(format!("TZ={zone}")).arg(env!("CARGO_BIN_EXE_kurado-web"));
    Web::start_by(command, |_| {})
}

fn page(web: &Web, from: &str, to: &str) -> String {
    let answer = web.get(&format!("/server?address={HOST}&term=custom&from={from}&to={to}"));
    String::from_utf8(answer.body).unwrap()
}

#[test]
fn times_are_those_of_the_zone_that_tz_names_in_summer_and_in_winter() {
    let web = start_in("Europe/Berlin");
    for (from, to) in
        [("2014-07-09T01:00", "2014-07-09T02:00"), ("2014-01-09T01:00", "2014-01-09T02:00")]
    {
        let page = page(&web, from, to);
        assert!(page.contains(&format!("value=\"{from}\"")), "{page}");
        let start = if from.contains("-07-") { 1_404_860_400 } else { 1_389_225_600 };
        assert!(page.contains(&format!("data-start=\"{start}\"")), "{page}");
        // By it the browser writes times of both seasons, too.
        assert!(page.contains("data-zone=\"Europe/Berlin\""), "{page}");
    }
    assert!(!web.log().contains("zone"), "{}", web.log());
}

#[test]
fn a_zone_that_nobody_knows_is_told_in_the_log() {
    let web = start_in("Nowhere/Near");
    assert!(web.log().contains("times are shown in UTC"), "{}", web.log());
    let page = page(&web, "2014-07-09T01:00", "2014-07-09T02:00");
    assert!(page.contains("data-zone=\"UTC\""), "{page}");
}
