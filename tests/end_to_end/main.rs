//! End-to-end tests: the built module in a real redis-server, read by the stock rrdtool; the
//! agent, the poller and the web as a user starts them; the pages in a real browser.

mod bounds;
mod clock;
mod commands;
mod declared;
mod delete;
mod durability;
mod faults;

mod forgetting;
mod hostile;
mod info;
mod keyspace;
mod loading;
mod memory;
mod promotion;
mod queue;
mod replication;
mod rights;
mod rrdtool;
mod sample;
mod server;
mod settings;
mod whole;
mod writing;
