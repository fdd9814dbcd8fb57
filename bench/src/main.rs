//! kurado-bench: Kurado, Redis, rrdcached and VictoriaMetrics side by side on one machine, as Markdown
//! tables. `scripts/bench` builds what it needs and runs it.

mod bench;
mod benchmarks;
mod client;
mod contest;
mod http;
mod machine;
mod payload;
mod ping;
mod process;
mod redis_server;
mod resp;
mod rrd_files;
mod rrdcached;
mod rrdtool;
mod slow_servers;
mod statistics;
mod table;
mod victoria_metrics;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use bench::{Bench, Scale};
use benchmarks::{agent, create, memory, poll, push, steady, web, write};

/// What may go wrong while measuring, in words.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// A benchmark; gives its Markdown tables.
type Measure = fn(&Bench) -> Result<String>;

/// Measures Kurado side by side with Redis, rrdcached and VictoriaMetrics, and prints Markdown tables
#[derive(Parser)]
#[command(name = "kurado-bench", version)]
struct Options {
    /// What to measure
    #[arg(value_enum, default_value_t = Part::All)]
    part: Part,

    /// Fewer points, files, series and minutes: shows that all works
    #[arg(long)]
    quick: bool,

    /// Rounds of each measurement, of which the median is shown
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: u8,

    /// The module, built for release
    #[arg(long, value_name = "FILE", default_value = "target/release/libkurado.so")]
    module: PathBuf,

    /// Directory for all data, on the disk to measure; what is made there is removed
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    data: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Points a second that servers take
    Push,
    /// Points a second that reach RRD files
    Write,
    /// New series, and how long the server keeps others waiting
    Create,
    /// Bytes a series and a pending point
    Memory,
    /// A fleet that pushes each minute
    Steady,
    /// Thousands of targets of the poller that answer late or never
    Poll,
    /// Pictures a second, and pages of a large site
    Web,
    /// What it takes to read a machine each minute
    Agent,
    /// All of these
    All,
}

impl Part {
    /// Its name and how it is measured; `None` for all of them.
    fn benchmark(self) -> Option<(&'static str, Measure)> {
        match self {
            Self::Push => Some(("push", push::run)),
            Self::Write => Some(("write", write::run)),
            Self::Create => Some(("create", create::run)),
            Self::Memory => Some(("memory", memory::run)),
            Self::Steady => Some(("steady", steady::run)),
            Self::Poll => Some(("poll", poll::run)),
            Self::Web => Some(("web", web::run)),
            Self::Agent => Some(("agent", agent::run)),
            Self::All => None,
        }
    }
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kurado-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<()> {
    let module = &options.module;
    let module = module.canonicalize().map_err(|error| format!("{}: {error}", module.display()))?;
    let scale = if options.quick { Scale::Quick } else { Scale::Full };
    let bench = Bench::new(scale, options.rounds.into(), module, &options.data)?;
    println!("## The machine\n\n{}", machine::describe(&bench));
    let mut failed = false;
    for part in Part::value_variants() {
        let Some((name, measure)) = part.benchmark() else { continue };
        if options.part != Part::All && options.part != *part {
            continue;
        }
        eprintln!("{name}");
        let before = machine::load();
        let tables = measure(&bench).unwrap_or_else(|error| {
            failed = true;
            format!("Failed: {error}\n")
        });
        let after = machine::load();
        println!("## {name}\n\n{tables}");
        println!("Load average before: {before}; after, this program's own included: {after}.\n");
    }
    let part = options.part.to_possible_value();
    let part = part.as_ref().map_or("all", |value| value.get_name());
    let quick = if options.quick { " --quick" } else { "" };
    println!("## How it was run\n");
    println!("    scripts/bench {part}{quick} --rounds {}", options.rounds);
    bench.commands().iter().for_each(|command| println!("    {command}"));
    if failed { Err("a part has failed: see the tables".into()) } else { Ok(()) }
}
