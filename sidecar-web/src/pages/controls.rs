//! The choices above the graphs of a page: period, times, plugin.

use std::time::Instant;

use line_protocol::Identifier;

use crate::app::App;
use crate::error::PageError;
use crate::languages;
use crate::links::Link;
use crate::pages::frame::ChosenTheme;
use crate::pages::host_graphs::Shape;
use crate::parameters::{Parameters, quoted};
use crate::program_views::PAGE_LIMIT;
use crate::term::{Previous, Range, Term, show_for_form};

/// Longest identifier that a tab shows whole, in characters.
const TAB_LEN: usize = 27;

/// The choices of a page, for its template.
pub struct Controls {
    /// The page itself, for the form.
    pub page: &'static str,
    /// Periods.
    pub terms: Vec<Choice>,
    /// What before to compare with.
    pub comparisons: Vec<Choice>,
    /// Plugins; none where the page is of one graph.
    pub tabs: Vec<Choice>,
    /// Parameters that the form keeps.
    pub fixed: Vec<(&'static str, String)>,
    /// When the range begins, as a field of the form has it.
    pub from: String,
    /// When it ends.
    pub to: String,
    /// From one time that the form offers to the next, in seconds.
    pub step: u32,
    /// To ranges nearby.
    pub moves: Vec<Move>,
    /// The range that the page shows.
    pub range: Range,
    /// Whether a narrow screen shows times and comparison from the first: where they are in use.
    pub shows_more: bool,
}

/// A link to a range nearby.
pub struct Move {
    /// A sign for it.
    pub sign: &'static str,
    /// What it does.
    pub title: &'static str,
    /// The key that does the same, as ARIA names it.
    pub key: &'static str,
    /// Where it leads.
    pub link: String,
}

/// What a page shows.
pub struct Shown<'a> {
    /// The page itself.
    pub page: &'static str,
    /// Hosts.
    pub addresses: &'a [&'a str],
    /// The plugins that may be chosen.
    pub plugins: &'a [&'a Identifier],
    /// The chosen one.
    pub only: Option<&'a Identifier>,
    /// The graph, where the page is of one.
    pub graph: Option<&'a str>,
    /// The period that was asked for.
    pub range: Range,
    /// With what it is compared.
    pub compared: Option<Previous>,
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
pub fn shape(
    app: &App,
    parameters: &Parameters,
    now: i64,
    theme: ChosenTheme,
) -> Result<Shape, PageError> {
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
    Ok(Shape {
        asked,
        ranges,
        compared: asked_comparison(parameters)?,
        width,
        theme,
        text: languages::text(),
        until: Instant::now() + PAGE_LIMIT,
    })
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

/// With what before the graphs shall be compared.
///
/// # Errors
/// 400 where the parameter `compare` breaks its rule.
pub fn asked_comparison(parameters: &Parameters) -> Result<Option<Previous>, PageError> {
    let compared = parameters.get("compare").map(|text| Previous::parse(&quoted(text)));
    compared.transpose().map_err(PageError::bad_request)
}

impl Controls {
    /// For a page that shows this at that time.
    pub fn new(app: &App, shown: &Shown<'_>, now: i64) -> Self {
        let (zone, text) = (&app.zone, languages::text());
        let Shown { page, plugins, only, range, compared, .. } = *shown;
        let link = |only: Option<&Identifier>, range: &Range, compared: Option<Previous>| {
            let mut link = Link::to(page);
            for (name, value) in shown.fixed(only) {
                link = link.with(name, &value);
            }
            link.over(range, zone).compared(compared).finish()
        };
        let tab = |plugin: Option<&Identifier>| {
            let title = plugin.map_or(text.all_plugins, Identifier::as_str);
            Choice {
                label: cut(plugin.map_or(text.all, Identifier::as_str)),
                title: title.to_owned(),
                link: link(plugin, &range, compared),
                is_current: plugin == only,
            }
        };
        let terms = Term::NAMED.into_iter().map(|term| Choice {
            label: text.term(term).to_owned(),
            title: String::new(),
            link: link(only, &Range { term, ..range }, compared),
            is_current: term == range.term,
        });
        let comparison = |previous: Option<Previous>| Choice {
            label: previous.map_or(text.nothing, |previous| text.previous(previous)).to_owned(),
            title: previous.map_or(String::new(), |previous| {
                (text.compare_with_before)(&text.previous(previous))
            }),
            link: link(only, &range, previous),
            is_current: previous == compared,
        };
        let mut fixed = shown.fixed(only);
        fixed.extend(compared.map(|compared| ("compare", compared.name().to_owned())));
        let tabs = std::iter::once(None).chain(plugins.iter().copied().map(Some)).map(tab);
        Self {
            page,
            terms: terms.collect(),
            comparisons: std::iter::once(None)
                .chain(Previous::ALL.map(Some))
                .map(comparison)
                .collect(),
            tabs: if shown.graph.is_some() { Vec::new() } else { tabs.collect() },
            fixed,
            // A range to the second must not make its own times wrong ones.
            step: if range.start % 60 == 0 && range.end % 60 == 0 { 60 } else { 1 },
            moves: [
                ("◀", text.half_back, "ArrowLeft", range.earlier()),
                ("+", text.zoom_in, "Plus", range.zoomed_in()),
                ("−", text.zoom_out, "-", range.zoomed_out(now)),
                ("▶", text.half_forward, "ArrowRight", range.later(now)),
            ]
            .map(|(sign, title, key, to)| Move {
                sign,
                title,
                key,
                link: link(only, &to, compared),
            })
            .into(),
            range,
            shows_more: range.term == Term::Custom || compared.is_some(),
            from: show_for_form(range.start, zone),
            to: show_for_form(range.end, zone),
        }
    }
}

impl Shown<'_> {
    /// The parameters that stay whatever is chosen, with that plugin.
    fn fixed(&self, only: Option<&Identifier>) -> Vec<(&'static str, String)> {
        let addresses = self.addresses.iter().map(|address| ("address", (*address).to_owned()));
        let mut fixed: Vec<_> = addresses.collect();
        fixed.extend(only.map(|only| ("plugin_identifier", only.to_string())));
        fixed.extend(self.graph.map(|graph| ("graph", graph.to_owned())));
        fixed
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
