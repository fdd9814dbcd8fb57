//! `GET /metrics`: how this process does, in the text format of Prometheus.

use std::fmt::{Display, Write};
use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

use crate::app::App;

/// Counts since the start, and what is so at the moment. No label names a host or a user.
pub async fn page(State(app): State<Arc<App>>) -> impl IntoResponse {
    // Whether Redis is there shows when it is asked.
    let _ = app.redis.data_dir().await;
    let headers =
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (headers, text(&app))
}

fn text(app: &App) -> String {
    let mut out = String::new();
    app.traffic.write(&mut out);
    let counts = app.outputs.counts();
    let name = "kurado_web_graphs_total";
    let help = "Graphs that were made, taken from memory, or could not be made.";
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
    for (result, count) in
        [("made", counts.made), ("from_memory", counts.from_memory), ("failed", counts.failed)]
    {
        let _ = writeln!(out, "{name}{{result=\"{result}\"}} {count}");
    }
    let mut add = |name: &str, kind: &str, help: &str, value: &dyn Display| {
        let name = format!("kurado_web_{name}");
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    };
    add(
        "render_workers_started_total",
        "counter",
        "Render workers started, those among them that replace one that died.",
        &app.outputs.workers_started(),
    );
    add("render_workers", "gauge", "Render workers that live.", &app.outputs.live_workers());
    add("graphs_waiting", "gauge", "Graphs that wait for a worker.", &app.outputs.waiting());
    add("graphs_kept_bytes", "gauge", "Memory that kept graphs take.", &app.outputs.kept_bytes());
    add(
        "redis_away_seconds",
        "gauge",
        "For how long Redis has been away; 0 where it answers.",
        &app.redis.away_for().as_secs_f64(),
    );
    add(
        "configuration_faulty",
        "gauge",
        "1 where the files have a fault and the configuration of before holds.",
        &u8::from(app.fault.is_some()),
    );
    let name = "kurado_web_build_info";
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(out, "# HELP {name} What runs.\n# TYPE {name} gauge");
    let _ = writeln!(out, "{name}{{version=\"{version}\"}} 1");
    out
}
