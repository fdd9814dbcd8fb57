//! The links between pages. All are relative, so that a reverse proxy may put the whole below any
//! path; the day, which is the default, is not written, and times only for a custom range.

use form_urlencoded::Serializer;
use jiff::tz::TimeZone;

use crate::graph::drawing::{CANVAS_HEIGHT, Form, Legend};
use crate::graph::theme::Theme;
use crate::term::{Previous, Range, Term, show_for_link};

/// A page's address with its parameters.
pub struct Link {
    page: &'static str,
    query: Serializer<'static, String>,
}

impl Link {
    /// To a page, without parameters.
    #[must_use]
    pub fn to(page: &'static str) -> Self {
        Self { page, query: Serializer::new(String::new()) }
    }

    /// With one parameter more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.query.append_pair(name, value);
        self
    }

    /// With the parameters of a range.
    #[must_use]
    pub fn over(self, range: &Range, zone: &TimeZone) -> Self {
        match range.term {
            Term::Day => self,
            Term::Custom => self
                .with("term", Term::Custom.name())
                .with("from", &show_for_link(range.start, zone))
                .with("to", &show_for_link(range.end, zone)),
            term => self.with("term", term.name()),
        }
    }

    /// With what the graphs are compared with, if anything.
    #[must_use]
    pub fn compared(self, compared: Option<Previous>) -> Self {
        match compared {
            Some(compared) => self.with("compare", compared.name()),
            None => self,
        }
    }

    /// As an attribute of a page has it.
    #[must_use]
    pub fn finish(mut self) -> String {
        let query = self.query.finish();
        if query.is_empty() { self.page.to_owned() } else { format!("{}?{query}", self.page) }
    }
}

/// Which graph, over which period.
#[derive(Clone, Copy)]
pub struct GraphLink<'a> {
    /// The host.
    pub address: &'a str,
    /// The plugin's identifier.
    pub plugin: &'a str,
    /// The graph's name.
    pub graph: &'a str,
    /// The period.
    pub range: &'a Range,
    /// With what it is compared.
    pub compared: Option<Previous>,
}

impl GraphLink<'_> {
    /// The picture's address, as an SVG: sharp on each screen, and drawn the fastest.
    #[must_use]
    pub fn picture(&self, form: Form, theme: Theme, zone: &TimeZone) -> String {
        let mut link = self.to("graph", zone).with("width", &form.width.to_string());
        link = link.with("format", "svg");
        if form.height != CANVAS_HEIGHT {
            link = link.with("height", &form.height.to_string());
        }
        if form.legend == Legend::None {
            link = link.with("legend", "none");
        }
        if theme == Theme::Dark {
            link = link.with("theme", theme.name());
        }
        link.finish()
    }

    /// The address of the page that shows it alone, with its numbers.
    #[must_use]
    pub fn details(&self, zone: &TimeZone) -> String {
        self.to("details", zone).finish()
    }

    /// To a page that takes these parameters.
    #[must_use]
    pub fn to(&self, page: &'static str, zone: &TimeZone) -> Link {
        Link::to(page)
            .with("address", self.address)
            .with("plugin_identifier", self.plugin)
            .with("graph", self.graph)
            .over(self.range, zone)
            .compared(self.compared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_not_written_and_times_only_for_a_custom_range() {
        let zone = TimeZone::UTC;
        let range = |term| Range { term, start: 1_404_860_400, end: 1_404_864_000 };
        let link =
            |term| Link::to("server").with("address", "::1").over(&range(term), &zone).finish();
        assert_eq!(link(Term::Day), "server?address=%3A%3A1");
        assert_eq!(link(Term::Week), "server?address=%3A%3A1&term=week");
        assert_eq!(
            link(Term::Custom),
            "server?address=%3A%3A1&term=custom&from=2014-07-08T23%3A00&to=2014-07-09T00%3A00"
        );
        assert_eq!(Link::to("./").finish(), "./");
    }
}
