use super::*;
use std::time::Instant;

/// Writes a program, and gives its path.
fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    test_redis::write_program(&path, text);
    path
}

fn limits(milliseconds: u64, output: usize) -> Limits {
    Limits { time: Duration::from_millis(milliseconds), output }
}

async fn run_with(text: &str, graph: Option<&str>, limits: Limits) -> Result<Printed, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "fetch/shop", text);
    let program = Program { path, passed_over: Vec::new() };
    let config = serde_json::json!({"Shop": {"password": "s3cret"}});
    let identifier = Identifier::parse("shop:80::a b").unwrap();
    let call = Call {
        address: "2001:db8::1",
        hostname: "web-1",
        comments: "in front; $(reboot)",
        identifier: &identifier,
        metrics_config: config.as_object().unwrap(),
        meta: &Meta::from([("version".to_owned(), "1\"2".to_owned())]),
    };
    program
        .run(&call, graph, limits)
        .await
        .map_err(|error| error.to_string().replace(&format!("{}", dir.path().display()), "."))
}

async fn run(text: &str) -> Result<Printed, String> {
    run_with(text, None, limits(60_000, 1 << 20)).await
}

/// Whether a process lives; one that has ended and waits for its parent does not.
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn wait_for_the_end_of(pid: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while lives(pid) {
        assert!(Instant::now() < deadline, "process {pid} was left behind");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn arguments_are_as_existing_programs_expect_them_and_no_shell_reads_them() {
    let program = "#!/bin/sh\nfor argument; do printf '%s\\n' \"$argument\"; done\n";
    let printed = run_with(program, Some("reqs"), Limits::default()).await.unwrap();
    let arguments: Vec<&str> = printed.output.lines().collect();
    let ([before @ .., "--metrics-config-json", config, "--metrics-meta-json", meta], true) =
        (arguments.as_slice(), arguments.len() == 18)
    else {
        panic!("{arguments:?}");
    };
    assert_eq!(
        before,
        [
            "--address",
            "2001:db8::1",
            "--hostname",
            "web-1",
            "--comments",
            "in front; $(reboot)",
            "--plugin-arguments",
            "80",
            "--plugin-arguments",
            "",
            "--plugin-arguments",
            "a b",
            "--graph",
            "reqs"
        ]
    );
    for file in [config, meta] {
        assert!(file.starts_with("/proc/"), "{file}");
    }
}

#[tokio::test]
async fn settings_and_meta_come_by_file_and_by_environment_in_perl_and_python() {
    let python = r#"#!/usr/bin/env python3
import argparse, json, os, stat
p = argparse.ArgumentParser()
for name in ("address", "hostname", "comments", "metrics-config-json", "metrics-meta-json"):
    p.add_argument("--" + name)
p.add_argument("--plugin-arguments", action="append")
a = p.parse_args()
config = json.load(open(a.metrics_config_json))
assert config == json.loads(os.environ["kurado.metrics_config_json"])
assert stat.S_IMODE(os.stat(a.metrics_config_json).st_mode) == 0o600
assert a.plugin_arguments == ["80", "", "a b"]
print(config["Shop"]["password"], json.load(open(a.metrics_meta_json))["version"])
"#;
    assert_eq!(run(python).await.unwrap().output, "s3cret 1\"2\n");
    let perl = r#"#!/usr/bin/perl
use strict; use warnings; use Getopt::Long; use JSON::PP;
my (@arguments, %option);
GetOptions(\%option, "address=s", "hostname=s", "comments=s", "graph=s", "metrics-config-json=s",
    "metrics-meta-json=s", "plugin-arguments=s" => \@arguments) or die;
my $json = do { local (@ARGV, $/) = $option{"metrics-config-json"}; <> };
my $meta = decode_json($ENV{"kurado.metrics_meta_json"});
print decode_json($json)->{Shop}{password}, " $meta->{version} ", scalar(@arguments), "\n";
"#;
    assert_eq!(run(perl).await.unwrap().output, "s3cret 1\"2 3\n");
}

#[tokio::test]
async fn the_environment_has_only_what_it_should() {
    // As it was at the start: what a shell or a wrapper adds for itself is theirs.
    let printed = run("#!/bin/sh\ntr '\\0' '\\n' </proc/$$/environ\n").await.unwrap();
    let names: Vec<&str> =
        printed.output.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert!(names.contains(&"PATH") && names.contains(&"kurado.metrics_meta_json"), "{names:?}");
    for name in names {
        assert!(
            ENVIRONMENT.contains(&name)
                || name.starts_with("LC_")
                || ["kurado.metrics_config_json", "kurado.metrics_meta_json"].contains(&name),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_program_past_its_time_is_killed_with_the_child_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let program = format!(
        "#!/bin/sh\nsleep 600 &\necho $! > '{0}.new'\nmv '{0}.new' '{0}'\nsleep 600\n",
        file.display()
    );
    let error = run_with(&program, None, limits(500, 1000)).await.unwrap_err();
    assert_eq!(error, "timed out after 0.5 s");
    // On a busy machine its time may have been over before it had a child.
    if let Ok(pid) = std::fs::read_to_string(file) {
        wait_for_the_end_of(pid.trim()).await;
    }
}

#[tokio::test]
async fn a_program_that_nobody_waits_for_any_more_is_killed_with_its_child() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let program = format!(
        "#!/bin/sh\nsleep 600 &\necho $! > '{0}.new'\nmv '{0}.new' '{0}'\nwait\n",
        file.display()
    );
    let running = tokio::spawn(async move { run(&program).await });
    let deadline = Instant::now() + Duration::from_secs(60);
    while !file.exists() {
        assert!(Instant::now() < deadline, "it did not start");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    wait_for_the_end_of(std::fs::read_to_string(&file).unwrap().trim()).await;
}

#[tokio::test]
async fn a_program_that_floods_is_ended() {
    let error = run_with("#!/bin/sh\nyes\n", None, limits(60_000, 10_000)).await.unwrap_err();
    assert_eq!(error, "printed more than 10000 bytes, and was ended");
    // On standard error the rest is dropped.
    let program = "#!/usr/bin/perl\nprint STDERR 'e' x 1_000_000; print 'ok';\n";
    let printed = run(program).await.unwrap();
    assert_eq!((printed.output.as_str(), printed.errors.len()), ("ok", 4096));
}

#[tokio::test]
async fn what_a_program_printed_counts_when_it_has_ended_though_its_child_holds_the_output() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let program = format!("#!/bin/sh\necho first\nsleep 600 &\necho $! > {}\n", file.display());
    assert_eq!(run(&program).await.unwrap().output, "first\n");
    wait_for_the_end_of(std::fs::read_to_string(&file).unwrap().trim()).await;
    // Such a one is out of reach, and holds nothing up.
    let program = "#!/bin/sh\necho first\nsetsid sleep 20 &\n";
    assert_eq!(run(program).await.unwrap().output, "first\n");
}

#[tokio::test]
async fn a_child_that_prints_a_moment_longer_is_heard_to_its_end() {
    let program = "#!/bin/sh\necho first\n(sleep 0.1; echo second) &\n";
    assert_eq!(run(program).await.unwrap().output, "first\nsecond\n");
}

#[tokio::test]
async fn a_child_that_prints_elsewhere_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let program = format!(
        "#!/bin/sh\nsleep 20 >/dev/null 2>&1 &\necho $! > {}\necho first\n",
        file.display()
    );
    assert_eq!(run(&program).await.unwrap().output, "first\n");
    assert!(lives(std::fs::read_to_string(&file).unwrap().trim()));
}

#[tokio::test]
async fn another_status_than_0_says_what_was_on_standard_error() {
    let failed = run("#!/bin/sh\necho out; echo 'no such\nhost' >&2; exit 1\n").await;
    assert_eq!(failed.unwrap_err(), "no such\nhost");
    let silent = run("#!/bin/sh\nexit 3\n").await.unwrap_err();
    assert_eq!(silent, "exit status 3, and nothing on standard error");
    let killed = run("#!/bin/sh\nkill -9 $$\n").await.unwrap_err();
    assert_eq!(killed, "ended by signal 9");
    let missing = run("#!/nonexistent/perl\n").await.unwrap_err();
    assert_eq!(
        missing,
        "./fetch/shop can not be started: the interpreter /nonexistent/perl, which its first line names: No such file or directory (os error 2)"
    );
    let windows = run("#!/bin/sh\r\necho 1\r\n").await.unwrap_err();
    assert_eq!(
        windows,
        "./fetch/shop can not be started: its lines end in CR LF, as on Windows; they must end in LF alone"
    );
    let empty = run("").await.unwrap_err();
    assert_eq!(empty, "./fetch/shop can not be started: it is empty");
    let foreign = run("\x7fELF\0").await.unwrap_err();
    assert_eq!(foreign, "./fetch/shop can not be started: it is no program for this machine");
}

#[tokio::test]
async fn a_script_without_an_interpreter_is_the_shells() {
    let printed = run("echo \"$1 $2\"\n").await.unwrap();
    assert_eq!(printed.output, "--address 2001:db8::1\n");
}

#[test]
fn copies_and_hidden_files_are_no_programs_and_others_for_one_plugin_are_noted() {
    let dir = tempfile::tempdir().unwrap();
    for ending in COPIES {
        write(dir.path(), &format!("fetch/old.py{ending}"), "#!/bin/sh\n");
    }
    for file in [".hidden.py", "shop", "shop.py", "shop.pl", "shop.bak"] {
        write(dir.path(), &format!("fetch/{file}"), "#!/bin/sh\n");
    }
    let found = find(&[dir.path().to_owned()], Purpose::Fetch);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["shop"]);
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let shop = &found["shop"];
    let others: Vec<String> = shop.passed_over().iter().map(|path| name(path)).collect();
    assert_eq!(
        (name(shop.path()), others),
        ("shop".to_owned(), vec!["shop.pl".into(), "shop.py".into()])
    );
}

#[test]
fn programs_are_found_by_name_in_the_first_folder_that_has_one() {
    let dir = tempfile::tempdir().unwrap();
    let dirs = [dir.path().join("none"), dir.path().join("a"), dir.path().join("b")];
    for file in ["a/fetch/shop.pl", "a/fetch/shop.py", "b/fetch/shop", "b/fetch/db", "a/view/web"] {
        write(dir.path(), file, "");
    }
    std::fs::write(dir.path().join("a/fetch/db.txt"), "not executable").unwrap();
    std::fs::create_dir(dir.path().join("a/fetch/folder")).unwrap();
    let found: Vec<(String, PathBuf)> = find(&dirs, Purpose::Fetch)
        .into_iter()
        .map(|(name, program)| (name, program.path.strip_prefix(dir.path()).unwrap().into()))
        .collect();
    assert_eq!(
        found,
        [("db".to_owned(), "b/fetch/db".into()), ("shop".to_owned(), "a/fetch/shop.pl".into())]
    );
    assert_eq!(find(&dirs, Purpose::View).keys().collect::<Vec<_>>(), ["web"]);
}
