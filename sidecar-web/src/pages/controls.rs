//! The choices above the graphs of a page: period, times, plugin.

use std::time::Instant;

use line_protocol::Identifier;

use crate::app::App;
use crate::error::PageError;
use crate::links::Link;
use crate::pages::host_graphs::Shape;
use crate::parameters::{Parameters, quoted};
use crate::program_views::PAGE_LIMIT;
use crate::term::{Range, Term, show_for_form};

/// Longest identifier that a tab shows whole, in characters.
const TAB_LEN: usize = 27;

/// The choices of a page, for its template.
pub struct Controls {
    /// The page itself, for the form.
    pub page: &'static str,
    /// Periods.
    pub terms: Vec<Choice>,
    /// Plugins.
    pub tabs: Vec<Choice>,
    /// Parameters that the form keeps.
    pub fixed: Vec<(&'static str, String)>,
    /// Times of the form.
    pub from: String,
    /// Times of the form.
    pub to: String,
}

/// One of several links.
pub struct Choice {
    /// What it says.
    pub label: String,
    /// What it means, in full.
    pub title: String,
    /// Where it leads.
    pub link: String,
    /// Whether the page shows it.
    pub is_current: bool,
}

/// The ranges that a page shows for its parameters `term`, `from` and `to`: a day with the week, a
/// month with all but the shortest, another alone and large.
///
/// # Errors
/// 400 where a parameter breaks its rule.
pub fn shape(app: &App, parameters: &Parameters, now: i64) -> Result<Shape, PageError> {
    let asked = asked_range(app, parameters, now)?;
    let (terms, width): (&[Term], u32) = match asked.term {
        Term::Day => (&[Term::Day, Term::Week], 500),
        Term::Month => (&[Term::Day, Term::Week, Term::Month, Term::Year], 400),
        _ => (&[], 1100),
    };
    let named = |term: &Term| Range::new(*term, None, None, now, &app.zone);
    let ranges: Result<Vec<_>, _> = terms.iter().map(named).collect();
    let mut ranges = ranges.map_err(PageError::bad_request)?;
    if ranges.is_empty() {
        ranges.push(asked);
    }
    Ok(Shape { asked, ranges, width, until: Instant::now() + PAGE_LIMIT })
}

/// The range that `term`, `from` and `to` ask for; a day where they say nothing.
///
/// # Errors
/// 400 where a parameter breaks its rule.
pub fn asked_range(app: &App, parameters: &Parameters, now: i64) -> Result<Range, PageError> {
    let from = parameters.get("from").map(quoted);
    let to = parameters.get("to").map(quoted);
    let term = parameters.term()?;
    Range::new(term, from.as_deref(), to.as_deref(), now, &app.zone).map_err(PageError::bad_request)
}

impl Controls {
    /// For a page that shows these hosts.
    pub fn new(
        app: &App,
        page: &'static str,
        addresses: &[&str],
        plugins: &[&Identifier],
        only: Option<&Identifier>,
        range: &Range,
        now: i64,
    ) -> Self {
        let zone = &app.zone;
        let link = |plugin: Option<&Identifier>, range: &Range| {
            let mut link = Link::to(page);
            for address in addresses {
                link = link.with("address", address);
            }
            if let Some(plugin) = plugin {
                link = link.with("plugin_identifier", plugin.as_str());
            }
            link.over(range, zone).finish()
        };
        let tab = |plugin: Option<&Identifier>| {
            let title = plugin.map_or("All plugins", Identifier::as_str);
            Choice {
                label: cut(plugin.map_or("All", Identifier::as_str)),
                title: title.to_owned(),
                link: link(plugin, range),
                is_current: plugin == only,
            }
        };
        let terms = Term::NAMED.into_iter().map(|term| Choice {
            label: term.label().to_owned(),
            title: String::new(),
            link: link(only, &Range { term, ..*range }),
            is_current: term == range.term,
        });
        let mut fixed: Vec<_> =
            addresses.iter().map(|address| ("address", (*address).to_owned())).collect();
        fixed.extend(only.map(|only| ("plugin_identifier", only.to_string())));
        let offered = match range.term {
            Term::Custom => *range,
            _ => Range::offered(now),
        };
        Self {
            page,
            terms: terms.collect(),
            tabs: std::iter::once(None).chain(plugins.iter().copied().map(Some)).map(tab).collect(),
            fixed,
            from: show_for_form(offered.start, zone),
            to: show_for_form(offered.end, zone),
        }
    }
}

/// A long identifier cut, so that a tab stays a tab.
fn cut(text: &str) -> String {
    if text.chars().count() <= TAB_LEN {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(TAB_LEN - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_over_27_characters_is_cut() {
        assert_eq!(cut(&"a".repeat(27)), "a".repeat(27));
        assert_eq!(cut(&"a".repeat(28)), format!("{}…", "a".repeat(26)));
    }
}
