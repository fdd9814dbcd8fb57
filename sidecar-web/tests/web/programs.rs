//! Plugins that are shown by users' programs.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::process::{HOST, Web};

/// Writes a view program of `redis`, which takes the place of the definition that is built in.
fn write(folder: &Path, text: &str) {
    let path = folder.join("metrics_plugins/view/redis.sh");
    test_redis::write_program(&path, text);
}

const PROGRAM: &str = r#"#!/bin/sh
host=$4 graph=
while [ $# -gt 0 ]; do
    case $1 in --graph) graph=$2 ;; esac
    shift
done
case $graph in
'') printf '#Store of %s\tlink\t>||<a href="x">A &amp; B</a>\twho\t<script>\ncommands\nbroken\n' "$host" ;;
commands)
    echo 'Commands <per second>'
    echo '# a comment'
    echo 'DEF:a=<%RRD total_commands_processed.derive %>:x:AVERAGE'
    echo 'AREA:a#00AA00:Commands'
    ;;
*) echo "no graph $graph" >&2; exit 1 ;;
esac
"#;

#[test]
fn a_view_program_shows_its_plugin_in_place_of_the_definition_that_is_built_in() {
    let web = Web::start_after(|folder| write(folder, PROGRAM));
    web.record("redis", &["cmd"]);
    let page = web.get(&format!("/server?address={HOST}")).text();
    assert!(page.contains("<h3>Store of web-1</h3>"), "{page}");
    assert!(page.contains("<dt>link</dt><dd>A &#38; B</dd>"), "{page}");
    assert!(page.contains("<dt>who</dt><dd>&#60;script&#62;</dd>"), "{page}");
    assert!(page.contains("broken: view program redis.sh: no graph broken"), "{page}");
    assert!(!page.contains("Command Processed"), "{page}");

    let graph = |name: &str| {
        web.get(&format!("/graph?address={HOST}&plugin_identifier=redis&graph={name}&term=hour"))
    };
    assert!(graph("commands").picture_size().1 > 100);
    // Only what the program itself names is asked for.
    let other = graph("--help");
    assert_eq!(
        (other.status, other.text().trim_end()),
        (404, "graph '--help' is none of plugin 'redis'")
    );
    assert_eq!(graph("broken").status, 500);
}

#[test]
fn a_view_program_that_fails_shows_its_reason_in_its_place_and_costs_the_rest_nothing() {
    let failing = "#!/bin/sh\nprintf 'no <module>\\nDBI' >&2\nexit 2\n";
    let web = Web::start_after(|folder| write(folder, failing));
    let page = web.get(&format!("/server?address={HOST}"));
    assert_eq!(page.status, 200);
    let page = page.text();
    assert!(page.contains("view program redis.sh: no &#60;module&#62; DBI"), "{page}");
    assert!(page.contains("<h3>CPU Memory</h3>"), "{page}");
    let pages = web.get(&format!("/servers?address={HOST}&address=2001:db8::1")).text();
    assert_eq!(pages.matches("view program redis.sh: no").count(), 2, "{pages}");
}

#[test]
fn a_graph_whose_program_is_not_ready_is_to_be_asked_for_again() {
    // It prints its graphs at once, and what they draw when the file is there.
    let slow = "#!/bin/sh\ncase $* in\n*--graph*) until [ -e \"${0%/*}/go\" ]; do sleep 0.1; done\n\
                echo Commands\necho 'DEF:a=<%RRD total_commands_processed.derive %>:x:AVERAGE'\n\
                echo 'AREA:a#00AA00:Commands' ;;\n*) printf '#Store\\ncommands\\n' ;;\nesac\n";
    let web = Web::start_after(|folder| write(folder, slow));
    web.record("redis", &["cmd"]);
    let graph = format!("/graph?address={HOST}&plugin_identifier=redis&graph=commands&term=hour");
    // At once: the program has its own limit.
    let (asked_of, asked_for) = (&web, &graph);
    let answers = std::thread::scope(|scope| {
        let asked = ["accept: image/png", "accept: text/html"]
            .map(|accept| scope.spawn(move || asked_of.get_with(asked_for, accept)));
        asked.map(|asked| asked.join().unwrap())
    });
    for answer in answers {
        let text = answer.text();
        assert_eq!(answer.status, 503, "{text}");
        assert!(text.contains("view program redis.sh: not ready yet"), "{text}");
        assert_eq!(answer.headers["retry-after"], "5");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    assert!(!web.log().contains("answered 500"), "{}", web.log());
    std::fs::write(web.folder.path().join("metrics_plugins/view/go"), "").unwrap();
    test_redis::eventually("the graph", || (web.get(&graph).status == 200).then_some(()));
}

#[test]
fn view_programs_that_hang_cost_many_hosts_one_wait_and_say_so_in_their_places() {
    let hanging = "#!/bin/sh\nexec sleep 1000\n";
    let hosts = || (0..60).map(|n| format!("10.2.0.{n}"));
    let web = Web::start_after(|folder| write(folder, hanging));
    let config = web.folder.path().join("kurado.yml");
    let mut text = std::fs::read_to_string(&config).unwrap();
    hosts().for_each(|host| text.push_str(&format!("      - {host} shop\n")));
    std::fs::write(&config, text).unwrap();
    test_redis::eventually("the hosts", || web.get("/").text().contains("10.2.0.59").then_some(()));

    let query: Vec<String> = hosts().map(|host| format!("address={host}")).collect();
    let started = Instant::now();
    let page = web.get(&format!("/servers?{}", query.join("&")));
    let took = started.elapsed();
    assert_eq!(page.status, 200);
    let reason =
        "view program redis.sh: not ready yet; what it prints is shown when the page is loaded";
    assert_eq!(page.text().matches(reason).count(), 60, "{}", page.text());
    assert_eq!(page.text().matches("<h3>CPU Memory</h3>").count(), 60);
    // One after the other they would have cost ten seconds each, or 150 s with four at once.
    assert!(took < Duration::from_secs(60), "{took:?}");
    // A run that was ended is told to the pages after it.
    test_redis::eventually("the reason", || {
        let page = web.get("/server?address=10.2.0.0").text();
        page.contains("view program redis.sh: ").then_some(())?;
        (!page.contains("not ready yet")).then_some(())
    });
}
