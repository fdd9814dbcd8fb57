//! `kurado.yml` and the roll `rolls/linux.yml` (YAML); in the input, a NUL byte stands between them.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use site::Site;
use tempfile::TempDir;

static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| {
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let directory = directory.expect("a directory");
    fs::create_dir(directory.path().join("rolls")).expect("a directory");
    directory
});

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let file = DIRECTORY.path().join("kurado.yml");
    let roll = DIRECTORY.path().join("rolls/linux.yml");
    for path in [&file, &roll] {
        fs::write(path, parts.next().unwrap_or_default()).expect("a file");
    }
    match Site::load(&file) {
        Ok(site) => {
            for host in site.hosts() {
                assert!(site.host(&host.address).is_some(), "{}", host.address);
            }
            let _ = site.config().redis_address();
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
