//! Numbers out of JSON pages.

use line_protocol::DataSourceType;
use serde_json::Value as Json;

use crate::fetch::Report;

/// A metric's name and type, and where its number is: a JSON pointer such as `/ios/push_error`.
pub type Place = (&'static str, DataSourceType, &'static str);

/// A report with the numbers of these places, unknown where there is none. `None` where no place
/// has one: that is another page.
#[must_use]
pub fn report(page: &Json, places: &[Place]) -> Option<Report> {
    let mut report = Report::default();
    let mut found = false;
    for (name, kind, pointer) in places {
        let number = page.pointer(pointer).and_then(number);
        found |= number.is_some();
        report.metric(name, *kind, number.as_deref().unwrap_or("U"));
    }
    found.then_some(report)
}

/// A number, also one that is written as a text.
fn number(json: &Json) -> Option<String> {
    match json {
        Json::Number(number) => Some(number.to_string()),
        Json::String(text) => text.parse::<f64>().is_ok().then(|| text.clone()),
        _ => None,
    }
}
