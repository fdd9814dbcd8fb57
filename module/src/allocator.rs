//! Redis's own allocator, so that its memory limits and figures hold for pending points too.

use std::alloc::{GlobalAlloc, Layout, System};

use redis_module::raw;

/// What `malloc` of any kind aligns to on the 64-bit machines that Redis runs on.
const ALIGNED: usize = 16;

/// Gives memory of Redis. There is none before the module is loaded: a null pointer then.
pub struct Allocator;

// SAFETY: Redis's functions keep malloc's contract, and any thread may call them. Redis sets the
// pointers before it calls the module for the first time, and never again. Memory of a greater
// alignment than malloc's comes from, and goes back to, the system, by the same test of its layout.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGNED {
            // SAFETY: as the caller promises.
            return unsafe { System.alloc(layout) };
        }
        // SAFETY: as above.
        unsafe {
            raw::RedisModule_Alloc.map_or(std::ptr::null_mut(), |alloc| alloc(layout.size()).cast())
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGNED {
            // SAFETY: as the caller promises.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: as above.
        unsafe {
            raw::RedisModule_Calloc
                .map_or(std::ptr::null_mut(), |alloc| alloc(1, layout.size()).cast())
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if layout.align() > ALIGNED {
            // SAFETY: as the caller promises.
            return unsafe { System.dealloc(pointer, layout) };
        }
        // SAFETY: as above.
        unsafe {
            if let Some(free) = raw::RedisModule_Free {
                free(pointer.cast());
            }
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() > ALIGNED {
            // SAFETY: as the caller promises.
            return unsafe { System.realloc(pointer, layout, size) };
        }
        // SAFETY: as above.
        unsafe {
            raw::RedisModule_Realloc
                .map_or(std::ptr::null_mut(), |realloc| realloc(pointer.cast(), size).cast())
        }
    }
}
