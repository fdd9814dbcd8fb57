//! English.
//!
//! Words: *host* (a machine that is watched), *service* (hosts that belong together), *plugin*,
//! *series* (one measured value over time), *point* (one of its values), *push* (an agent sends),
//! *poller* (asks hosts that can't push), *pipeline* (all that a point goes through).

use super::Texts;

/// Its texts.
pub static TEXTS: Texts = Texts {
    tag: "en",
    own_name: "English",

    place: "Where",
    options: "Options",
    colors: "Colors",
    language: "Language",
    auto: "auto",
    light: "light",
    dark: "dark",
    refresh_each_minute: "Refresh each minute",
    small_header: "Small header",
    help: "Help",
    close: "Close",
    log_out: "Log out",

    help_drag: "Drag over a graph",
    help_drag_does: "shows that time; Esc before letting go gives up",
    help_arrows_do: "half a range back or forward",
    help_signs_do: "zoom in or out",
    help_shift_arrows_do: "on a graph that has the focus: values, time by time",
    help_slash_does: "filters the list of hosts",
    help_and_click: "and a click",
    help_shift_click_does: "checks all hosts between two",

    configuration_of_before: "The configuration of before holds.",
    redis_away: "Statuses are unknown, and what is shown may be old or incomplete.",
    data_dir_wrong: "Something is wrong with the directory of the data.",
    poller_away: "No poller fetches now: where it has ended, start kurado-poller.",
    a_poller_away: "A poller that fetched does not any more: where it has ended, start it again.",
    no_answer: "kurado-web does not answer: what is shown may be old. This page asks again by \
                itself.",

    ok: "OK",
    warning: "Warning",
    critical: "Critical",
    unknown: "Unknown",

    filter_hosts: "Filter hosts",
    filter_hint: "Filter by name, address, comment",
    services: "Services",
    all_services: "All services",
    no_host_configured: "No host is configured yet. Services and their hosts stand in kurado.yml.",
    hosts: "Hosts",
    show_only: "Show only hosts that are",
    problems_first: "Problems first",
    open_in_new_window: "Open in new window",
    open_checked: "Open checked",
    uncheck_all: "Uncheck all",
    check_host: |host| format!("Check {host}"),
    no_host_matches: "No host matches.",

    warnings: "Warnings",
    last_received: "Last received",
    last_received_at: "last received",
    never: "never",
    not_updated: "Metrics are not updated in the last 5 minutes",
    never_updated: "Metrics are not updated in the last 5 minutes: none ever came",
    has_new_address: "It has a new address…",
    delete_data_of_this_host: "Delete the data of this host…",
    servers: |count| format!("{count} {}", if count == 1 { "server" } else { "servers" }),
    servers_side_by_side: |count| match count {
        1 => "1 server".to_owned(),
        _ => format!("{count} servers side by side"),
    },

    period: "Period",
    nearby: "Nearby",
    from: "From",
    to: "To",
    show: "Show",
    times_and_comparison: "Times and comparison",
    compare_with: "Compare with",
    nothing: "Nothing",
    plugins: "Plugins",
    all: "All",
    all_plugins: "All plugins",
    half_back: "Half a range back",
    half_forward: "Half a range forward",
    zoom_in: "Zoom in",
    zoom_out: "Zoom out",
    hour: "Hour",
    four_hours: "4 hours",
    eight_hours: "8 hours",
    day: "Day",
    three_days: "3 days",
    week: "Week",
    month: "Month",
    year: "Year",
    day_before: "Day before",
    week_before: "Week before",
    four_weeks_before: "4 weeks before",
    compare_with_before: |before| format!("Compare with: {before}, as a pale line"),

    from_to: |from, to| format!("{from} to {to}"),
    graph_of: |graph, host| format!("{graph} of {host}"),
    series: "Series",
    last: "Last",
    average: "Average",
    min: "Min",
    max: "Max",
    download: "Download:",
    definition: "Definition",
    command: "The rrdtool command that draws it",

    nothing_of_host: |address| format!("no data yet: nothing was ever received of host {address}"),
    nothing_of_plugin: |plugin| {
        format!("no data yet: nothing was ever received of plugin {plugin} of this host")
    },
    no_file_yet: |series| format!("no file yet: {series}"),
    no_file_yet_waits: |series, why| format!("no file yet: {series}. What came may wait: {why}"),
    series_never_received: |count, series| {
        let were = if count == 1 { "was" } else { "were" };
        format!("no data yet: {series} {were} never received")
    },
    and_more_series: |series, more| format!("{series} and {more} more"),
    redis_is_slow: "Redis is slow to write it",
    graph_not_defined: "it is not defined",
    plugin_not_defined: |plugin, name| {
        format!(
            "Nothing says what to show of {plugin}: there is no definition {name}.toml and no \
             program view/{name}"
        )
    },
    view_program: |program, reason| format!("view program {program}: {reason}"),
    program_not_ready: "not ready yet; what it prints is shown when the page is loaded again",
    program_had_no_turn: |seconds| {
        format!(
            "not asked within {seconds} s: other view programs took too long; load the page again"
        )
    },

    pipeline: "Pipeline",
    redis_says_nothing: "Redis says nothing of itself now.",
    poller_heading: "Poller",
    poller: "Poller, as",
    no_poller: "No host has the plugin kurado in its roll. Put it into the roll of the host that \
                the poller runs on, and its numbers stand here.",
    configuration: "Configuration",
    configuration_is_fine: "Nothing is odd in it. “kurado-poller check” looks closer.",
    strangers: "Hosts that push and are in no service",
    strangers_help: "To show them, put their lines among the “hosts:” of a service in kurado.yml; \
                     the second word is the name to show.",
    none: "None.",
    address: "Address",
    line: "Line",
    change: "Change",
    delete: "Delete",
    rename_ask: "Rename…",
    delete_ask: "Delete…",
    and_more: |more| format!("and {more} more"),
    silent_hosts: "Hosts that never sent anything",
    yes: "yes",
    no: "no",
    lines_accepted: "Lines accepted",
    lines_a_second: "Lines a second",
    lines_rejected: "Lines rejected",
    rejected: |reason| format!("Rejected: {reason}"),
    pushes_refused: "Pushes refused",
    count_and_recent: |count, recent| format!("{count}, {recent} in the last 5 minutes"),
    points_pending: "Points pending",
    bytes_pending: "Bytes pending",
    oldest_pending: "Oldest pending point, s",
    write_delay: "Write delay, s",
    points_written: "Points written a second",
    points_skipped: "Points skipped",
    writing_paused: "Writing paused",
    write_errors: |reason| format!("Write errors: {reason}"),
    durability: "Durability",
    data_directory: "Data directory",
    poller_lease: "Poller's lease",
    poller_lease_of: |name| format!("Lease of pollers “{name}”"),
    lease_free: "free",
    lease_lost: |holder| format!("free; before {holder}"),
    targets: "Targets",
    fetches: "Fetches a minute",
    fetches_failed: "Failed a minute",
    overruns: "Overruns a minute",
    mean_duration: "Mean duration, s",
    longest_duration: "Longest duration, s",
    push_lag: "Push lag, s",
    bytes_waiting: "Bytes waiting",
    lines_lost: "Lines lost a minute",

    delete_data: "Delete the data of a host",
    delete_data_of: |host| format!("Delete the data of {host}"),
    delete_means: "All its series with their history, its meta and its warnings are deleted for \
                   ever. What it pushes later begins anew.",
    delete_confirm: "To confirm, type its address",
    cancel: "Cancel",
    series_deleted: |count, address| format!("{count} series of {address} are deleted."),
    back_to_pipeline: "Back to the pipeline",
    confirm_differs: |typed, address| {
        format!("confirm '{typed}' must be the address whose data it is about, {address}")
    },

    new_address: "New address",
    new_address_of: |host| format!("New address of {host}"),
    rename_means: |address| {
        format!(
            "Its series with their history, its meta and its warnings become those of the new \
             address, and its graphs go on there without a break. What still comes from {address} \
             later begins anew, as a host of its own."
        )
    },
    rename_configuration: |address| {
        format!(
            "In kurado.yml the new address must take the place of {address}: the pages show, and \
             the poller asks, what stands there."
        )
    },
    rename_confirm: "To confirm, type the present one",
    rename_replace: "Delete what the new address has already. It has data where the server has \
                     been pushing by its new address for some minutes; these are then missing in \
                     the graphs. Without this they stay, and nothing is renamed.",
    rename: "Rename",
    renamed: |from, to| format!("The data of {from} is now that of {to}."),
    renamed_configuration: |from, to| {
        format!(
            "No host of kurado.yml has that address yet: put {to} in the place of {from}. Within \
             seconds its page is there:"
        )
    },
    its_page: "the host's page",

    log_in: "Log in",
    name: "Name",
    password: "Password",
    sign_in_with: |provider| format!("Sign in with {provider}"),
    or_with_password: "or with a password",
    provider_away: |provider| {
        format!("{provider} does not answer just now, so nobody can sign in with it.")
    },
    try_again: "Try again",
    sign_in_has_ended: "this sign-in has ended: it was used already, took more than ten minutes, or \
                        began in another browser. Please begin again.",
    no_access: "No access",
    no_role: |provider, name| {
        format!(
            "You are signed in with {provider} as {name}, but that account has neither the role of \
             a viewer nor that of an operator here. Whoever runs this Kurado can give it one."
        )
    },
    sign_in_as_other: "Sign in as somebody else",
    back_to_login: "Back to the login",
    logged_out: "Logged out",
    logging_out_of: |provider| {
        format!("You are logged out here, and being logged out of {provider} as well.")
    },
    go_on_to: |provider| format!("Go on to {provider}"),
    wrong_password: "name or password is wrong",
    too_many_passwords: |seconds| {
        format!("too many passwords from here were wrong; try again in {seconds} s")
    },

    bad_request: "Bad Request",
    unauthorized: "Unauthorized",
    forbidden: "Forbidden",
    not_found: "Not Found",
    method_not_allowed: "Method Not Allowed",
    conflict: "Conflict",
    request_timeout: "Request Timeout",
    too_large: "Payload Too Large",
    too_many_requests: "Too Many Requests",
    internal_error: "Internal Server Error",
    unavailable: "Service Unavailable",
    error: "Error",

    no_such_page: "there is no such page",
    no_such_host: |address| format!("no host in the configuration has address '{address}'"),
    no_such_service: |name| format!("no service in the configuration is '{name}'"),
    for_operators: "this is for operators, and you are a viewer",
    form_is_old: "the form brings no token, or the browser no cookie: load its page again",
    form_is_another: "the form's token is another than the cookie's: load it again",

    alt: |alt| {
        let range = alt.range.to_lowercase();
        format!("{} of {}, {} {range}", alt.label, alt.host, alt.graph)
    },
    alt_series: "{name} last {last}, max {max}",
    copy: "Copy",
    copy_address: "Copy {address}",
    copied: "Copied",
    copy_not_allowed: "Not allowed",
    now: "now",
    before: "before",
    before_value: "before {value}",
    not_loaded: "this graph could not be loaded",
    refreshed: "Refreshed {time}",
    refreshed_past: "Refreshed {time}; graphs of a time in the past stay",
};
