//! RRD files made beforehand: the same bytes for whoever writes them.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::Result;
use crate::bench::Bench;
use crate::payload::{Fleet, SHIFTS, STEP, Shift};

/// Which archives the files have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The module's own: 190,552 bytes.
    Standard,
    /// One archive of ten rows, where only the memory of the servers is of interest.
    Tiny,
}

/// A file of each series of a fleet, last updated a minute before the fleet's first points.
pub struct RrdFiles {
    directory: TempDir,
    names: Vec<String>,
    /// The bytes of each kind of file.
    templates: Vec<Vec<u8>>,
    /// Which template each file has.
    kinds: Vec<usize>,
    layout: Layout,
    start: u32,
    shift: Shift,
}

impl Layout {
    fn archives(self) -> Vec<String> {
        match self {
            Self::Tiny => vec!["RRA:AVERAGE:0.5:1:10".to_owned()],
            Self::Standard => ["AVERAGE", "MIN", "MAX"]
                .iter()
                .flat_map(|cf| {
                    ["1:2880", "5:2880", "60:960", "1440:1100"]
                        .map(|rows| format!("RRA:{cf}:0.5:{rows}"))
                })
                .collect(),
        }
    }

    /// Where the time of the last update is (`rrd_format.h`): behind `stat_head`, one `ds_def`, and
    /// an `rra_def` each archive.
    fn last_update(self) -> usize {
        128 + 120 + 120 * self.archives().len()
    }

    /// Bytes before the first row: then follow `live_head`, one `pdp_prep`, and `cdp_prep` and
    /// `rra_ptr` each archive.
    fn head(self) -> usize {
        self.last_update() + 16 + 112 + (80 + 8) * self.archives().len()
    }
}

impl RrdFiles {
    /// Makes the files of a fleet whose first points are a minute after `start`, shifted as the
    /// fleet is.
    ///
    /// # Errors
    /// Where rrdtool is missing or the disk is full.
    pub fn make(
        bench: &Bench,
        fleet: &Fleet,
        layout: Layout,
        start: u32,
        shift: Shift,
    ) -> Result<Self> {
        let directory = bench.directory()?;
        let shifts = if shift == Shift::None { 1 } else { SHIFTS };
        let mut templates = Vec::new();
        for n in 0..shifts {
            for source in ["DS:n:DERIVE:120:U:U", "DS:n:GAUGE:120:U:U"] {
                let path = directory.path().join("template");
                create(&path, start + shift.seconds(n), source, layout)?;
                templates.push(fs::read(&path)?);
                fs::remove_file(&path)?;
            }
        }
        let count = fleet.series_count();
        let names: Vec<String> = (0..count).map(|n| fleet.file(n)).collect();
        let kinds = (0..count).map(|n| 2 * (n % shifts) + usize::from(!fleet.is_counter(n)));
        let kinds = kinds.collect();
        let files = Self { directory, names, templates, kinds, layout, start, shift };
        for (name, kind) in files.names.iter().zip(&files.kinds) {
            let path = files.path().join(name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, &files.templates[*kind])?;
        }
        Ok(files)
    }

    /// The data directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Takes back what was written: each file says again what it said when it was made, in all but
    /// old rows.
    ///
    /// # Errors
    /// Where a file can't be written.
    pub fn reset(&self) -> Result<()> {
        for (name, kind) in self.names.iter().zip(&self.kinds) {
            let file = OpenOptions::new().write(true).open(self.path().join(name))?;
            file.write_all_at(&self.templates[*kind][..self.layout.head()], 0)?;
        }
        Ok(())
    }

    /// Checks that each file was last updated at the time of so many minutes of points.
    ///
    /// # Errors
    /// Where one was not; names the first.
    pub fn check_updated(&self, minutes: usize) -> Result<()> {
        for (n, name) in self.names.iter().enumerate() {
            let mut bytes = [0; 8];
            let file = File::open(self.path().join(name))?;
            file.read_exact_at(&mut bytes, self.layout.last_update() as u64)?;
            let found = u64::from_ne_bytes(bytes);
            let wanted = self.start + self.shift.seconds(n) + minutes as u32 * STEP;
            if found != u64::from(wanted) {
                return Err(format!("{name} was last updated at {found}, not at {wanted}").into());
            }
        }
        Ok(())
    }
}

fn create(path: &Path, start: u32, source: &str, layout: Layout) -> Result<()> {
    let mut command = Command::new("rrdtool");
    command.arg("create").arg(path);
    command.args(["--start", &start.to_string(), "--step", &STEP.to_string(), source]);
    let output = command.args(layout.archives()).output();
    let output = output.map_err(|error| format!("can't run rrdtool: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(())
}
