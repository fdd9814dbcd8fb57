//! What is watched, and what is shown of it: `kurado.yml`, rolls, plugin definitions.
//!
//! - [`Site`]: the configuration file with its services, hosts and rolls.
//! - [`Configuration`]: both together; [`Watcher`] and [`Follower`]: how programs follow its files.
//! - [`Definitions`]: what each plugin shows: groups, meta, graphs.
//! - [`program`]: plugins that are users' programs.
//! - [`prometheus`]: which numbers of an exporter are taken.
//! - [`data_dir_warning`]: whether `data_dir` is where Redis keeps its files.
//! - [`regular_file`]: how all of these are read.
//! - [`graph`]: from a graph's definition to rrdgraph arguments with the paths of RRD files.

pub mod definition;
pub mod graph;
pub mod program;
pub mod prometheus;
pub mod regular_file;

mod config;
mod configuration;
mod data_dir;
mod error;
mod follow;
mod host_address;
mod nearest;
mod roll;
mod secrets;
mod site;
mod sources;
mod text;
mod unknown;
mod written;
mod yaml;

pub use config::Config;
pub use configuration::{Configuration, Watcher};
pub use data_dir::data_dir_warning;
pub use definition::{Data, Definition, Definitions, Group, Meta, View};
pub use error::{Fault, SiteError};
pub use follow::Follower;
pub use graph::GraphDefinition;
pub use nearest::did_you_mean;
pub use program::Program;
pub use roll::Roll;
pub use site::{Host, Section, Service, Site};
pub use written::{WrittenRoll, WrittenSettings};
