//! The same graph some time before, for comparison: what was drawn then, as pale lines over what is
//! drawn now.

use super::drawn::{Instruction, Series, Shape};
use crate::term::{Previous, Range};

/// Stands before the names of what was then; no definition uses it.
const PREFIX: &str = "kurado_previous_";

/// The same of how high a stack was.
const HEIGHT: &str = "kurado_height_";

/// How far one sees through a line.
const PALE: &str = "90";

/// The arguments that define each value of `arguments` once more, as it was some time before
/// `range`, moved to the times of `range`. Each new name is the old one behind a prefix.
#[must_use]
pub fn definitions(arguments: &[String], range: &Range, previous: Previous) -> Vec<String> {
    let offset = previous.seconds();
    let (start, end) = (range.start - offset, range.end - offset);
    let mut known = Vec::new();
    let mut definitions = Vec::new();
    for argument in arguments {
        match Instruction::read(argument) {
            Instruction::Def { name, rest } => {
                known.push(name);
                definitions.push(format!("DEF:{PREFIX}{name}={rest}:start={start}:end={end}"));
                // At once: librrd calculates with what has been moved before.
                definitions.push(format!("SHIFT:{PREFIX}{name}:{offset}"));
            }
            Instruction::Cdef { name, expression } => {
                definitions.push(format!("CDEF:{PREFIX}{name}={}", renamed(expression, &known)));
                known.push(name);
            }
            Instruction::Vdef { name, expression } => {
                definitions.push(format!("VDEF:{PREFIX}{name}={}", renamed(expression, &known)));
                known.push(name);
            }
            _ => {}
        }
    }
    definitions
}

/// The name of what `value` was then.
#[must_use]
pub fn name_of(value: &str) -> String {
    format!("{PREFIX}{value}")
}

/// The pale lines: one for each line and area, and one for each border within a stack.
#[must_use]
pub fn lines(series: &[Series]) -> Vec<String> {
    let mut arguments = Vec::new();
    // What lies below the next one of a stack.
    let mut below: Option<String> = None;
    for (at, series) in series.iter().enumerate() {
        let own = name_of(&series.value);
        let height = match below.filter(|_| series.shape == Shape::Stack) {
            Some(below) => {
                let height = format!("{HEIGHT}{at}");
                arguments.push(format!("CDEF:{height}={below},{own},ADDNAN"));
                height
            }
            None => own,
        };
        if let Some(color) = series.color.get(..7) {
            arguments.push(format!("LINE1:{height}{color}{PALE}"));
        }
        below = Some(height);
    }
    arguments
}

fn renamed(expression: &str, known: &[&str]) -> String {
    let words: Vec<String> = expression
        .split(',')
        .map(|word| if known.contains(&word) { name_of(word) } else { word.to_owned() })
        .collect();
    words.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::drawn;
    use crate::term::Term;

    #[test]
    fn all_that_is_drawn_is_defined_once_more_a_day_before() {
        let range = Range { term: Term::Hour, start: 100_000, end: 103_600 };
        let arguments = [
            "--base",
            "1024",
            r"DEF:a=/x\:y/a.rrd:n:AVERAGE",
            "CDEF:b=a,8,*",
            "VDEF:c=b,MAXIMUM",
            "AREA:b#112233A0:Bits",
        ]
        .map(str::to_owned);
        assert_eq!(
            definitions(&arguments, &range, Previous::Day),
            [
                r"DEF:kurado_previous_a=/x\:y/a.rrd:n:AVERAGE:start=13600:end=17200",
                "SHIFT:kurado_previous_a:86400",
                "CDEF:kurado_previous_b=kurado_previous_a,8,*",
                "VDEF:kurado_previous_c=kurado_previous_b,MAXIMUM",
            ]
        );
        assert_eq!(lines(&drawn::series(&arguments)), ["LINE1:kurado_previous_b#11223390"]);
    }

    #[test]
    fn of_a_stack_each_border_is_drawn() {
        let arguments = [
            "DEF:a=/a:n:AVERAGE",
            "DEF:b=/b:n:AVERAGE",
            "DEF:c=/c:n:AVERAGE",
            "AREA:a#111111:A",
            "AREA:b#222222:B:STACK",
            "LINE1:c#333333:C",
        ]
        .map(str::to_owned);
        assert_eq!(
            lines(&drawn::series(&arguments)),
            [
                "LINE1:kurado_previous_a#11111190",
                "CDEF:kurado_height_1=kurado_previous_a,kurado_previous_b,ADDNAN",
                "LINE1:kurado_height_1#22222290",
                "LINE1:kurado_previous_c#33333390",
            ]
        );
    }
}
