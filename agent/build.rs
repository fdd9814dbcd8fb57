//! Links the release build of the agent statically, so that one file runs on other distributions,
//! older ones too.
//!
//! The usual way, `-C target-feature=+crt-static`, can only be asked for from outside, and then for
//! all programs; libkurado.so and kurado-web must stay dynamic. So the linker is told here: make a
//! static program, and where rustc says `-lc` and the like, take the archive. The latter needs a
//! directory that is searched first, as rustc asks for shared libraries by `-Bdynamic`.
//!
//! Where there is no libc.a (Fedora has it in glibc-static), or the system is none with glibc, the
//! build goes on as usual. So do builds for debugging and tests: they link faster.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What rustc links with, and the archives to take instead.
const LIBRARIES: [(&str, &str); 7] = [
    ("c", "-l:libc.a -l:libgcc_eh.a -l:libgcc.a"),
    ("dl", "-l:libdl.a"),
    ("gcc_s", "-l:libgcc_eh.a -l:libgcc.a"),
    ("m", "-l:libm.a"),
    ("pthread", "-l:libpthread.a"),
    ("rt", "-l:librt.a"),
    ("util", "-l:libutil.a"),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(static_glibc)");
    let is = |variable, value| env::var(variable).is_ok_and(|found| found == value);
    if !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    if features.split(',').any(|feature| feature == "crt-static") {
        println!("cargo::rustc-cfg=static_glibc");
    } else if is("PROFILE", "release") && env::var("HOST") == env::var("TARGET") {
        if has_archive("libc.a") {
            link_statically();
        } else {
            println!(
                "cargo::warning=there is no libc.a: kurado-agent needs the glibc of this system"
            );
        }
    }
}

fn link_statically() {
    let directory = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for (library, archives) in LIBRARIES {
        let path = directory.join(format!("lib{library}.so"));
        fs::write(path, format!("GROUP ( {archives} )\n")).expect("OUT_DIR can be written");
    }
    println!("cargo::rustc-cfg=static_glibc");
    println!("cargo::rustc-link-arg-bins=-static-pie");
    println!("cargo::rustc-link-arg-bins=-L{}", directory.display());
}

/// Whether the C compiler, by which rustc links, finds an archive.
fn has_archive(name: &str) -> bool {
    let answer = Command::new("cc").arg(format!("-print-file-name={name}")).output();
    // What it does not find it gives back as it was.
    answer
        .is_ok_and(|answer| Path::new(String::from_utf8_lossy(&answer.stdout).trim()).is_absolute())
}
