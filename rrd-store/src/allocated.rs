//! What memory costs.

/// Bytes that jemalloc, Redis's allocator, hands out for so many: four sizes between two powers of
/// two.
#[must_use]
pub fn allocated(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=8 => 8,
        9..=128 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of(bytes.next_power_of_two() / 8),
    }
}

#[cfg(test)]
mod tests {
    use super::allocated;

    #[test]
    fn sizes_are_those_of_jemalloc() {
        // From its manual's table of size classes.
        for (asked, given) in [(0, 0), (1, 8), (9, 16), (100, 112), (128, 128), (129, 160)] {
            assert_eq!(allocated(asked), given, "{asked}");
        }
        for (asked, given) in
            [(257, 320), (1024, 1024), (1025, 1280), (5000, 5120), (70_000, 81_920)]
        {
            assert_eq!(allocated(asked), given, "{asked}");
        }
    }
}
