//! Which word somebody may have meant.

/// `; did you mean 'password'?` where one of the candidates is near the word, else nothing.
#[must_use]
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(word, candidates) {
        Some(near) => format!("; did you mean '{near}'?"),
        None => String::new(),
    }
}

/// The candidate that is nearest to a misspelt word: one letter in three may be wrong, missing, too
/// many, or swapped with its neighbour. The case of letters does not count.
fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = |word: &str| word.to_lowercase().chars().take(LONGEST).collect::<Vec<_>>();
    let word = letters(word);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &letters(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().min(word.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Nobody misspells a longer one so that it matters.
const LONGEST: usize = 64;

/// How many letters must be put in, taken out, changed or swapped with their neighbours to make one
/// word of the other (restricted Damerau-Levenshtein distance).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_near_word_is_offered_and_a_far_one_is_not() {
        let known = ["user", "password", "port", "tls", "ca_file"];
        for (word, near) in [
            ("pasword", Some("password")),
            ("Passwrod", Some("password")),
            ("prot", Some("port")),
            ("cafile", Some("ca_file")),
            ("tsl", Some("tls")),
            ("database", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), near, "{word}");
        }
        assert_eq!(did_you_mean("pasword", known), "; did you mean 'password'?");
        assert_eq!(did_you_mean("database", known), "");
    }

    proptest! {
        #[test]
        fn a_letter_left_out_is_at_a_distance_of_one(word in "[a-z]{1,20}", at in any::<proptest::sample::Index>()) {
            let whole: Vec<char> = word.chars().collect();
            let mut less = whole.clone();
            less.remove(at.index(whole.len()));
            prop_assert_eq!(distance(&whole, &less), 1);
            prop_assert_eq!(distance(&less, &whole), 1);
            prop_assert_eq!(distance(&whole, &whole), 0);
        }
    }
}
