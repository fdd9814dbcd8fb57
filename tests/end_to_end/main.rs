//! End-to-end tests: the built module in a real redis-server, read by the stock rrdtool; the
//! agent, the poller and the web as a user starts them; the pages in a real browser.

mod agent_connection;
mod bounds;
mod clock;
mod commands;
mod declared;
mod delete;
mod everysec;
mod faults;
mod forgetting;
mod full_sync;
mod hostile;
mod info;
mod keyspace;
mod kill;
mod ledger;
mod loading;
mod memory;
mod obstacle;
mod plugin_page;
mod promotion;
mod queue;
#[path = "../soak/random.rs"]
mod random;
mod rename;
mod rename_page;
mod replication;
mod rights;
mod rrdtool;
mod sample;
mod saving;
mod server;
mod settings;
mod shutdown;
mod spool;
mod web;
mod whole;
mod writing;
