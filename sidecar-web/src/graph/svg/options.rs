//! The options among rrdgraph's arguments.

/// What the options say, as far as it is drawn here.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// First second, since 1970.
    pub start: i64,
    /// Last second.
    pub end: i64,
    /// Of the canvas, in pixels.
    pub width: u32,
    /// Of the canvas, in pixels.
    pub height: u32,
    /// Pixels of the picture a pixel of these sizes.
    pub zoom: f64,
    /// Where the vertical axis begins, unless the values need more.
    pub lower: Option<f64>,
    /// Where it ends, unless the values need more.
    pub upper: Option<f64>,
    /// Whether these hold whatever the values need.
    pub is_rigid: bool,
    /// What a prefix such as `k` stands for.
    pub base: f64,
    /// The power of ten of the axis' prefix, where it is fixed.
    pub units_exponent: Option<i32>,
    /// Above the canvas.
    pub title: String,
    /// Beside it.
    pub vertical_label: String,
    /// Grid and labels of the time axis, as rrdgraph has them.
    pub x_grid: String,
    /// Whether names and numbers stand below the canvas.
    pub has_legend: bool,
    /// Around the data.
    pub colors: Colors,
}

/// Colours around the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colors {
    /// Behind all.
    pub back: Color,
    /// Of texts.
    pub font: Color,
    /// Of the axes.
    pub axis: Color,
    /// Of the fine grid.
    pub grid: Color,
    /// Of the grid at the labels.
    pub main_grid: Color,
}

/// A colour and how far one sees through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color {
    /// Red, green, blue.
    rgb: u32,
    /// 255 where nothing is seen through.
    alpha: u8,
}

impl Color {
    /// Reads `#rrggbb` or `#rrggbbaa`; the short forms as well.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let long = match digits.len() {
            3 | 4 => digits.chars().flat_map(|digit| [digit, digit]).collect(),
            6 | 8 => digits.to_owned(),
            _ => return None,
        };
        let number = u32::from_str_radix(&long, 16).ok()?;
        Some(match long.len() {
            6 => Self { rgb: number, alpha: 255 },
            _ => Self { rgb: number >> 8, alpha: u8::try_from(number & 255).ok()? },
        })
    }

    /// As the attributes of `fill` or `stroke`, whichever `what` says.
    #[must_use]
    pub fn attributes(self, what: &str) -> String {
        let color = format!("{what}=\"#{:06x}\"", self.rgb);
        match self.alpha {
            255 => color,
            alpha => format!("{color} {what}-opacity=\"{:.2}\"", f64::from(alpha) / 255.0),
        }
    }
}

/// Options of how librrd draws; here it is always as a page has it.
const LOOKS: [&str; 4] = ["--imgformat", "--border", "--grid-dash", "--font"];

/// The same without a value.
const LOOKS_ALONE: [&str; 3] = ["--slope-mode", "--dynamic-labels", "--disable-rrdtool-tag"];

/// Short options and the long ones that they are.
const SHORT: [(&str, &str); 6] = [
    ("-b", "--base"),
    ("-l", "--lower-limit"),
    ("-u", "--upper-limit"),
    ("-r", "--rigid"),
    ("-v", "--vertical-label"),
    ("-X", "--units-exponent"),
];

impl Options {
    /// The options of rrdgraph's arguments, which begin with the command's name and the file's, and
    /// the arguments that are none. `None` where one is not understood, or no SVG is asked for.
    #[must_use]
    pub fn read(arguments: &[String]) -> Option<(Self, Vec<&str>)> {
        let white = Color { rgb: 0x00ff_ffff, alpha: 255 };
        let grey = Color { rgb: 0x0080_8080, alpha: 255 };
        let mut options = Self {
            start: 0,
            end: 0,
            width: 400,
            height: 100,
            zoom: 1.0,
            lower: None,
            upper: None,
            is_rigid: false,
            base: 1000.0,
            units_exponent: None,
            title: String::new(),
            vertical_label: String::new(),
            x_grid: String::new(),
            has_legend: true,
            colors: Colors { back: white, font: grey, axis: grey, grid: grey, main_grid: grey },
        };
        let mut others = Vec::new();
        let mut is_svg = false;
        let mut words = arguments.iter().skip(2).map(String::as_str);
        while let Some(word) = words.next() {
            if !word.starts_with('-') {
                others.push(word);
                continue;
            }
            let (name, attached) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            let long = SHORT.iter().find(|(short, _)| *short == name).map(|(_, long)| *long);
            let name = long.unwrap_or(name);
            match name {
                "--rigid" => options.is_rigid = true,
                "--no-legend" => options.has_legend = false,
                _ if LOOKS_ALONE.contains(&name) => {}
                _ => {
                    let value = attached.or_else(|| words.next())?;
                    is_svg = if name == "--imgformat" { value == "SVG" } else { is_svg };
                    options.set(name, value)?;
                }
            }
        }
        let is_drawable = options.end > options.start
            && (1..=10_000).contains(&options.width)
            && (1..=10_000).contains(&options.height)
            && options.zoom > 0.0
            && options.base > 1.0;
        (is_svg && is_drawable).then_some((options, others))
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let limit = || value.parse().ok().filter(|limit: &f64| limit.is_finite()).map(Some);
        match name {
            "--start" => self.start = value.parse().ok()?,
            "--end" => self.end = value.parse().ok()?,
            "--width" => self.width = value.parse().ok()?,
            "--height" => self.height = value.parse().ok()?,
            "--zoom" => self.zoom = value.parse().ok()?,
            "--lower-limit" => self.lower = limit()?,
            "--upper-limit" => self.upper = limit()?,
            "--base" => self.base = value.parse().ok()?,
            "--units-exponent" => self.units_exponent = Some(value.parse().ok()?),
            "--title" => self.title = value.to_owned(),
            "--vertical-label" => self.vertical_label = value.to_owned(),
            "--x-grid" => self.x_grid = value.to_owned(),
            "--color" => {
                let (tag, color) = value.split_at(value.find('#')?);
                let color = Color::read(color)?;
                match tag {
                    "BACK" => self.colors.back = color,
                    "FONT" => self.colors.font = color,
                    "AXIS" => self.colors.axis = color,
                    "GRID" => self.colors.grid = color,
                    "MGRID" => self.colors.main_grid = color,
                    _ => {}
                }
            }
            _ if LOOKS.contains(&name) => {}
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        format!("graph - {text}").split(' ').map(str::to_owned).collect()
    }

    const PLAIN: &str = "--imgformat SVG --start 0 --end 600 --width 10 --height 5";

    #[test]
    fn the_last_of_an_option_holds_in_each_of_its_forms() {
        let arguments = words(&format!("{PLAIN} -l 1 --base=1024 --lower-limit -5 -r AREA:a"));
        let (options, others) = Options::read(&arguments).unwrap();
        assert_eq!((options.lower, options.base, options.is_rigid), (Some(-5.0), 1024.0, true));
        assert_eq!(others, ["AREA:a"]);
    }

    #[test]
    fn what_is_not_understood_is_left_to_librrd() {
        for more in [
            "--logarithmic",
            "--alt-autoscale",
            "--base x",
            "--color BACK#12345",
            "--upper-limit inf",
            "-l",
        ] {
            assert_eq!(Options::read(&words(&format!("{PLAIN} {more}"))), None, "{more}");
        }
        for other in ["--imgformat PNG", "--end -1", "--width 0", "--start now-1h"] {
            assert_eq!(Options::read(&words(&format!("{PLAIN} {other}"))), None, "{other}");
        }
    }

    #[test]
    fn a_colour_says_how_far_one_sees_through_it() {
        let attributes = |text| Color::read(text).map(|color| color.attributes("fill"));
        assert_eq!(attributes("#4C8FDB").unwrap(), "fill=\"#4c8fdb\"");
        assert_eq!(attributes("#4C8FDB80").unwrap(), "fill=\"#4c8fdb\" fill-opacity=\"0.50\"");
        assert_eq!(attributes("#fff").unwrap(), "fill=\"#ffffff\"");
        assert_eq!(attributes("#+12345"), None);
    }
}
