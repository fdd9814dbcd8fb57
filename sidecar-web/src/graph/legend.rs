//! Numbers of a legend that are unknown. librrd prints them as C does, `nan` or `-nan`; here they
//! read as a dash, in as much room, so that the columns stand where they stood.

use super::drawn::split_field;
use super::librrd;
use super::protocol::Picture;

/// What an unknown number reads as.
const UNKNOWN: &str = "–";

/// The consolidation functions that an old-style GPRINT may name.
const FUNCTIONS: [&str; 4] = ["AVERAGE", "MIN", "MAX", "LAST"];

/// Draws one picture, as [`librrd::draw`] does. Where numbers of its legend are unknown it is drawn
/// twice: only librrd knows which.
///
/// # Errors
/// librrd's own words about what is wrong.
pub fn draw(arguments: &[String]) -> Result<Picture, String> {
    let numbers: Vec<(usize, Number<'_>)> = arguments
        .iter()
        .enumerate()
        .filter_map(|(at, argument)| Some((at, Number::read(argument)?)))
        .collect();
    let mut asked = arguments.to_vec();
    asked.extend(numbers.iter().map(|(_, number)| number.print()));
    let drawn = librrd::draw(&asked)?;
    // Those of the definition stand before ours.
    let ours = drawn.printed.len().saturating_sub(numbers.len());
    let mut dashed = arguments.to_vec();
    let mut any = false;
    for ((at, number), printed) in std::iter::zip(&numbers, drawn.printed.iter().skip(ours)) {
        if printed.contains("nan")
            && let Some(argument) = dashed.get_mut(*at)
        {
            *argument = format!("COMMENT:{}", unknown(number.format));
            any = true;
        }
    }
    if any { librrd::draw(&dashed).map(|drawn| drawn.picture) } else { Ok(drawn.picture) }
}

/// `GPRINT:value:format`, or the old `GPRINT:value:function:format`.
struct Number<'a> {
    /// The value, and the function where it has one.
    value: &'a str,
    format: &'a str,
}

impl<'a> Number<'a> {
    /// `None` for anything else, a GPRINT of a time among them.
    fn read(argument: &'a str) -> Option<Self> {
        let rest = argument.strip_prefix("GPRINT:")?;
        let (name, behind) = split_field(rest)?;
        let function = split_field(behind)
            .and_then(|(word, _)| FUNCTIONS.iter().find(|known| **known == word));
        let value = name.len() + function.map_or(0, |function| function.len() + 1);
        let (value, format) = (rest.get(..value)?, rest.get(value + 1..)?);
        split_field(format).is_none().then_some(Self { value, format })
    }

    /// What has librrd tell the number itself, beside the picture.
    fn print(&self) -> String {
        format!("PRINT:{}:%le", self.value)
    }
}

/// A format filled in with no number. Its unit, which is what stands right behind the number or its
/// prefix, goes as well.
pub fn unknown(format: &str) -> String {
    let mut out = String::new();
    let mut is_unit = false;
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '%' if chars.next_if_eq(&'%').is_some() => out.push(if is_unit { ' ' } else { '%' }),
            '%' if chars.next_if(|c| "sS".contains(*c)).is_some() => {
                out.push(' ');
                is_unit = true;
            }
            '%' => {
                let is_left = chars.next_if_eq(&'-').is_some();
                let mut spec = String::new();
                while let Some(c) = chars.next_if(|c| !c.is_ascii_alphabetic()) {
                    spec.push(c);
                }
                chars.next_if_eq(&'l');
                chars.next();
                let width = spec.split('.').next().and_then(|width| width.trim().parse().ok());
                let width: usize = width.unwrap_or(0);
                out.push_str(&match is_left {
                    true => format!("{UNKNOWN:<width$}"),
                    false => format!("{UNKNOWN:>width$}"),
                });
                is_unit = true;
            }
            '\\' => {
                out.push('\\');
                out.extend(chars.next());
                is_unit = false;
            }
            ' ' => {
                out.push(' ');
                is_unit = false;
            }
            other => out.push(if is_unit { ' ' } else { other }),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn an_unknown_number_takes_the_room_of_a_number_and_has_no_unit() {
        for (format, shown) in [
            ("%7.2lf", "      –"),
            ("%7.2lf %sB/s   \\l", "      –        \\l"),
            ("%7.2lf%%", "      – "),
            ("Ave\\: %5.1lf%s", "Ave\\:     – "),
            ("100%% of %lf jobs", "100% of – jobs"),
            ("%-6.1le|", "–      "),
        ] {
            assert_eq!(unknown(format), shown, "{format}");
        }
    }

    #[test]
    fn only_what_prints_a_number_is_read() {
        let read = |argument: &'static str| {
            Number::read(argument).map(|number| (number.print(), number.format))
        };
        assert_eq!(read("GPRINT:v:%lf\\: x"), Some(("PRINT:v:%le".into(), "%lf\\: x")));
        assert_eq!(read("GPRINT:v:MAX:%lf\\l"), Some(("PRINT:v:MAX:%le".into(), "%lf\\l")));
        assert_eq!(read("GPRINT:v:%H\\:%M:strftime"), None);
        assert_eq!(read("COMMENT:a:b"), None);
        assert_eq!(read("GPRINT:v"), None);
    }

    // One test for all, as librrd may be in one thread alone.
    #[test]
    fn a_picture_has_dashes_where_nothing_is_known_and_is_librrds_own_where_all_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let rrdtool = |arguments: &[&str]| {
            let ran = Command::new("rrdtool").args(arguments).output().unwrap();
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        };
        for name in ["empty", "full"] {
            let (data_source, archive) = ("DS:n:GAUGE:120:U:U", "RRA:AVERAGE:0.5:1:100");
            let name = file(name);
            rrdtool(&["create", &name, "--start", "1200000000", "-s", "60", data_source, archive]);
        }
        let points: Vec<String> =
            (1..=60).map(|n| format!("{}:{n}", 1_200_000_000 + n * 60)).collect();
        let full = file("full");
        rrdtool(
            &[&["update", &full], &*points.iter().map(String::as_str).collect::<Vec<_>>()].concat(),
        );

        let picture = |name: &str, print: [&str; 3]| -> Vec<String> {
            let mut arguments: Vec<String> =
                ["graph", "-", "--imgformat", "PNG", "--start"].map(str::to_owned).into();
            arguments.extend(["1200000000", "--end", "1200003600"].map(str::to_owned));
            arguments.push(format!("DEF:a={}:n:AVERAGE", file(name)));
            arguments.extend(
                ["VDEF:now=a,LAST", "PRINT:now:%lf", "LINE1:a#ff0000:Load"].map(str::to_owned),
            );
            arguments.extend(print.map(str::to_owned));
            arguments
        };
        let asked = ["GPRINT:now:%7.2lf %sB", "GPRINT:a:MAX:Max\\: %7.2lf\\l", "COMMENT:nan\\l"];
        let dashes = ["COMMENT:      –   ", "COMMENT:Max\\:       –\\l", "COMMENT:nan\\l"];
        let raw = |arguments: &[String]| librrd::draw(arguments).unwrap().picture;
        let drawn = draw(&picture("empty", asked)).unwrap();
        assert!(drawn == raw(&picture("empty", dashes)), "the numbers are dashes");
        assert!(drawn != raw(&picture("empty", asked)), "librrd prints them otherwise");
        let drawn = draw(&picture("full", asked)).unwrap();
        assert!(drawn == raw(&picture("full", asked)), "what is known stays as it is");
        assert!(draw(&["graph".to_owned(), "-".to_owned()]).is_err());
    }
}
