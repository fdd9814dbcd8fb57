//! The names of the devices that a page lists. There is a bound: each device is some series of 190 KB
//! on the server, and a host with thousands of containers may have thousands of interfaces.

use crate::machine::ReadError;
use crate::sample::Sample;

/// Most names of one kind.
const MAX_NAMES: usize = 200;

/// Most bytes of them: as one text they must fit into a line.
const MAX_LEN: usize = 6000;

/// Names of one kind that are sent, in order.
pub struct Listing {
    names: Vec<String>,
    len: usize,
    left_out: usize,
}

impl Listing {
    /// An empty one.
    pub fn new() -> Self {
        Self { names: Vec::new(), len: 0, left_out: 0 }
    }

    /// Whether this name is listed already.
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|listed| listed == name)
    }

    /// Takes a further name; `false` where there are too many: then nothing of it is sent.
    pub fn take(&mut self, name: &str) -> bool {
        if self.names.len() >= MAX_NAMES || self.len + name.len() >= MAX_LEN {
            self.left_out += 1;
            return false;
        }
        self.len += name.len() + 1;
        self.names.push(name.to_owned());
        true
    }

    /// Adds the list as a meta.
    ///
    /// # Errors
    /// The `fault` that was met on the way; without one, that some were left out of what stands at `path`.
    pub fn finish(
        self,
        sample: &mut Sample,
        key: &str,
        path: &str,
        fault: Option<ReadError>,
    ) -> Result<(), ReadError> {
        sample.meta_list(key, &self.names);
        match fault {
            Some(fault) => Err(fault),
            None if self.left_out == 0 => Ok(()),
            None => Err(ReadError::content(
                path,
                format!(
                    "too many, and left out: {} of {}",
                    self.left_out,
                    self.left_out + self.names.len()
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use line_protocol::parse_line;

    #[test]
    fn too_many_names_are_told_and_the_rest_fits_into_a_line() {
        for len in [1, 30, 160] {
            let mut listing = Listing::new();
            let taken = (0..1000).filter(|n| listing.take(&format!("{n:0len$}"))).count();
            let mut sample = Sample::new("linux", 5);
            let fault = listing.finish(&mut sample, "devices", "/proc/x", None).unwrap_err();
            let expected = format!("/proc/x: too many, and left out: {} of 1000", 1000 - taken);
            assert_eq!(fault.to_string(), expected);
            let mut line = String::new();
            sample.write_to(&mut line, Some(&"a".repeat(60)));
            assert!(parse_line(line.trim_end().as_bytes()).is_ok());
            assert_eq!(line.matches(',').count() + 1, taken, "no name is cut");
        }
    }

    #[test]
    fn as_many_as_are_allowed_are_no_fault() {
        let mut listing = Listing::new();
        assert!((0..200).all(|n| listing.take(&format!("eth{n}"))));
        assert!(listing.finish(&mut Sample::new("linux", 5), "devices", "/proc/x", None).is_ok());
    }
}
