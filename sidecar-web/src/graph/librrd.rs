//! The one place that calls librrd. Its graph code keeps global state and is not safe in threads,
//! so only the single thread of a render worker may come here.

use std::ffi::{CStr, CString, c_char, c_int, c_ulong};

use super::protocol::{Canvas, Picture, Rows};

/// What librrd made.
pub struct Drawn {
    /// The picture.
    pub picture: Picture,
    /// What each PRINT says, in order.
    pub printed: Vec<String>,
}

/// Draws one picture. `arguments` are rrdgraph's, the command's name first and `-` as file name.
///
/// # Errors
/// librrd's own words about what is wrong.
pub fn draw(arguments: &[String]) -> Result<Drawn, String> {
    let mut list = ArgumentList::new(arguments)?;
    // SAFETY: the list holds `count` pointers to NUL-terminated texts and a null behind them, and
    // outlives the call; librrd keeps none of them. No other thread is in librrd.
    let info = unsafe { rrd_sys::rrd_graph_v(list.count, list.pointers.as_mut_ptr()) };
    if info.is_null() {
        return Err(last_error());
    }
    let drawn = read(info);
    // SAFETY: `info` came from rrd_graph_v, is freed once, and `drawn` is a copy.
    unsafe { rrd_sys::rrd_info_free(info) };
    drawn.ok_or_else(|| "librrd drew no picture".to_owned())
}

/// Reads the numbers that a graph shows. `arguments` are xport's, the command's name first.
///
/// # Errors
/// librrd's own words about what is wrong.
pub fn export(arguments: &[String]) -> Result<Rows, String> {
    let mut list = ArgumentList::new(arguments)?;
    let (mut start, mut end) = (0, 0);
    let (mut step, mut columns) = (0, 0);
    let mut legends = std::ptr::null_mut();
    let mut data = std::ptr::null_mut();
    // SAFETY: the list as in `draw`; the others are places for what librrd returns. The third
    // argument is one that librrd does not use.
    let status = unsafe {
        rrd_sys::rrd_xport(
            list.count,
            list.pointers.as_mut_ptr(),
            &mut 0,
            &mut start,
            &mut end,
            &mut step,
            &mut columns,
            &mut legends,
            &mut data,
        )
    };
    if status != 0 {
        return Err(last_error());
    }
    let rows = rows_of(start, end, step, columns, data);
    for at in 0..usize::try_from(columns).unwrap_or_default() {
        // SAFETY: librrd made a list of `columns` texts, each allocated by itself.
        unsafe { rrd_sys::rrd_freemem((*legends.add(at)).cast()) };
    }
    // SAFETY: both came from librrd, are freed once, and `rows` is a copy.
    unsafe { rrd_sys::rrd_freemem(legends.cast()) };
    // SAFETY: as above.
    unsafe { rrd_sys::rrd_freemem(data.cast()) };
    rows.ok_or_else(|| format!("librrd exported no rows: {start} to {end} by {step} s"))
}

/// A copy of what rrd_xport returned: a row for each step behind `start` up to `end`.
fn rows_of(
    start: rrd_sys::time_t,
    end: rrd_sys::time_t,
    step: c_ulong,
    columns: c_ulong,
    data: *const rrd_sys::rrd_value_t,
) -> Option<Rows> {
    let seconds = rrd_sys::time_t::try_from(step).ok().filter(|step| *step > 0)?;
    let columns = usize::try_from(columns).ok()?;
    let rows = usize::try_from((end - start) / seconds).ok()?;
    if data.is_null() {
        return None;
    }
    // SAFETY: librrd allocated so many numbers at `data`, and they are not changed here.
    let values = unsafe { std::slice::from_raw_parts(data, rows.checked_mul(columns)?) }.to_vec();
    Some(Rows { start: start + seconds, step: u32::try_from(step).ok()?, columns, values })
}

/// Arguments as librrd takes them.
struct ArgumentList {
    /// librrd permutes these while it reads its options; the texts themselves stay as they are.
    pointers: Vec<*mut c_char>,
    count: c_int,
    /// What `pointers` point to.
    _texts: Vec<CString>,
}

impl ArgumentList {
    fn new(arguments: &[String]) -> Result<Self, String> {
        let texts = arguments
            .iter()
            .map(|text| CString::new(text.as_str()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| "an argument holds a NUL byte".to_owned())?;
        let count =
            c_int::try_from(texts.len()).map_err(|_| "there are too many arguments".to_owned())?;
        let mut pointers: Vec<*mut c_char> =
            texts.iter().map(|text| text.as_ptr().cast_mut()).collect();
        pointers.push(std::ptr::null_mut());
        // SAFETY: takes no argument; it resets this thread's error text, which must not be stale.
        unsafe { rrd_sys::rrd_clear_error() };
        Ok(Self { pointers, count, _texts: texts })
    }
}

/// A copy of what rrd_graph_v returned: the picture, and the texts `print[0]`, `print[1]` and so on;
/// `None` without a picture.
fn read(mut entry: *const rrd_sys::rrd_info_t) -> Option<Drawn> {
    let mut printed = Vec::new();
    let mut canvas = Canvas::default();
    let mut image = None;
    // SAFETY: `entry` is null or an element of librrd's list, which is linked by `next`, ends in
    // null and is not freed before this function returns.
    while let Some(element) = unsafe { entry.as_ref() } {
        if !element.key.is_null() {
            // SAFETY: a key of the list is a NUL-terminated text.
            let key = unsafe { CStr::from_ptr(element.key) };
            match key.to_bytes() {
                b"graph_left" => canvas.left = number_of(element),
                b"graph_top" => canvas.top = number_of(element),
                b"graph_width" => canvas.width = number_of(element),
                b"graph_height" => canvas.height = number_of(element),
                b"image" => image = blob_of(element),
                key if key.starts_with(b"print[") => printed.extend(text_of(element)),
                _ => {}
            }
        }
        entry = element.next;
    }
    Some(Drawn { picture: Picture { image: image?, canvas }, printed })
}

/// The number of an element; zero where it has none.
fn number_of(element: &rrd_sys::rrd_info_t) -> u32 {
    if element.type_ != rrd_sys::rrd_info_type_RD_I_CNT {
        return 0;
    }
    // SAFETY: the type says which field of the union is set: the number.
    let number = unsafe { element.value.u_cnt };
    u32::try_from(number).unwrap_or_default()
}

/// A copy of the text of an element.
fn text_of(element: &rrd_sys::rrd_info_t) -> Option<String> {
    if element.type_ != rrd_sys::rrd_info_type_RD_I_STR {
        return None;
    }
    // SAFETY: the type says which field of the union is set: the text.
    let text = unsafe { element.value.u_str };
    // SAFETY: where there is one, a text of the list is NUL-terminated.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// A copy of the bytes of an element.
fn blob_of(element: &rrd_sys::rrd_info_t) -> Option<Vec<u8>> {
    if element.type_ != rrd_sys::rrd_info_type_RD_I_BLO {
        return None;
    }
    // SAFETY: the type says which field of the union is set: the blob.
    let blob = unsafe { element.value.u_blo };
    let size = usize::try_from(blob.size).ok()?;
    // SAFETY: where there is one, librrd allocated `size` bytes at `ptr`; they are not changed here.
    (!blob.ptr.is_null()).then(|| unsafe { std::slice::from_raw_parts(blob.ptr, size) }.to_vec())
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
