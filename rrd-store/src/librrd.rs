//! The one librrd call that the crate `rrd` lacks: an update with values as texts. (Its own update
//! takes no negative whole numbers, and large ones only as floats.)

use std::ffi::{CStr, CString, c_char, c_int};

/// librrd's flag to skip points that are not after the file's last update.
const SKIP_PAST_UPDATES: c_int = 1;

/// Updates a file with arguments `time:value`, in order.
///
/// # Errors
/// librrd's text. The arguments before the bad one stay applied.
pub(crate) fn update(path: &CStr, arguments: &[CString]) -> Result<(), String> {
    let mut pointers: Vec<*const c_char> = arguments.iter().map(|a| a.as_ptr()).collect();
    let count = c_int::try_from(pointers.len()).map_err(|_| "too many points".to_owned())?;
    // SAFETY: `path` and the arguments are NUL-terminated and outlive the call, `count` is the
    // length of `pointers`, and librrd copies what it keeps. The `_r` functions are thread-safe;
    // errors are a thread's own, and a stale one makes the update fail, so it is cleared before.
    let status = unsafe {
        rrd_sys::rrd_clear_error();
        rrd_sys::rrd_updatex_r(
            path.as_ptr(),
            std::ptr::null(),
            SKIP_PAST_UPDATES,
            count,
            pointers.as_mut_ptr(),
        )
    };
    if status == 0 {
        return Ok(());
    }
    // SAFETY: librrd gives a NUL-terminated text of this thread that lives until its next call;
    // it is copied before that.
    let text = unsafe {
        let text = rrd_sys::rrd_get_error();
        if text.is_null() {
            "unknown error of librrd".to_owned()
        } else {
            CStr::from_ptr(text).to_string_lossy().into_owned()
        }
    };
    clear_error();
    Err(text)
}

/// Forgets an error of this thread that nobody asked for.
pub(crate) fn clear_error() {
    // SAFETY: touches this thread's error text only.
    unsafe { rrd_sys::rrd_clear_error() };
}
