//! Values that a graph draws: rrdgraph's reverse Polish notation, in which keys stand for their
//! series: `get_hits.derive,get_hits.derive,get_misses.derive,+,/,100,*`.

use line_protocol::DataSourceType;

use super::template::{Scope, Template};

/// A value: a lone key, a number, or a calculation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression(Vec<Token>);

/// A part of an expression between commas.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// The key of a series, or a whole placeholder `<%RRD_EXTEND plugin address key %>`.
    Key(Template),
    /// One of the graph's `data`.
    Data(String),
    /// A number or an operator, as rrdgraph takes it.
    Word(String),
}

/// rrdgraph's operators for values over time (CDEF), as `man rrdgraph_rpn` lists them.
const OPERATORS: &[&str] = &[
    "LT",
    "LE",
    "GT",
    "GE",
    "EQ",
    "NE",
    "UN",
    "ISINF",
    "IF",
    "MIN",
    "MAX",
    "MINNAN",
    "MAXNAN",
    "LIMIT",
    "+",
    "-",
    "*",
    "/",
    "%",
    "ADDNAN",
    "POW",
    "SIN",
    "COS",
    "LOG",
    "EXP",
    "SQRT",
    "ATAN",
    "ATAN2",
    "FLOOR",
    "CEIL",
    "DEG2RAD",
    "RAD2DEG",
    "ABS",
    "SORT",
    "REV",
    "AVG",
    "SMIN",
    "SMAX",
    "MEDIAN",
    "STDEV",
    "PERCENT",
    "COUNT",
    "TREND",
    "TRENDNAN",
    "PREDICT",
    "PREDICTSIGMA",
    "PREDICTPERC",
    "UNKN",
    "INF",
    "NEGINF",
    "PREV",
    "NOW",
    "STEPWIDTH",
    "NEWDAY",
    "NEWWEEK",
    "NEWMONTH",
    "NEWYEAR",
    "TIME",
    "LTIME",
    "DUP",
    "POP",
    "EXC",
    "DEPTH",
    "INDEX",
    "COPY",
    "ROLL",
];

/// Its functions that make one number of a whole series (VDEF).
const SUMMARIES: &[&str] = &[
    "MAXIMUM",
    "MINIMUM",
    "AVERAGE",
    "STDEV",
    "LAST",
    "FIRST",
    "TOTAL",
    "PERCENT",
    "PERCENTNAN",
    "LSLSLOPE",
    "LSLINT",
    "LSLCORREL",
];

impl Expression {
    /// Reads an expression; `variables` may stand in keys, `data` are the names defined beside it.
    pub(crate) fn parse(text: &str, variables: &[&str], data: &[&str]) -> Result<Self, String> {
        let tokens = text
            .split(',')
            .map(|token| Token::parse(token.trim(), variables, data))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|fault| format!("'{text}': {fault}"))?;
        let expression = Self(tokens);
        let summary = expression.0.iter().find_map(|token| match token {
            Token::Word(word) if SUMMARIES.contains(&word.as_str()) => Some(word),
            _ => None,
        });
        match summary {
            Some(word) if !OPERATORS.contains(&word.as_str()) && !expression.is_summary() => {
                Err(format!("'{text}': {word} must stand behind one key or name, and nothing else"))
            }
            _ => Ok(expression),
        }
    }

    /// The key, where it is one key and nothing else.
    pub(crate) fn lone_key(&self) -> Option<&Template> {
        match self.0.as_slice() {
            [Token::Key(key)] => Some(key),
            _ => None,
        }
    }

    /// The name, where it is one of the graph's `data` and nothing else.
    pub(crate) fn lone_data(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Token::Data(name)] => Some(name),
            _ => None,
        }
    }

    /// The number, where it is one number and nothing else.
    pub(crate) fn lone_number(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Token::Word(word)] if is_number(word) => Some(word),
            _ => None,
        }
    }

    /// Whether it makes one number of a whole series, and so is a VDEF.
    pub(crate) fn is_summary(&self) -> bool {
        let function = match self.0.as_slice() {
            [Token::Key(_) | Token::Data(_), Token::Word(function)] => function,
            [Token::Key(_) | Token::Data(_), Token::Word(number), Token::Word(function)]
                if is_number(number) && function.starts_with("PERCENT") =>
            {
                function
            }
            _ => return false,
        };
        SUMMARIES.contains(&function.as_str())
    }

    /// The names of `data` that it uses.
    pub(crate) fn uses(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|token| match token {
            Token::Data(name) => Some(name.as_str()),
            Token::Key(_) | Token::Word(_) => None,
        })
    }

    /// The keys and placeholders in it.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Template> {
        self.0.iter().filter_map(|token| match token {
            Token::Key(key) => Some(key),
            Token::Data(_) | Token::Word(_) => None,
        })
    }

    /// The expression as rrdgraph takes it; `series` gives the name that a key's DEF has.
    pub(crate) fn fill(
        &self,
        scope: &Scope<'_>,
        mut series: impl FnMut(String) -> String,
    ) -> String {
        let tokens: Vec<String> = self
            .0
            .iter()
            .map(|token| match token {
                Token::Key(key) => series(key.fill(scope)),
                Token::Data(word) | Token::Word(word) => word.clone(),
            })
            .collect();
        tokens.join(",")
    }
}

impl Token {
    fn parse(text: &str, variables: &[&str], data: &[&str]) -> Result<Self, String> {
        if text.starts_with("<%RRD") || DataSourceType::of_key(text).is_some() {
            Template::parse(text, variables).map(Self::Key)
        } else if data.contains(&text) {
            Ok(Self::Data(text.to_owned()))
        } else if is_number(text) || OPERATORS.contains(&text) || SUMMARIES.contains(&text) {
            Ok(Self::Word(text.to_owned()))
        } else {
            Err(format!(
                "'{text}' is no key (it would end in .gauge, .counter, .derive or .absolute), no name in data, no number and no operator of rrdgraph"
            ))
        }
    }
}

fn is_number(text: &str) -> bool {
    // Rust also reads "inf" and "nan".
    text.parse::<f64>().is_ok_and(f64::is_finite)
        && text.ends_with(|c: char| c.is_ascii_digit() || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Meta;

    fn parse(text: &str) -> Result<Expression, String> {
        Expression::parse(text, &["device"], &["total"])
    }

    #[test]
    fn keys_names_numbers_and_operators_are_told_apart() {
        let expression = parse("x-{device}.derive,total,/,100,*,0,1e9,LIMIT").unwrap();
        let meta = Meta::new();
        let scope = Scope { variables: vec![("device".into(), "sda".into())], meta: &meta };
        let mut keys = Vec::new();
        let filled = expression.fill(&scope, |key| {
            keys.push(key);
            "k".to_owned()
        });
        assert_eq!(filled, "k,total,/,100,*,0,1e9,LIMIT");
        assert_eq!(keys, ["x-sda.derive"]);
        assert_eq!(expression.uses().collect::<Vec<_>>(), ["total"]);
    }

    #[test]
    fn a_summary_is_one_function_of_one_series() {
        assert!(parse("total,LSLSLOPE").unwrap().is_summary());
        assert!(parse("a.gauge,95,PERCENT").unwrap().is_summary());
        assert!(!parse("total,a.gauge,2,STDEV").unwrap().is_summary());
        assert!(!parse("total,1,+").unwrap().is_summary());
        assert!(parse("total,2,*,LSLSLOPE").is_err());
    }

    #[test]
    fn an_unknown_part_is_a_fault() {
        assert_eq!(
            parse("totl,100,*").unwrap_err(),
            "'totl,100,*': 'totl' is no key (it would end in .gauge, .counter, .derive or .absolute), no name in data, no number and no operator of rrdgraph"
        );
        assert!(parse("inf").is_err());
        assert!(parse("").is_err());
        assert!(parse("a-{devise}.gauge").is_err());
    }
}
