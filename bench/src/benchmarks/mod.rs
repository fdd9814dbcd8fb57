//! One file a benchmark; each gives its Markdown tables.

pub mod agent;
pub mod create;
pub mod memory;
pub mod poll;
mod poll_peers;
pub mod push;
pub mod steady;
pub mod web;
pub mod write;
