//! Which archives a file has: how long it keeps values, and how fine.

use std::fmt;
use std::str::FromStr;

use crate::HEARTBEAT;
use crate::header;

/// Most steps that one row may take: two years of minutes.
pub const MOST_STEPS: u32 = 1_000_000;
/// Most archives of a new file.
pub const MOST_ARCHIVES: usize = 100;
/// Most bytes of a new file.
pub const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// How the values of a row's time become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Consolidation {
    /// The mean over a row's time.
    Average,
    /// The least.
    Min,
    /// The most.
    Max,
    /// The last.
    Last,
}

impl Consolidation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Average, Self::Min, Self::Max, Self::Last];

    /// As rrdcreate names it.
    #[must_use]
    pub fn rrd_name(self) -> &'static str {
        match self {
            Self::Average => "AVERAGE",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::Last => "LAST",
        }
    }
}

/// One archive of a new file. A row is unknown where more than half of its time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArchiveDef {
    /// How values become a row.
    pub consolidation: Consolidation,
    /// Steps of [`crate::STEP`] seconds that a row takes.
    pub steps: u32,
    /// How many rows are kept.
    pub rows: u32,
}

/// What a new file is made of.
///
/// Its text, such as `AVERAGE:1:2880,MAX:60:960`, names each archive's consolidation, steps a row
/// and rows; the heartbeat is no part of it, and is the standard one in a layout that was parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Seconds without a point after which the value is unknown.
    pub heartbeat: u32,
    /// In the order in which they lie in the file.
    pub archives: Vec<ArchiveDef>,
}

/// Why files can't have a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A text that names no archive.
    #[error(
        "archive '{0}' must be a consolidation (AVERAGE, MIN, MAX or LAST), steps a row and rows, \
         such as AVERAGE:5:2880"
    )]
    NotAnArchive(String),
    /// Of an archive.
    #[error("archive {0} must take 1 to {MOST_STEPS} steps a row")]
    Steps(ArchiveDef),
    /// Of an archive.
    #[error("archive {0} must have at least one row")]
    Rows(ArchiveDef),
    /// Of all.
    #[error("{0} archives, where a file has 1 to {MOST_ARCHIVES}")]
    Count(usize),
    /// Of all.
    #[error("files would be of {0} bytes, where {MOST_BYTES} is the most")]
    Size(u64),
    /// Of the one data source.
    #[error("a heartbeat of 0 s would make every value unknown")]
    Heartbeat,
}

impl Default for Layout {
    /// The layout of existing installations, 190,552 bytes a file.
    fn default() -> Self {
        let mut archives = Vec::with_capacity(12);
        for consolidation in [Consolidation::Average, Consolidation::Min, Consolidation::Max] {
            for (steps, rows) in [(1, 2880), (5, 2880), (60, 960), (1440, 1100)] {
                archives.push(ArchiveDef { consolidation, steps, rows });
            }
        }
        Self { heartbeat: HEARTBEAT, archives }
    }
}

impl Layout {
    /// Bytes of a file of this layout.
    #[must_use]
    pub fn file_size(&self) -> u64 {
        let rows: u64 = self.archives.iter().map(|archive| u64::from(archive.rows)).sum();
        header::length(self.archives.len()) as u64 + 8 * rows
    }

    /// Whether files can be made of it.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self) -> Result<(), LayoutError> {
        if self.heartbeat == 0 {
            return Err(LayoutError::Heartbeat);
        }
        if self.archives.is_empty() || self.archives.len() > MOST_ARCHIVES {
            return Err(LayoutError::Count(self.archives.len()));
        }
        for archive in &self.archives {
            if !(1..=MOST_STEPS).contains(&archive.steps) {
                return Err(LayoutError::Steps(*archive));
            }
            if archive.rows == 0 {
                return Err(LayoutError::Rows(*archive));
            }
        }
        let size = self.file_size();
        if size > MOST_BYTES {
            return Err(LayoutError::Size(size));
        }
        Ok(())
    }
}

impl fmt::Display for ArchiveDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.consolidation.rrd_name(), self.steps, self.rows)
    }
}

impl FromStr for ArchiveDef {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        let parse = || {
            let (name, numbers) = text.split_once(':')?;
            let (steps, rows) = numbers.split_once(':')?;
            let consolidation =
                Consolidation::ALL.into_iter().find(|known| known.rrd_name() == name)?;
            let number = |digits: &str| {
                // Rust would take a sign as well.
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
                digits.parse::<u32>().ok().filter(|_| plain)
            };
            Some(Self { consolidation, steps: number(steps)?, rows: number(rows)? })
        };
        parse().ok_or_else(|| LayoutError::NotAnArchive(text.escape_debug().to_string()))
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, archive) in self.archives.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{archive}")?;
        }
        Ok(())
    }
}

impl FromStr for Layout {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        let archives = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        let layout = Self { heartbeat: HEARTBEAT, archives };
        layout.check()?;
        Ok(layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_standard_layout_is_that_of_existing_installations() {
        let standard = Layout::default();
        assert_eq!(standard.check(), Ok(()));
        assert_eq!(standard.file_size(), 190_552);
        assert_eq!(
            standard.to_string(),
            "AVERAGE:1:2880,AVERAGE:5:2880,AVERAGE:60:960,AVERAGE:1440:1100,\
             MIN:1:2880,MIN:5:2880,MIN:60:960,MIN:1440:1100,\
             MAX:1:2880,MAX:5:2880,MAX:60:960,MAX:1440:1100"
        );
        assert_eq!(standard.to_string().parse(), Ok(standard));
    }

    #[test]
    fn a_layout_that_no_file_can_have_is_refused_with_the_rule() {
        let error = |text: &str| text.parse::<Layout>().unwrap_err().to_string();
        for text in ["", "AVERAGE", "AVERAGE:1", "average:1:2", "MEAN:1:2", "MIN:1:2:3", "MIN:+1:2"]
        {
            assert!(error(text).starts_with(&format!("archive '{text}' must be a cons")), "{text}");
        }
        assert!(error("MIN:1:99999999999").contains("'MIN:1:99999999999' must be"));
        assert_eq!(error("MIN:0:5"), "archive MIN:0:5 must take 1 to 1000000 steps a row");
        assert_eq!(error("MIN:1000001:5"), error("MIN:0:5").replace(":0:", ":1000001:"));
        assert_eq!(error("LAST:1:5,LAST:1:0"), "archive LAST:1:0 must have at least one row");
        let many = ["MAX:1:1"; 101].join(",");
        assert_eq!(error(&many), "101 archives, where a file has 1 to 100");
        assert!(error("MAX:1:8388608").contains("67109448 bytes, where 67108864 is the most"));
        let deaf = Layout { heartbeat: 0, ..Layout::default() };
        assert_eq!(deaf.check(), Err(LayoutError::Heartbeat));
    }

    proptest! {
        #[test]
        fn a_layout_reads_back_from_its_text(
            archives in prop::collection::vec((0..4usize, 1..=MOST_STEPS, 1..80_000u32), 1..=100)
        ) {
            let archives = archives.into_iter().map(|(index, steps, rows)| {
                ArchiveDef { consolidation: Consolidation::ALL[index], steps, rows }
            });
            let layout = Layout { archives: archives.collect(), ..Layout::default() };
            prop_assert_eq!(layout.to_string().parse(), Ok(layout));
        }
    }
}
