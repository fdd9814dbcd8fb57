//! Redis's own allocator, so that its memory limits and figures hold for pending points too.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr;

use redis_module::raw;

/// What each server's memory is aligned to, be it of 16 bytes and more: the jemalloc that comes with Redis is built
/// with size classes 8 bytes apart, and where the server counts bytes itself, 8 stand before each allocation.
const ALIGNED: usize = 8;

/// Gives memory of Redis. There is none before the module is loaded: a null pointer then.
pub struct Allocator;

// SAFETY: Redis's functions keep malloc's contract but for a greater alignment, and any thread may call them. Redis
// sets the pointers before it calls the module for the first time, and never again. Memory of a greater alignment is
// taken and given back by the same test of its layout.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGNED {
            return alloc_aligned(layout);
        }
        alloc(layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGNED {
            let place = alloc_aligned(layout);
            if !place.is_null() {
                // SAFETY: so many bytes were given there.
                unsafe { place.write_bytes(0, layout.size()) };
            }
            return place;
        }
        // SAFETY: Redis set the pointer, or there is none.
        unsafe {
            raw::RedisModule_Calloc
                .map_or(ptr::null_mut(), |calloc| calloc(1, layout.size()).cast())
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller gives what it got here for this layout, once.
        unsafe {
            let start = if layout.align() > ALIGNED { start_of(pointer) } else { pointer };
            if let Some(free) = raw::RedisModule_Free {
                free(start.cast());
            }
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() > ALIGNED {
            // SAFETY: the caller promises that `size` with this alignment is a layout.
            let new =
                alloc_aligned(unsafe { Layout::from_size_align_unchecked(size, layout.align()) });
            if !new.is_null() {
                // SAFETY: both have so many bytes, and the old one is the caller's to give back.
                unsafe {
                    new.copy_from_nonoverlapping(pointer, layout.size().min(size));
                    self.dealloc(pointer, layout);
                }
            }
            return new;
        }
        // SAFETY: as above.
        unsafe {
            raw::RedisModule_Realloc
                .map_or(ptr::null_mut(), |realloc| realloc(pointer.cast(), size).cast())
        }
    }
}

fn alloc(size: usize) -> *mut u8 {
    // SAFETY: Redis set the pointer, or there is none; any size may be asked for.
    unsafe { raw::RedisModule_Alloc.map_or(ptr::null_mut(), |alloc| alloc(size).cast()) }
}

/// Memory of a greater alignment than Redis's: more of it, where the first aligned place that has [`ALIGNED`] bytes
/// before it is given. Those tell where the memory starts.
fn alloc_aligned(layout: Layout) -> *mut u8 {
    // No overflow: a size rounded up to its alignment fits an isize.
    let start = alloc(layout.size() + layout.align());
    if start.is_null() {
        return start;
    }
    let before = layout.align() - start.addr() % layout.align();
    // SAFETY: `start` is a multiple of 8, so `before` is one of 8 up to the alignment: the pointer and the layout's
    // size lie within what was given.
    unsafe {
        let place = start.add(before);
        place.cast::<*mut u8>().sub(1).write(start);
        place
    }
}

/// Where the memory starts that [`alloc_aligned`] gave.
///
/// # Safety
/// `place` is what it gave, and was not given back.
unsafe fn start_of(place: *mut u8) -> *mut u8 {
    // SAFETY: there it was written.
    unsafe { place.cast::<*mut u8>().sub(1).read() }
}

#[cfg(test)]
mod tests {
    use std::alloc::System;
    use std::ffi::c_void;

    use super::*;

    const BEFORE: usize = 24;

    /// Of a server that gives memory aligned to 8 and not to 16; keeps its size before it.
    unsafe extern "C" fn odd_alloc(size: usize) -> *mut c_void {
        // SAFETY: the size is not zero, and more than what is written and skipped.
        unsafe {
            let start = System.alloc(Layout::from_size_align(BEFORE + size, 16).unwrap());
            start.cast::<usize>().write(size);
            start.add(BEFORE).cast()
        }
    }

    unsafe extern "C" fn odd_free(pointer: *mut c_void) {
        // SAFETY: it is given what `odd_alloc` gave, once.
        unsafe {
            let start = pointer.cast::<u8>().sub(BEFORE);
            let size = start.cast::<usize>().read();
            System.dealloc(start, Layout::from_size_align(BEFORE + size, 16).unwrap());
        }
    }

    #[test]
    fn memory_is_aligned_as_asked_where_the_server_aligns_to_eight_bytes() {
        // SAFETY: no other test looks at these pointers.
        unsafe {
            raw::RedisModule_Alloc = Some(odd_alloc);
            raw::RedisModule_Free = Some(odd_free);
        }
        for align in [16, 32, 64, 4096] {
            for size in [0, 1, 16, 56, 5000] {
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: each is used within its size, and given back once with its layout.
                unsafe {
                    let plain = Allocator.alloc(layout);
                    assert_eq!(plain.addr() % align, 0, "{layout:?}");
                    plain.write_bytes(7, size);
                    Allocator.dealloc(plain, layout);
                    let zeroed = Allocator.alloc_zeroed(layout);
                    assert_eq!(zeroed.addr() % align, 0, "{layout:?}");
                    assert!(std::slice::from_raw_parts(zeroed, size).iter().all(|&byte| byte == 0));
                    zeroed.write_bytes(7, size);
                    let grown = Allocator.realloc(zeroed, layout, size + 100);
                    assert_eq!(grown.addr() % align, 0, "{layout:?}");
                    assert!(std::slice::from_raw_parts(grown, size).iter().all(|&byte| byte == 7));
                    grown.write_bytes(8, size + 100);
                    let layout = Layout::from_size_align(size + 100, align).unwrap();
                    Allocator.dealloc(grown, layout);
                }
            }
        }
    }
}
