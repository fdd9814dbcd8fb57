//! The colours of a graph around its data, for pages in light and in dark; the same as in the style
//! sheet, so that a picture has no visible border.

/// What a picture is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    /// Reads the parameter `theme`.
    ///
    /// # Errors
    /// Names the value and the rule.
    pub fn parse(text: &str) -> Result<Self, String> {
        [Self::Light, Self::Dark]
            .into_iter()
            .find(|theme| theme.name() == text)
            .ok_or_else(|| format!("theme '{text}' must be light or dark"))
    }

    /// As the parameter `theme` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// rrdgraph's values of `--color`.
    #[must_use]
    pub fn colors(self) -> &'static [&'static str] {
        match self {
            Self::Light => &[
                "BACK#ffffff",
                "CANVAS#ffffff",
                "SHADEA#ffffff",
                "SHADEB#ffffff",
                "FONT#30363d",
                "AXIS#8c959f",
                "FRAME#8c959f",
                "ARROW#ffffff00",
                "GRID#6e778126",
                "MGRID#6e77814d",
            ],
            Self::Dark => &[
                "BACK#171b20",
                "CANVAS#171b20",
                "SHADEA#171b20",
                "SHADEB#171b20",
                "FONT#c9d1d9",
                "AXIS#59636e",
                "FRAME#59636e",
                "ARROW#171b2000",
                "GRID#9198a126",
                "MGRID#9198a14d",
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_lies_on_its_page_without_a_border() {
        let style = include_str!("../../assets/kurado.css");
        let (_, rest) = style.split_once("--card: light-dark(").unwrap();
        let cards: Vec<&str> = rest.split(')').next().unwrap().split(", ").collect();
        assert_eq!(cards.len(), 2);
        for (theme, card) in std::iter::zip([Theme::Light, Theme::Dark], cards) {
            assert!(theme.colors().contains(&format!("BACK{card}").as_str()), "{theme:?}: {card}");
        }
    }
}
