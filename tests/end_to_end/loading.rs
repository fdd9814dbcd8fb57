//! Loading the module: bare, with settings, with bad settings.

use std::fs;

use redis::Value;

use crate::server::Server;
use test_redis::{Running, built, command, eventually, free_port, load_module, log_of};

/// Starts a server that must not come up, and gives its log.
fn refused(options: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    refused_in(directory.path(), options)
}

fn refused_in(directory: &std::path::Path, options: &[&str]) -> String {
    let mut command = command(directory);
    command.args(["--port", &free_port().to_string()]).args(load_module()).args(options);
    let mut process = Running::start(&mut command);
    let status = eventually("the end of redis-server", || process.0.try_wait().unwrap());
    assert!(!status.success());
    fs::read_to_string(log_of(directory)).unwrap()
}

#[test]
fn it_loads_bare_and_keeps_files_below_redis_own_directory() {
    let server = Server::start(&[]);
    let modules: Value = server.run("MODULE LIST");
    assert!(format!("{modules:?}").contains("kurado"));
    let data = server.path().canonicalize().unwrap().join("data");
    assert_eq!(server.info_text("data_dir"), data.to_str().unwrap());
    assert!(data.is_dir());
}

#[test]
fn the_data_directory_is_where_the_setting_says() {
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().canonicalize().unwrap().join("deep/rrd");
    let server = Server::start(&["--kurado.data-dir", path.to_str().unwrap()]);
    server.push_point("10.0.0.1", "load", 1, 1_404_873_350);
    server.flush();
    assert!(path.join("10.0.0.1/base/load.gauge.rrd").exists());
}

#[test]
fn settings_out_of_bounds_refuse_to_load() {
    let log = refused(&["--kurado.write-delay", "0"]);
    assert!(log.contains("argument must be between 1 and 86400 inclusive"), "{log}");
    assert!(log.contains("not loaded: a setting has a bad value; see the line above"), "{log}");
    let log = refused(&["--kurado.rra", "AVERAGE:1"]);
    assert!(log.contains("kurado.rra 'AVERAGE:1': archive 'AVERAGE:1' must be a"), "{log}");
    // A name that does not exist is refused by Redis itself.
    refused(&["--kurado.write-delays", "5"]);
}

#[test]
fn an_argument_of_the_module_is_refused_with_the_right_way() {
    let log = refused(&["data-dir", "/x"]);
    assert!(log.contains("was given 'data-dir'; write settings as kurado.NAME VALUE"), "{log}");
}

#[test]
fn a_data_directory_in_use_is_refused_and_its_user_named() {
    let server = Server::start(&[]);
    let data = server.path().join("data");
    let pid = server.run::<String>("INFO server");
    let pid = pid.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap();
    let log = refused(&["--kurado.data-dir", data.to_str().unwrap()]);
    assert!(log.contains(&format!("is in use by process {pid}")), "{log}");
}

#[test]
fn a_data_directory_that_can_not_be_made_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("data"), "a file").unwrap();
    let log = refused_in(directory.path(), &[]);
    assert!(log.contains("can't use data directory data"), "{log}");
}

#[test]
fn without_aof_the_write_delay_is_short_and_the_log_says_so() {
    let server = Server::start(&[]);
    assert!(server.log().contains("keeps no AOF; a crash loses the points of the last 60 s"));
    assert_eq!(server.info("write_delay_seconds"), 60);
    let server = Server::start(&["--appendonly", "yes"]);
    assert_eq!(server.info("write_delay_seconds"), 1200);
}

#[test]
fn a_load_that_fails_leaves_the_server_whole() {
    let directory = tempfile::tempdir().unwrap();
    let module = built("libkurado.so");
    let server = Server::bare(&["--enable-module-command", "yes"]);
    let module = module.to_str().unwrap();
    let taken = Server::start(&["--kurado.data-dir", directory.path().to_str().unwrap()]);
    let in_use = ["MODULE", "LOADEX", module, "CONFIG", "kurado.data-dir"];
    let in_use = [&in_use[..], &[directory.path().to_str().unwrap()]].concat();
    for _ in 0..3 {
        assert!(server.try_run_words::<Value>(&in_use).is_err());
        assert!(server.try_run_words::<Value>(&["MODULE", "LOAD", module, "x"]).is_err());
        server.run::<()>("FLUSHALL");
        server.run::<Value>("INFO everything");
    }
    drop(taken);
    server.try_run_words::<Value>(&in_use).unwrap();
    server.push_point("10.0.0.1", "a", 1, 1_404_873_350);
    assert_eq!(server.flush(), 1);
    assert!(directory.path().join("10.0.0.1/base/a.gauge.rrd").exists());
    // Redis does not unload a module that has a type of its own.
    let error = server.try_run::<Value>("MODULE UNLOAD kurado").unwrap_err();
    assert!(error.contains("exports one or more module-side data types"), "{error}");
}
