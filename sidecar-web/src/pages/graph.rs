//! `GET /graph?address=&plugin_identifier=&graph=&term=&from=&to=&width=`: one graph. `format` says as
//! what (`png`, `svg`, `json`, `csv`), `compare` (`day`, `week`, `month`) with what before, `theme`
//! (`light`, `dark`) and `scale` (`1`, `2`) adapt a picture to the page, as do
//! `height` and `legend` (`below`, `none`); `rows` bounds the numbers, and `picture` (`png`, `svg`) says
//! of which picture they tell where in it they stand.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;

use crate::app::App;
use crate::error::PageError;
use crate::graph::drawing::ImageFormat;
use crate::graph::numbers::{Numbers, ROWS};
use crate::graph::outputs::entity_tag;
use crate::pages::asked_graph::{AskedGraph, Ready};
use crate::parameters::{Parameters, quoted};
use crate::term::show_with_offset;

/// Set where the picture may lack the newest points: says why.
const NOTICE: HeaderName = HeaderName::from_static("kurado-notice");

/// As what a graph is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Image(ImageFormat),
    Json,
    Csv,
}

impl Format {
    fn read(parameters: &Parameters) -> Result<Self, PageError> {
        Ok(match parameters.get("format").unwrap_or("png") {
            "png" => Self::Image(ImageFormat::Png),
            "svg" => Self::Image(ImageFormat::Svg),
            "json" => Self::Json,
            "csv" => Self::Csv,
            other => {
                return Err(PageError::bad_request(format!(
                    "format '{}' must be png, svg, json or csv",
                    quoted(other)
                )));
            }
        })
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Image(ImageFormat::Png) => "image/png",
            Self::Image(ImageFormat::Svg) => "image/svg+xml",
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Image(ImageFormat::Png) => "png",
            Self::Image(ImageFormat::Svg) => "svg",
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }
}

/// Checks every parameter, flushes, and draws or reads.
pub async fn page(
    State(app): State<Arc<App>>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let asked = AskedGraph::read(&app, &parameters)?;
    let format = Format::read(&parameters)?;
    let beside = picture_beside(&parameters)?;
    // As many rows as can be seen; of a table all that there are.
    let rows = if format == Format::Csv { *ROWS.end() } else { asked.form.width };
    let rows = parameters.number("rows", ROWS, rows)?;
    let ready = asked.prepare(&app).await?;

    let (tag, body) = match format {
        Format::Image(image) => {
            let key = asked.picture(&app, &ready, image);
            let tag = entity_tag(&[&key]);
            if is_known(&headers, &tag) {
                (tag, None)
            } else {
                (tag, Some(app.outputs.picture(key).await?.image))
            }
        }
        Format::Json | Format::Csv => {
            let (plan, key) = asked.numbers(&ready, rows)?;
            // Most often the page has the picture already, so it is kept.
            let picture = asked.picture(&app, &ready, beside);
            let tag = entity_tag(&[&key, &picture]);
            if is_known(&headers, &tag) {
                (tag, None)
            } else {
                let mut numbers = plan.numbers(&*app.outputs.rows(key).await?);
                let text = if format == Format::Csv {
                    csv(&numbers, &asked, &app.zone)
                } else {
                    let canvas = app.outputs.picture(picture).await?.canvas;
                    numbers.canvas = Some(canvas);
                    serde_json::to_string(&numbers)
                        .map_err(|error| PageError::internal(error.to_string()))?
                };
                (tag, Some(text.into()))
            }
        }
    };
    let mut answer = match body {
        Some(body) => ([(CONTENT_TYPE, format.content_type())], body).into_response(),
        None => StatusCode::NOT_MODIFIED.into_response(),
    };
    let out = answer.headers_mut();
    // The browser may keep it, and asks each time whether it still is the same.
    out.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let kind = if format == Format::Csv { "attachment" } else { "inline" };
    let disposition = format!("{kind}; filename=\"{}\"", file_name(&asked, format));
    for (name, value) in [(ETAG, tag), (CONTENT_DISPOSITION, disposition)] {
        if let Ok(value) = value.parse() {
            out.insert(name, value);
        }
    }
    if let Some(Ok(notice)) = stale_notice(&ready).map(|notice| notice.parse()) {
        out.insert(NOTICE, notice);
    }
    Ok(answer)
}

/// The picture beside which numbers are shown, of which the canvas is told.
fn picture_beside(parameters: &Parameters) -> Result<ImageFormat, PageError> {
    match parameters.get("picture") {
        None | Some("png") => Ok(ImageFormat::Png),
        Some("svg") => Ok(ImageFormat::Svg),
        Some(other) => {
            Err(PageError::bad_request(format!("picture '{}' must be png or svg", quoted(other))))
        }
    }
}

fn stale_notice(ready: &Ready) -> Option<String> {
    ready.stale.as_ref().map(|away| format!("not flushed: {away}"))
}

/// A header and a line a row; nothing where unknown.
fn csv(numbers: &Numbers, asked: &AskedGraph, zone: &TimeZone) -> String {
    let before = asked.compared.map(|compared| compared.title()).unwrap_or_default();
    let mut text = "time,unixtime".to_owned();
    let mut columns = Vec::new();
    for series in &numbers.series {
        text.push(',');
        text.push_str(&csv_field(&series.name));
        columns.push(&series.values);
        if let Some(previous) = &series.previous {
            text.push(',');
            text.push_str(&csv_field(&format!("{} ({before})", series.name)));
            columns.push(previous);
        }
    }
    text.push_str("\r\n");
    let mut time = numbers.start;
    for row in 0..numbers.rows() {
        text.push_str(&format!("{},{time}", show_with_offset(time, zone)));
        for column in &columns {
            text.push(',');
            if let Some(value) = column.get(row).filter(|value| value.is_finite()) {
                text.push_str(&value.to_string());
            }
        }
        text.push_str("\r\n");
        time += i64::from(numbers.step);
    }
    text
}

/// Quoted where it must be. A text that a spreadsheet would take for a formula gets a quote in front.
fn csv_field(text: &str) -> String {
    let text =
        if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.into() };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// Under which name a browser saves it.
fn file_name(asked: &AskedGraph, format: Format) -> String {
    let parts = [
        asked.host.hostname.as_str(),
        asked.identifier.as_str(),
        &asked.name,
        asked.range.term.name(),
    ];
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = parts.join("-").chars().map(plain).collect();
    format!("{name}.{}", format.extension())
}

/// Whether the browser has the picture of that tag already.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_csv_is_quoted_where_it_must_be_and_is_never_a_formula() {
        assert_eq!(csv_field("Used"), "Used");
        assert_eq!(csv_field("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(csv_field("=1+1"), "'=1+1");
    }
}
