//! `kurado-poller view`: what a plugin shows, for people who write plugins. Printed as a view program
//! prints it, whatever it comes from.

use std::path::Path;

use line_protocol::Identifier;
use site::program::{Call, Limits, groups, list};
use site::{Configuration, GraphDefinition, Group, Host, Meta, Program, View};

use crate::fetch::external::Shared;
use crate::output;
use crate::{Failure, check, host, load};

/// Prints the groups of a plugin of a host, or what one of its graphs draws. Where Redis can't be
/// asked it says so, and goes on without meta.
///
/// # Errors
/// Where nothing shows the plugin, or what shows it has no such graph or fails.
pub async fn print(
    config: &Path,
    address: &str,
    identifier: &str,
    graph: Option<&str>,
) -> Result<(), Failure> {
    let Configuration { site, definitions } = load(config)?;
    let identifier = Identifier::parse(identifier)?;
    let host = host(&site, address);
    let meta = match Shared::new(site.config()).meta(address, &identifier).await {
        Ok(meta) => meta,
        Err(reason) => {
            eprintln!("warning: shown without meta: {reason}");
            Meta::new()
        }
    };
    let name = identifier.name();
    let view = definitions.view(name).ok_or_else(|| {
        format!(
            "nothing says what to show of plugin '{name}': none is built in, and metrics_plugin_dir has no {name}.toml and no executable view/{name}{}",
            check::not_executable(name, &definitions)
        )
    })?;
    match graph {
        None => output::print(&list(&groups_of(view, &host, &identifier, &meta).await?))?,
        Some(graph) => {
            let graph = graph_of(view, &host, &identifier, &meta, graph).await?;
            output::print(&graph.to_string())?;
        }
    }
    Ok(())
}

async fn groups_of(
    view: View<'_>,
    host: &Host,
    identifier: &Identifier,
    meta: &Meta,
) -> Result<Vec<Group>, Failure> {
    match view {
        View::Data(data) => Ok(data.groups(host, identifier, meta)?),
        View::Program(program) => Ok(groups(&run(program, host, identifier, meta, None).await?)?),
    }
}

async fn graph_of(
    view: View<'_>,
    host: &Host,
    identifier: &Identifier,
    meta: &Meta,
    graph: &str,
) -> Result<GraphDefinition, Failure> {
    let no_such_graph = || format!("graph '{graph}' is none of plugin '{identifier}'");
    let drawn = match view {
        View::Data(data) => data.graph(host, identifier, graph, meta)?.ok_or_else(no_such_graph)?,
        View::Program(program) => {
            GraphDefinition::parse(&run(program, host, identifier, meta, Some(graph)).await?)?
        }
    };
    // What the web would find only when it draws.
    site::graph::sources(&drawn, (&host.address, identifier))?;
    Ok(drawn)
}

/// Runs a view program, and passes on what it says on its standard error.
async fn run(
    program: &Program,
    host: &Host,
    identifier: &Identifier,
    meta: &Meta,
    graph: Option<&str>,
) -> Result<String, Failure> {
    let call = Call::of(host, identifier, meta);
    let printed = program.run(&call, graph, Limits::default()).await?;
    if !printed.errors.is_empty() {
        eprintln!("{}", printed.errors);
    }
    Ok(printed.output)
}
