//! What this program asks of its C library, once, at its start.

/// Makes the C library fit for a small program that may be linked statically. It must come before the
/// first thread and the first look-up of a name.
pub fn apply() {
    #[cfg(target_env = "gnu")]
    keep_memory_small();
    #[cfg(static_glibc)]
    {
        look_up_without_modules();
        look_up_without_sendmmsg();
    }
}

/// glibc gives each thread memory of its own to allocate from, and keeps what was large once. The agent's
/// threads are short, and one of them is at work at a time.
#[cfg(target_env = "gnu")]
fn keep_memory_small() {
    // SAFETY: mallopt sets numbers; no other thread allocates yet. What it refuses changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 * 1024);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 * 1024);
    }
}

/// A glibc that is linked statically would load modules of the system's glibc for what
/// `/etc/nsswitch.conf` names, and those of another version crash it. What it has itself are files
/// and DNS.
#[cfg(static_glibc)]
fn look_up_without_modules() {
    use std::ffi::{CStr, c_char, c_int};

    unsafe extern "C" {
        fn __nss_configure_lookup(database: *const c_char, services: *const c_char) -> c_int;
    }
    const SERVICES: [(&CStr, &CStr); 3] =
        [(c"hosts", c"files dns"), (c"passwd", c"files"), (c"group", c"files")];
    for (database, services) in SERVICES {
        // SAFETY: both are texts with a zero byte at the end, which live as long as the program; no
        // other thread looks anything up yet.
        unsafe { __nss_configure_lookup(database.as_ptr(), services.as_ptr()) };
    }
}

/// This glibc asks for both kinds of address by one `sendmmsg`, which Linux has since 3.0, and has nothing
/// in its place; told to, it asks for one after the other.
#[cfg(static_glibc)]
fn look_up_without_sendmmsg() {
    const VARIABLE: &str = "RES_OPTIONS";
    if !is_linux_2() {
        return;
    }
    let mut options = std::env::var(VARIABLE).unwrap_or_default();
    options.push_str(" single-request");
    // SAFETY: no other thread reads the environment yet, as none has been started.
    unsafe { std::env::set_var(VARIABLE, options.trim_start()) };
}

#[cfg(static_glibc)]
fn is_linux_2() -> bool {
    let mut names = std::mem::MaybeUninit::<libc::utsname>::uninit();
    // SAFETY: there is room for what uname writes.
    if unsafe { libc::uname(names.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: uname returned 0, so it has filled all of it.
    let names = unsafe { names.assume_init() };
    names.release.iter().zip(b"2.").all(|(found, wanted)| u8::try_from(*found) == Ok(*wanted))
}
