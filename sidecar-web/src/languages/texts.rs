//! What a language must say: a field a text, so that the compiler finds one that is missing. One
//! that nothing says is found by a test.

use std::fmt::Display;

use axum::http::StatusCode;

use crate::status::Status;
use crate::term::{Previous, Range, Term, show};
use jiff::tz::TimeZone;

/// A text with one value in it.
pub type With = fn(&dyn Display) -> String;

/// A text with two values in it, in the order that the field's comment gives.
pub type WithTwo = fn(&dyn Display, &dyn Display) -> String;

/// A text that depends on how many there are.
pub type Counted = fn(usize) -> String;

/// The same with another value in it.
pub type CountedWith = fn(usize, &dyn Display) -> String;

/// All texts of a language. Those below "for scripts" have places for values, as `{time}`.
pub struct Texts {
    /// The language, as `lang` of HTML and header `Content-Language` have it.
    pub tag: &'static str,
    /// How its own speakers call it.
    pub own_name: &'static str,

    // Around every page.
    /// The place of a page among the others, for screen readers.
    pub place: &'static str,
    pub options: &'static str,
    pub colors: &'static str,
    /// The language's own word and the English one, for who can't read it.
    pub language: &'static str,
    /// Left to the system or browser.
    pub auto: &'static str,
    pub light: &'static str,
    pub dark: &'static str,
    pub refresh_each_minute: &'static str,
    pub small_header: &'static str,
    pub help: &'static str,
    pub close: &'static str,
    pub log_out: &'static str,

    // The help: what is done, and what that does.
    pub help_drag: &'static str,
    pub help_drag_does: &'static str,
    pub help_arrows_do: &'static str,
    pub help_signs_do: &'static str,
    pub help_shift_arrows_do: &'static str,
    pub help_slash_does: &'static str,
    /// Behind the name of the key Shift.
    pub help_and_click: &'static str,
    pub help_shift_click_does: &'static str,

    // What keeps the pages from showing all; details stand behind it.
    pub configuration_of_before: &'static str,
    pub redis_away: &'static str,
    pub data_dir_wrong: &'static str,
    pub poller_away: &'static str,
    /// Where others still fetch.
    pub a_poller_away: &'static str,
    /// Said by the page itself.
    pub no_answer: &'static str,

    // Statuses.
    pub ok: &'static str,
    pub warning: &'static str,
    pub critical: &'static str,
    pub unknown: &'static str,

    // The list.
    pub filter_hosts: &'static str,
    pub filter_hint: &'static str,
    pub services: &'static str,
    pub all_services: &'static str,
    pub no_host_configured: &'static str,
    pub hosts: &'static str,
    pub show_only: &'static str,
    pub problems_first: &'static str,
    pub open_in_new_window: &'static str,
    pub open_checked: &'static str,
    pub uncheck_all: &'static str,
    /// The host's name.
    pub check_host: With,
    pub no_host_matches: &'static str,

    // A host, or several.
    pub warnings: &'static str,
    pub last_received: &'static str,
    /// Stands before a time.
    pub last_received_at: &'static str,
    pub never: &'static str,
    pub not_updated: &'static str,
    pub never_updated: &'static str,
    pub has_new_address: &'static str,
    pub delete_data_of_this_host: &'static str,
    pub servers: Counted,
    pub servers_side_by_side: Counted,

    // The choices above graphs.
    pub period: &'static str,
    pub nearby: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub show: &'static str,
    /// What a narrow screen shows on wish.
    pub times_and_comparison: &'static str,
    pub compare_with: &'static str,
    pub nothing: &'static str,
    pub plugins: &'static str,
    pub all: &'static str,
    pub all_plugins: &'static str,
    pub half_back: &'static str,
    pub half_forward: &'static str,
    pub zoom_in: &'static str,
    pub zoom_out: &'static str,
    pub hour: &'static str,
    pub four_hours: &'static str,
    pub eight_hours: &'static str,
    pub day: &'static str,
    pub three_days: &'static str,
    pub week: &'static str,
    pub month: &'static str,
    pub year: &'static str,
    pub day_before: &'static str,
    pub week_before: &'static str,
    pub four_weeks_before: &'static str,
    /// One of the three above.
    pub compare_with_before: With,

    // A graph.
    /// Times.
    pub from_to: WithTwo,
    /// The graph, its host.
    pub graph_of: WithTwo,
    pub series: &'static str,
    pub last: &'static str,
    pub average: &'static str,
    pub min: &'static str,
    pub max: &'static str,
    pub download: &'static str,
    pub definition: &'static str,
    pub command: &'static str,

    // In the place of a graph.
    /// The host's address.
    pub nothing_of_host: With,
    /// The plugin.
    pub nothing_of_plugin: With,
    /// Series.
    pub no_file_yet: With,
    /// Series, why they wait.
    pub no_file_yet_waits: WithTwo,
    /// How many series, their names.
    pub series_never_received: CountedWith,
    /// Series, how many more there are.
    pub and_more_series: WithTwo,
    pub redis_is_slow: &'static str,
    pub graph_not_defined: &'static str,
    /// The plugin, its name without arguments.
    pub plugin_not_defined: WithTwo,
    /// The program, the reason.
    pub view_program: WithTwo,
    pub program_not_ready: &'static str,
    /// Seconds.
    pub program_had_no_turn: With,

    // The pipeline.
    pub pipeline: &'static str,
    pub redis_says_nothing: &'static str,
    pub poller_heading: &'static str,
    /// Stands before the name of the poller's host.
    pub poller: &'static str,
    pub no_poller: &'static str,
    pub configuration: &'static str,
    pub configuration_is_fine: &'static str,
    pub strangers: &'static str,
    pub strangers_help: &'static str,
    pub none: &'static str,
    pub address: &'static str,
    pub line: &'static str,
    /// Of the column with the two that follow, for screen readers.
    pub change: &'static str,
    pub delete: &'static str,
    /// As links to pages that ask first.
    pub rename_ask: &'static str,
    pub delete_ask: &'static str,
    pub and_more: Counted,
    pub silent_hosts: &'static str,
    pub yes: &'static str,
    pub no: &'static str,
    pub lines_accepted: &'static str,
    pub lines_a_second: &'static str,
    pub lines_rejected: &'static str,
    /// The reason, as Redis names it.
    pub rejected: With,
    pub pushes_refused: &'static str,
    /// How many in all, and how many of them in the last five minutes.
    pub count_and_recent: WithTwo,
    pub points_pending: &'static str,
    pub bytes_pending: &'static str,
    pub oldest_pending: &'static str,
    pub write_delay: &'static str,
    pub points_written: &'static str,
    pub points_skipped: &'static str,
    pub writing_paused: &'static str,
    /// The reason, as Redis names it.
    pub write_errors: With,
    pub durability: &'static str,
    pub data_directory: &'static str,
    pub poller_lease: &'static str,
    /// The name that the pollers were given.
    pub poller_lease_of: With,
    pub lease_free: &'static str,
    /// Who held it.
    pub lease_lost: With,
    pub targets: &'static str,
    pub fetches: &'static str,
    pub fetches_failed: &'static str,
    pub overruns: &'static str,
    pub mean_duration: &'static str,
    pub longest_duration: &'static str,
    pub push_lag: &'static str,
    pub bytes_waiting: &'static str,
    pub lines_lost: &'static str,

    // Deleting a host's data.
    pub delete_data: &'static str,
    /// The host.
    pub delete_data_of: With,
    pub delete_means: &'static str,
    pub delete_confirm: &'static str,
    pub cancel: &'static str,
    /// How many, the address.
    pub series_deleted: fn(u64, &dyn Display) -> String,
    pub back_to_pipeline: &'static str,
    /// What was typed, the address.
    pub confirm_differs: WithTwo,

    // Renaming a host.
    pub new_address: &'static str,
    /// The host.
    pub new_address_of: With,
    /// The address of before.
    pub rename_means: With,
    /// The address of before.
    pub rename_configuration: With,
    pub rename_confirm: &'static str,
    pub rename_replace: &'static str,
    pub rename: &'static str,
    /// The address of before, the new one.
    pub renamed: WithTwo,
    /// The same.
    pub renamed_configuration: WithTwo,
    pub its_page: &'static str,

    // Logging in.
    pub log_in: &'static str,
    pub name: &'static str,
    pub password: &'static str,
    /// The OIDC provider, here and below.
    pub sign_in_with: With,
    pub or_with_password: &'static str,
    pub provider_away: With,
    pub try_again: &'static str,
    pub sign_in_has_ended: &'static str,
    pub no_access: &'static str,
    /// The provider, the name of who is signed in there.
    pub no_role: WithTwo,
    pub sign_in_as_other: &'static str,
    pub back_to_login: &'static str,
    pub logged_out: &'static str,
    pub logging_out_of: With,
    pub go_on_to: With,
    pub wrong_password: &'static str,
    /// Seconds.
    pub too_many_passwords: With,

    // Errors, by HTTP's status.
    pub bad_request: &'static str,
    pub unauthorized: &'static str,
    pub forbidden: &'static str,
    pub not_found: &'static str,
    pub method_not_allowed: &'static str,
    pub conflict: &'static str,
    pub request_timeout: &'static str,
    pub too_large: &'static str,
    pub too_many_requests: &'static str,
    pub internal_error: &'static str,
    pub unavailable: &'static str,
    pub error: &'static str,

    // What errors say that a reader may come to by our own links.
    pub no_such_page: &'static str,
    /// The address.
    pub no_such_host: With,
    /// The name.
    pub no_such_service: With,
    pub for_operators: &'static str,
    pub form_is_old: &'static str,
    pub form_is_another: &'static str,

    // For scripts.
    /// `{label}` is the graph's, `{graph}` its name; `{host}`, `{range}`.
    pub alt: fn(Alt<'_>) -> String,
    /// `{name}`, `{last}`, `{max}`.
    pub alt_series: &'static str,
    pub copy: &'static str,
    /// `{address}`.
    pub copy_address: &'static str,
    pub copied: &'static str,
    pub copy_not_allowed: &'static str,
    pub now: &'static str,
    pub before: &'static str,
    /// `{value}`.
    pub before_value: &'static str,
    pub not_loaded: &'static str,
    /// `{time}`.
    pub refreshed: &'static str,
    /// The same where the graphs stay as they are.
    pub refreshed_past: &'static str,
}

/// What the text in place of a picture says.
pub struct Alt<'a> {
    /// What the graph measures.
    pub label: &'a str,
    /// The host's name.
    pub host: &'a str,
    /// The graph's name.
    pub graph: &'a str,
    /// The period.
    pub range: &'a str,
}

impl Texts {
    /// Of a host.
    #[must_use]
    pub fn status(&self, status: &Status) -> &'static str {
        match status {
            Status::Ok => self.ok,
            Status::Warning => self.warning,
            Status::Critical => self.critical,
            Status::Unknown => self.unknown,
        }
    }

    /// A period, in words or by its times.
    #[must_use]
    pub fn range(&self, range: &Range, zone: &TimeZone) -> String {
        match range.term {
            Term::Custom => (self.from_to)(&show(range.start, zone), &show(range.end, zone)),
            term => self.term(term).to_owned(),
        }
    }

    /// A named period; nothing of a custom one.
    #[must_use]
    pub fn term(&self, term: Term) -> &'static str {
        match term {
            Term::Hour => self.hour,
            Term::FourHours => self.four_hours,
            Term::EightHours => self.eight_hours,
            Term::Day => self.day,
            Term::ThreeDays => self.three_days,
            Term::Week => self.week,
            Term::Month => self.month,
            Term::Year => self.year,
            Term::Custom => "",
        }
    }

    /// With what a graph is compared.
    #[must_use]
    pub fn previous(&self, previous: Previous) -> &'static str {
        match previous {
            Previous::Day => self.day_before,
            Previous::Week => self.week_before,
            Previous::Month => self.four_weeks_before,
        }
    }

    /// The heading of an error.
    #[must_use]
    pub fn failure(&self, status: StatusCode) -> &'static str {
        match status {
            StatusCode::BAD_REQUEST => self.bad_request,
            StatusCode::UNAUTHORIZED => self.unauthorized,
            StatusCode::FORBIDDEN => self.forbidden,
            StatusCode::NOT_FOUND => self.not_found,
            StatusCode::METHOD_NOT_ALLOWED => self.method_not_allowed,
            StatusCode::REQUEST_TIMEOUT => self.request_timeout,
            StatusCode::CONFLICT => self.conflict,
            StatusCode::PAYLOAD_TOO_LARGE => self.too_large,
            StatusCode::TOO_MANY_REQUESTS => self.too_many_requests,
            StatusCode::INTERNAL_SERVER_ERROR => self.internal_error,
            StatusCode::SERVICE_UNAVAILABLE => self.unavailable,
            _ => self.error,
        }
    }
}
