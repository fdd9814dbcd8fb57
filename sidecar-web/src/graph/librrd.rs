//! The one place that calls librrd. Its graph code keeps global state and is not safe in threads,
//! so only the single thread of a render worker may come here.

use std::ffi::{CStr, CString, c_char, c_int};

/// What librrd made.
pub struct Drawn {
    /// The picture's bytes.
    pub picture: Vec<u8>,
    /// What each PRINT says, in order.
    pub printed: Vec<String>,
}

/// Draws one picture. `arguments` are rrdgraph's, the command's name first and `-` as file name.
///
/// # Errors
/// librrd's own words about what is wrong.
pub fn draw(arguments: &[String]) -> Result<Drawn, String> {
    let texts = arguments
        .iter()
        .map(|text| CString::new(text.as_str()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| "an argument holds a NUL byte".to_owned())?;
    let count =
        c_int::try_from(texts.len()).map_err(|_| "there are too many arguments".to_owned())?;
    // librrd permutes this list while it reads its options; the texts themselves stay as they are.
    let mut list: Vec<*mut c_char> = texts.iter().map(|text| text.as_ptr().cast_mut()).collect();
    list.push(std::ptr::null_mut());

    // SAFETY: takes no argument; it resets this thread's error text, which must not be stale.
    unsafe { rrd_sys::rrd_clear_error() };
    // SAFETY: `list` holds `count` pointers to NUL-terminated texts and a null behind them; `texts`
    // and `list` outlive the call, and librrd keeps none of them. No other thread is in librrd.
    let info = unsafe { rrd_sys::rrd_graph_v(count, list.as_mut_ptr()) };
    if info.is_null() {
        return Err(last_error());
    }
    let drawn = read(info);
    // SAFETY: `info` came from rrd_graph_v, is freed once, and `drawn` is a copy.
    unsafe { rrd_sys::rrd_info_free(info) };
    drawn.ok_or_else(|| "librrd drew no picture".to_owned())
}

/// A copy of what rrd_graph_v returned: the blob `image`, and the texts `print[0]`, `print[1]` and
/// so on; `None` without a picture.
fn read(mut entry: *const rrd_sys::rrd_info_t) -> Option<Drawn> {
    let mut picture = None;
    let mut printed = Vec::new();
    // SAFETY: `entry` is null or an element of librrd's list, which is linked by `next`, ends in
    // null and is not freed before this function returns.
    while let Some(element) = unsafe { entry.as_ref() } {
        entry = element.next;
        if element.key.is_null() {
            continue;
        }
        // SAFETY: a key of the list is a NUL-terminated text.
        let key = unsafe { CStr::from_ptr(element.key) }.to_bytes();
        if element.type_ == rrd_sys::rrd_info_type_RD_I_BLO && key == b"image" {
            // SAFETY: the type says which field of the union is set: the blob.
            let blob = unsafe { element.value.u_blo };
            if !blob.ptr.is_null() {
                let size = usize::try_from(blob.size).ok()?;
                // SAFETY: librrd allocated `size` bytes at `ptr` and they are not changed here.
                picture = Some(unsafe { std::slice::from_raw_parts(blob.ptr, size) }.to_vec());
            }
        } else if element.type_ == rrd_sys::rrd_info_type_RD_I_STR && key.starts_with(b"print[") {
            // SAFETY: the type says which field of the union is set: the text.
            let text = unsafe { element.value.u_str };
            if !text.is_null() {
                // SAFETY: a text of the list is NUL-terminated.
                printed.push(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned());
            }
        }
    }
    Some(Drawn { picture: picture?, printed })
}

/// librrd's text about its last failure.
fn last_error() -> String {
    // SAFETY: returns a pointer to this thread's own NUL-terminated text, or null.
    let text = unsafe { rrd_sys::rrd_get_error() };
    if text.is_null() {
        return "librrd gave no reason".to_owned();
    }
    // SAFETY: not null, NUL-terminated, and copied before another call can change it.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
