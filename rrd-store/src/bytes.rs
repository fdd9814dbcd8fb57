//! A few bytes that grow: what a series has waiting. The first are kept in place, and all take 24
//! bytes then; there is one for each of millions of series.
//!
//! Of our own, as the push of a point is measured in nanoseconds: eight bytes are stored at once
//! however many count, which a buffer of another make does not allow.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::fmt;
use std::mem::MaybeUninit;
use std::ptr;

/// Most bytes that are kept in place.
const IN_PLACE: usize = 23;
/// In place of the length: the bytes are on the heap.
const ON_HEAP: u8 = u8::MAX;
/// What is stored at once.
const WORD: usize = 8;
/// On the heap grows by so much at least.
const LEAST_GROWTH: usize = 24;

/// Bytes, mostly few.
#[repr(C, align(4))]
pub struct Bytes {
    /// The bytes, or a [`Heap`].
    place: [MaybeUninit<u8>; IN_PLACE],
    /// How many there are in place, or [`ON_HEAP`].
    tag: u8,
}

/// Bytes elsewhere.
#[derive(Clone, Copy)]
struct Heap {
    start: *mut u8,
    length: u32,
    capacity: u32,
}

// SAFETY: the memory on the heap has one owner, and is reached through it alone.
unsafe impl Send for Bytes {}
// SAFETY: as above; a shared reference only reads.
unsafe impl Sync for Bytes {}

impl Default for Bytes {
    fn default() -> Self {
        Self::new()
    }
}

impl Bytes {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self { place: [MaybeUninit::uninit(); IN_PLACE], tag: 0 }
    }

    /// How many.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.heap().map_or(usize::from(self.tag), |heap| heap.length as usize)
    }

    /// Whether there is none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes of the heap they take.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.heap().map_or(0, |heap| heap.capacity as usize)
    }

    /// Where the next ones go, if that is on the heap.
    #[must_use]
    #[inline]
    pub fn heap_end(&self) -> Option<*const u8> {
        self.heap().map(|heap| heap.start.wrapping_add(heap.length as usize).cast_const())
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        let start = self.heap().map_or(self.place.as_ptr().cast(), |heap| heap.start.cast_const());
        // SAFETY: so many bytes from there on were stored.
        unsafe { std::slice::from_raw_parts(start, self.len()) }
    }

    /// Appends the first `count` bytes of a word, eight at most.
    #[inline]
    pub fn push_word(&mut self, word: [u8; WORD], count: usize) {
        debug_assert!(count <= WORD);
        let count = count.min(WORD);
        if let Some(mut heap) = self.heap() {
            if heap.capacity - heap.length < WORD as u32 {
                heap = grown(heap);
            }
            // SAFETY: there is room for a word behind the length.
            unsafe { heap.start.add(heap.length as usize).cast::<[u8; WORD]>().write(word) };
            heap.length += count as u32;
            self.set_heap(heap);
        } else {
            let length = usize::from(self.tag);
            if length <= IN_PLACE - WORD {
                // SAFETY: a word from there on lies within the place.
                unsafe { self.place.as_mut_ptr().add(length).cast::<[u8; WORD]>().write(word) };
                self.tag += count as u8;
            } else {
                self.push_last_in_place(word, count);
            }
        }
    }

    /// The same where a whole word does not fit in place.
    fn push_last_in_place(&mut self, word: [u8; WORD], count: usize) {
        let length = usize::from(self.tag);
        let word = word.get(..count).unwrap_or_default();
        if let Some(room) = self.place.get_mut(length..length + count) {
            room.iter_mut().zip(word).for_each(|(to, from)| *to = MaybeUninit::new(*from));
            self.tag += count as u8;
            return;
        }
        let capacity = round_up(length + WORD + LEAST_GROWTH);
        let start = allocated(capacity);
        // SAFETY: the new memory has room for both, and is another than the place.
        unsafe {
            ptr::copy_nonoverlapping(self.place.as_ptr().cast(), start, length);
            ptr::copy_nonoverlapping(word.as_ptr(), start.add(length), word.len());
        }
        self.set_heap(Heap { start, length: (length + count) as u32, capacity: capacity as u32 });
    }

    /// Takes none any more, and gives memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    #[inline]
    fn heap(&self) -> Option<Heap> {
        // SAFETY: with this tag, a `Heap` was stored in the place, at any alignment.
        (self.tag == ON_HEAP)
            .then(|| unsafe { self.place.as_ptr().cast::<Heap>().read_unaligned() })
    }

    #[inline]
    fn set_heap(&mut self, heap: Heap) {
        const { assert!(size_of::<Heap>() <= IN_PLACE) };
        // SAFETY: it fits the place.
        unsafe { self.place.as_mut_ptr().cast::<Heap>().write_unaligned(heap) };
        self.tag = ON_HEAP;
    }
}

/// Sizes that an allocator has anyway.
fn round_up(bytes: usize) -> usize {
    bytes.next_multiple_of(16)
}

fn layout(capacity: usize) -> Layout {
    // Alignment 1, and no more than 4 GB.
    Layout::array::<u8>(capacity).unwrap_or_else(|_| unreachable!("{capacity} bytes"))
}

fn allocated(capacity: usize) -> *mut u8 {
    let layout = layout(capacity);
    // SAFETY: there is at least a word.
    let start = unsafe { alloc(layout) };
    if start.is_null() {
        handle_alloc_error(layout);
    }
    start
}

/// Grows by an eighth rather than to the double: many buffers stand full for long.
#[cold]
fn grown(heap: Heap) -> Heap {
    let (length, old) = (heap.length as usize, heap.capacity as usize);
    let capacity = round_up(length + (length / 8).max(LEAST_GROWTH) + WORD);
    let capacity_u32 = u32::try_from(capacity).unwrap_or_else(|_| panic!("4 GB of one series"));
    // SAFETY: the memory was given with this layout, and the new size is not 0.
    let start = unsafe { realloc(heap.start, layout(old), capacity) };
    if start.is_null() {
        handle_alloc_error(layout(capacity));
    }
    Heap { start, length: heap.length, capacity: capacity_u32 }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        if let Some(heap) = self.heap() {
            // SAFETY: the memory was given with this layout, and goes once.
            unsafe { dealloc(heap.start, layout(heap.capacity as usize)) };
        }
    }
}

impl Clone for Bytes {
    fn clone(&self) -> Self {
        let mut other = Self::new();
        for chunk in self.as_slice().chunks(WORD) {
            let mut word = [0; WORD];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            other.push_word(word, chunk.len());
        }
        other
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_slice(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn they_take_24_bytes_and_23_need_no_memory() {
        assert_eq!(size_of::<Bytes>(), 24);
        let mut bytes = Bytes::new();
        for n in 0..IN_PLACE {
            bytes.push_word([n as u8; WORD], 1);
        }
        assert_eq!((bytes.len(), bytes.heap_bytes()), (IN_PLACE, 0));
        bytes.push_word([0; WORD], 1);
        assert_eq!((bytes.len(), bytes.heap_bytes()), (IN_PLACE + 1, 64));
    }

    proptest! {
        #[test]
        fn what_is_pushed_is_there_in_order(
            pushes in proptest::collection::vec((any::<[u8; WORD]>(), 0..=WORD), 0..200)
        ) {
            let (mut bytes, mut model) = (Bytes::new(), Vec::new());
            for (word, count) in pushes {
                bytes.push_word(word, count);
                model.extend_from_slice(&word[..count]);
                prop_assert_eq!(bytes.as_slice(), &model);
                prop_assert_eq!(bytes.len(), model.len());
            }
            let copy = bytes.clone();
            bytes.clear();
            prop_assert!(bytes.is_empty());
            prop_assert_eq!(copy.as_slice(), &model);
        }
    }
}
