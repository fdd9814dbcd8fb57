//! A definition's TOML file, read and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::condition::Condition;
use super::drawing::{Column, Dashes, Element, Graph, PALETTE, Shape, Unit};
use super::expression::Expression;
use super::keys::DrawnKey;
use super::meta::{Format, Selection};
use super::template::Template;
use super::{Alternative, Definition, Each, GroupRule, NothingThere};
use crate::error::SiteError;
use crate::text::line_at;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    push: bool,
    #[serde(default)]
    arguments: Vec<Spanned<String>>,
    #[serde(default)]
    format: BTreeMap<String, Format>,
    #[serde(default)]
    group: Vec<Spanned<GroupTable>>,
    #[serde(default)]
    graph: BTreeMap<Spanned<String>, GraphTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupTable {
    label: Label,
    each: Option<String>,
    none: Option<NoneTable>,
    when: Option<String>,
    #[serde(default)]
    meta: Vec<String>,
    #[serde(default)]
    strip: String,
    graphs: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "label must be a text, or a list of texts and { text = …, when = … }"
)]
enum Label {
    One(String),
    Choice(Vec<LabelChoice>),
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a label in a list must be a text or { text = …, when = … }")]
enum LabelChoice {
    Always(String),
    When { text: String, when: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoneTable {
    label: String,
    warn: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphTable {
    label: Spanned<String>,
    when: Option<Spanned<String>>,
    #[serde(default)]
    unit: Unit,
    range: Option<[f64; 2]>,
    columns: Option<Vec<Column>>,
    #[serde(default)]
    data: BTreeMap<Spanned<String>, Spanned<String>>,
    draw: Vec<Spanned<DrawTable>>,
    #[serde(default)]
    rrdgraph: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DrawTable {
    area: Option<String>,
    stack: Option<String>,
    line: Option<String>,
    text: Option<String>,
    #[serde(default)]
    name: String,
    color: Option<String>,
    width: Option<f64>,
    #[serde(default)]
    dashes: bool,
    limit: Option<[f64; 2]>,
    times: Option<f64>,
    unit: Option<Unit>,
    #[serde(default = "shown")]
    numbers: bool,
}

fn shown() -> bool {
    true
}

/// A fault, and the bytes of the source that it is about.
struct Fault {
    at: Option<std::ops::Range<usize>>,
    message: String,
}

impl Fault {
    /// Puts a place to a message.
    fn at<S>(place: &Spanned<S>) -> impl Fn(String) -> Self {
        let span = place.span();
        move |message| Self { at: Some(span.clone()), message }
    }
}

/// Reads a definition; `file` is for errors only.
pub(crate) fn parse(file: &Path, source: &str) -> Result<Definition, SiteError> {
    read(file, source).map_err(|fault| {
        let line = fault.at.map(|span| line_at(source.as_bytes(), span.start));
        SiteError::new(file, line, fault.message)
    })
}

fn read(path: &Path, source: &str) -> Result<Definition, Fault> {
    let file: File = toml::from_str(source)
        .map_err(|error| Fault { at: error.span(), message: error.message().to_owned() })?;
    let mut arguments = Vec::new();
    for text in &file.arguments {
        let (name, default) = text.get_ref().split_once('=').unwrap_or((text.get_ref(), ""));
        if !is_name(name) {
            let message = format!(
                "argument '{}' must be name or name=default, the name of small letters, digits and '_'",
                text.get_ref()
            );
            return Err(Fault::at(text)(message));
        }
        arguments.push((name.to_owned(), default.to_owned()));
    }
    let names: Vec<&str> = arguments.iter().map(|(name, _)| name.as_str()).collect();

    let mut loops = BTreeSet::new();
    let mut groups = Vec::new();
    for group in &file.group {
        groups.push(read_group(group, &names, &file.graph, &mut loops)?);
    }
    let mut graphs = Vec::new();
    let mut keys = Vec::new();
    for (name, table) in &file.graph {
        let graph = read_graph(name, table, &names, &loops)?;
        keys.extend(drawn_keys(table, &graph, source));
        graphs.push(graph);
    }
    Ok(Definition {
        file: path.to_owned(),
        is_pushed: file.push,
        arguments,
        formats: file.format,
        groups,
        graphs,
        keys,
    })
}

/// The keys of its own plugin that a graph draws, with their lines.
fn drawn_keys(table: &GraphTable, graph: &Graph, source: &str) -> Vec<DrawnKey> {
    let line = |span: std::ops::Range<usize>| line_at(source.as_bytes(), span.start);
    let mut keys = Vec::new();
    // Not in the order of the table: each stands behind those that it uses.
    for (name, expression) in &graph.data {
        let text = table.data.iter().find(|(known, _)| known.get_ref() == name);
        if let Some((_, text)) = text {
            keys.extend(expression.keys().filter_map(|key| DrawnKey::of(key, line(text.span()))));
        }
    }
    for (element, written) in graph.draw.iter().zip(&table.draw) {
        let of = |key| DrawnKey::of(key, line(written.span()));
        keys.extend(element.value.keys().filter_map(of));
    }
    for (argument, written) in graph.rrdgraph.iter().zip(&table.rrdgraph) {
        keys.extend(DrawnKey::of_argument(argument, line(written.span())));
    }
    keys
}

fn read_group(
    group: &Spanned<GroupTable>,
    arguments: &[&str],
    graphs: &BTreeMap<Spanned<String>, GraphTable>,
    loops: &mut BTreeSet<String>,
) -> Result<GroupRule, Fault> {
    let table = group.get_ref();
    let mut known = arguments.to_vec();
    let each = match &table.each {
        Some(text) => {
            let words: Vec<&str> = text.split_whitespace().collect();
            let [variable, "in", list] = words.as_slice() else {
                return Err(Fault::at(group)(format!(
                    "each = '{text}' must be 'VARIABLE in NAME', the name of a meta that is a list with commas"
                )));
            };
            if !is_name(variable) || known.contains(variable) {
                return Err(Fault::at(group)(format!(
                    "each = '{text}': '{variable}' must be of small letters, digits and '_', and no argument's name"
                )));
            }
            let each = Each {
                variable: (*variable).to_owned(),
                list: Template::parse(list, &known).map_err(Fault::at(group))?,
            };
            loops.insert(each.variable.clone());
            known.push(variable);
            Some(each)
        }
        None => None,
    };
    let none = match (&table.none, &each) {
        (Some(none), Some(_)) => Some(NothingThere {
            label: Template::parse(&none.label, arguments).map_err(Fault::at(group))?,
            warn: none.warn.clone(),
        }),
        (Some(_), None) => {
            return Err(Fault::at(group)(
                "'none' says what to show where a list is empty, so it needs 'each'".to_owned(),
            ));
        }
        (None, _) => None,
    };
    let alternative = |text: &str, when: Option<&str>| -> Result<Alternative, String> {
        Ok(Alternative {
            text: Template::parse(text, &known)?,
            when: when.map(|when| Condition::parse(when, &known)).transpose()?,
        })
    };
    let label = match &table.label {
        Label::One(text) => alternative(text, None).map(|only| vec![only]),
        Label::Choice(choices) => choices
            .iter()
            .map(|choice| match choice {
                LabelChoice::Always(text) => alternative(text, None),
                LabelChoice::When { text, when } => alternative(text, Some(when)),
            })
            .collect::<Result<_, _>>(),
    }
    .map_err(Fault::at(group))?;
    for name in &table.graphs {
        if !graphs.keys().any(|graph| graph.get_ref() == name.get_ref()) {
            let message = format!("there is no [graph.\"{}\"]", name.get_ref());
            return Err(Fault::at(name)(message));
        }
    }
    Ok(GroupRule {
        each,
        none,
        label,
        when: condition(table.when.as_deref(), &known).map_err(Fault::at(group))?,
        meta: Selection::parse(&table.meta).map_err(Fault::at(group))?,
        strip: table.strip.clone(),
        graphs: table
            .graphs
            .iter()
            .map(|name| Template::parse(name.get_ref(), &known).map_err(Fault::at(name)))
            .collect::<Result<_, _>>()?,
    })
}

fn condition(text: Option<&str>, known: &[&str]) -> Result<Option<Condition>, String> {
    text.map(|text| Condition::parse(text, known)).transpose()
}

fn read_graph(
    name: &Spanned<String>,
    graph: &GraphTable,
    arguments: &[&str],
    loops: &BTreeSet<String>,
) -> Result<Graph, Fault> {
    let variables: Vec<&str> = loops.iter().map(String::as_str).collect();
    let pattern = Template::parse(name.get_ref(), &variables).map_err(Fault::at(name))?;
    let mut known = arguments.to_vec();
    if pattern.literal().is_none() {
        let Some((_, variable, _)) = pattern.around_variable() else {
            let message = format!(
                "graph '{}' must have one variable of an 'each' in its name, or none",
                name.get_ref()
            );
            return Err(Fault::at(name)(message));
        };
        known.extend(variables.iter().filter(|loop_variable| **loop_variable == variable));
    }

    let data_names: Vec<&str> = graph.data.keys().map(|name| name.get_ref().as_str()).collect();
    let mut data = Vec::new();
    for (data_name, text) in &graph.data {
        if !is_name(data_name.get_ref()) {
            let message = format!(
                "'{}' in data must begin with a small letter, and have only small letters, digits and '_'",
                data_name.get_ref()
            );
            return Err(Fault::at(data_name)(message));
        }
        let expression =
            Expression::parse(text.get_ref(), &known, &data_names).map_err(Fault::at(text))?;
        data.push((data_name.get_ref().clone(), expression));
    }
    let data = in_order(data).map_err(Fault::at(name))?;

    let mut draw = Vec::new();
    for (index, element) in graph.draw.iter().enumerate() {
        let table = element.get_ref();
        if table.stack.is_some() && index == 0 {
            return Err(Fault::at(element)(
                "the first of 'draw' has nothing to be stacked on; it must be area, line or text"
                    .to_owned(),
            ));
        }
        draw.push(
            read_element(table, index, &known, &data_names, &data).map_err(Fault::at(element))?,
        );
    }
    if graph.columns.as_ref().is_some_and(Vec::is_empty) {
        return Err(Fault::at(name)("columns must name one of now, min, avg, max".to_owned()));
    }
    let rrdgraph = graph
        .rrdgraph
        .iter()
        .map(|text| Template::parse(text.get_ref(), &known).map_err(Fault::at(text)))
        .collect::<Result<_, _>>()?;
    Ok(Graph {
        name: pattern,
        when: match &graph.when {
            Some(text) => Some(Condition::parse(text.get_ref(), &known).map_err(Fault::at(text))?),
            None => None,
        },
        label: Template::parse(graph.label.get_ref(), &known).map_err(Fault::at(&graph.label))?,
        unit: graph.unit,
        range: pair(graph.range, "range").map_err(Fault::at(name))?,
        columns: graph
            .columns
            .clone()
            .unwrap_or_else(|| vec![Column::Now, Column::Avg, Column::Max]),
        data,
        draw,
        rrdgraph,
    })
}

fn read_element(
    table: &DrawTable,
    index: usize,
    variables: &[&str],
    data_names: &[&str],
    data: &[(String, Expression)],
) -> Result<Element, String> {
    let line = Shape::Line {
        width: table.width.unwrap_or(1.0),
        dashes: if table.dashes { Dashes::Dashed } else { Dashes::Solid },
    };
    let (shape, text) = match (&table.area, &table.stack, &table.line, &table.text) {
        (Some(text), None, None, None) => (Shape::Area, text),
        (None, Some(text), None, None) => (Shape::Stack, text),
        (None, None, Some(text), None) => (line, text),
        (None, None, None, Some(text)) => (Shape::Text, text),
        _ => {
            return Err(
                "an element of 'draw' must have just one of area, stack, line, text".to_owned()
            );
        }
    };
    if shape != line && (table.width.is_some() || table.dashes) {
        return Err("only a line has width and dashes".to_owned());
    }
    if !(0.1..=10.0).contains(&table.width.unwrap_or(1.0)) {
        return Err("width must be a number from 0.1 to 10".to_owned());
    }
    if shape == Shape::Text && table.name.is_empty() {
        return Err("an element that is only text must have a name".to_owned());
    }
    let value = Expression::parse(text, variables, data_names)?;
    let is_summary =
        |name: &str| data.iter().any(|(known, value)| known == name && value.is_summary());
    if value.is_summary() || value.lone_data().is_some_and(is_summary) {
        return Err(format!("'{text}' is one number, not a series; calculate with it in data"));
    }
    let limit = pair(table.limit, "limit")?;
    if value.lone_number().is_some() && (limit.is_some() || table.times.is_some()) {
        return Err(format!("'{text}' is a number, so limit and times mean nothing"));
    }
    Ok(Element {
        shape,
        value,
        limit,
        times: match table.times {
            Some(factor) if !factor.is_finite() => {
                return Err("times must be a finite number".to_owned());
            }
            times => times,
        },
        name: Template::parse(&table.name, variables)?,
        color: color(table.color.as_deref(), index)?,
        unit: table.unit,
        numbers: table.numbers,
    })
}

/// A name of the palette, `#rrggbb` or `#rrggbbaa`; without one the palette's next.
fn color(text: Option<&str>, index: usize) -> Result<String, String> {
    let Some(text) = text else {
        let (_, code) = PALETTE.get(index % PALETTE.len()).unwrap_or(&PALETTE[0]);
        return Ok((*code).to_owned());
    };
    if let Some((_, code)) = PALETTE.iter().find(|(name, _)| *name == text) {
        return Ok((*code).to_owned());
    }
    let digits = text.strip_prefix('#').unwrap_or_default();
    if matches!(digits.len(), 6 | 8) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_owned());
    }
    let names: Vec<&str> = PALETTE.iter().map(|(name, _)| *name).collect();
    Err(format!("color '{text}' must be #rrggbb, #rrggbbaa or one of {}", names.join(", ")))
}

fn pair(range: Option<[f64; 2]>, what: &str) -> Result<Option<(f64, f64)>, String> {
    match range {
        None => Ok(None),
        Some([low, high]) if low.is_finite() && high.is_finite() && low < high => {
            Ok(Some((low, high)))
        }
        Some([low, high]) => {
            Err(format!("{what} is [{low}, {high}]; it must be two numbers, the smaller one first"))
        }
    }
}

/// Sorts so that each stands behind those that it uses.
fn in_order(mut rest: Vec<(String, Expression)>) -> Result<Vec<(String, Expression)>, String> {
    let mut ordered: Vec<(String, Expression)> = Vec::new();
    while !rest.is_empty() {
        let is_ready = |(_, value): &(String, Expression)| {
            value.uses().all(|used| ordered.iter().any(|(name, _)| name == used))
        };
        let Some(at) = rest.iter().position(is_ready) else {
            let names: Vec<&str> = rest.iter().map(|(name, _)| name.as_str()).collect();
            return Err(format!("data uses itself in a circle: {}", names.join(", ")));
        };
        ordered.push(rest.remove(at));
    }
    Ok(ordered)
}

/// Small letters, so that no name can be an operator of rrdgraph.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
