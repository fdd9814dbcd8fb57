//! The command line, of which `ps` shows no password for longer than it takes to get here.

use std::ffi::{CStr, OsStr, OsString, c_char};
use std::os::unix::ffi::OsStrExt;
use std::process;

use crate::redis::shown;

unsafe extern "C" {
    /// The process's environment, of the C library.
    static environ: *const *mut c_char;
}

/// The arguments as they were given; where one is a URL with a password, the process shows it from now
/// on without. To be called before anything changes the environment.
pub fn take() -> Vec<OsString> {
    let arguments: Vec<_> = std::env::args_os().collect();
    for index in 0..arguments.len() {
        let Some((option, server)) = server_in(&arguments, index, &["://"]) else { continue };
        let shown = shown(server);
        if shown != server && !overwrite(&arguments, index, format!("{option}{shown}").as_ref()) {
            eprintln!("kurado-agent: ps shows the password in --mq here: KURADO_MQ is for that");
        }
    }
    arguments
}

/// Says what is wrong with the arguments, or the help that they ask for, and ends.
pub fn refuse(arguments: &[OsString], error: &clap::Error) -> ! {
    let mut text = error.to_string();
    for index in 0..arguments.len() {
        if let Some((_, server)) = server_in(arguments, index, &["://", "@", "%40"])
            && shown(server) != server
            && error.use_stderr()
        {
            text = text.replace(server, &shown(server));
        }
    }
    if text == error.to_string() {
        error.exit();
    }
    eprint!("{text}");
    process::exit(error.exit_code());
}

/// An argument that is a server, or may be meant as one by the marks in it: `--mq=` or the like where it
/// begins so, and the rest.
fn server_in<'a>(
    arguments: &'a [OsString],
    index: usize,
    marks: &[&str],
) -> Option<(&'a str, &'a str)> {
    let argument = arguments.get(index)?.to_str()?;
    let (option, value) = match argument.find('=') {
        Some(at) if argument.starts_with("--") => argument.split_at(at + 1),
        _ => ("", argument),
    };
    let before = index.checked_sub(1).and_then(|before| arguments.get(before));
    let is_server = option == "--mq="
        || before.is_some_and(|before| before == "--mq")
        || marks.iter().any(|mark| value.contains(mark));
    is_server.then_some((option, value))
}

/// Writes `text` over an argument in the memory that the kernel shows to others; whether it was found.
fn overwrite(arguments: &[OsString], index: usize, text: &OsStr) -> bool {
    let Some(argument) = arguments.get(index).filter(|argument| argument.len() >= text.len())
    else {
        return false;
    };
    // SAFETY: a process begins with its arguments' pointers on its stack, NULL, and the environment's
    // pointers, at which `environ` points as long as nobody has changed the environment; that NULL and
    // the argument's bytes are checked before anything is written. No thread but this one runs yet, and
    // no more is written than the argument had.
    unsafe {
        let end = environ.sub(1);
        if !(*end).is_null() {
            return false;
        }
        let place = *end.sub(arguments.len()).add(index);
        if place.is_null() || CStr::from_ptr(place).to_bytes() != argument.as_bytes() {
            return false;
        }
        let place = place.cast::<u8>();
        place.copy_from_nonoverlapping(text.as_bytes().as_ptr(), text.len());
        place.add(text.len()).write_bytes(0, argument.len() - text.len());
    }
    true
}
