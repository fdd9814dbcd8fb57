//! What the text of `SHOW ENGINE INNODB STATUS` tells, of whatever version: words and numbers in
//! sentences that changed over time.

/// Sums over all kinds of locks. `None` where the text does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Waits {
    pub spin_waits: Option<u64>,
    pub spin_rounds: Option<u64>,
    pub os_waits: Option<u64>,
}

/// What servers before MySQL 5.0 tell nowhere else. `None` where the text does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Counters {
    pub rows_inserted: Option<u64>,
    pub rows_updated: Option<u64>,
    pub rows_deleted: Option<u64>,
    pub rows_read: Option<u64>,
    pub pages_read: Option<u64>,
    pub pages_created: Option<u64>,
    pub pages_written: Option<u64>,
    pub data_reads: Option<u64>,
    pub data_writes: Option<u64>,
    pub data_fsyncs: Option<u64>,
    pub log_writes: Option<u64>,
    /// In percent.
    pub hit_rate: Option<f64>,
    pub pages_total: Option<u64>,
    pub pages_free: Option<u64>,
    pub pages_data: Option<u64>,
    pub pages_dirty: Option<u64>,
}

impl Waits {
    /// Reads lines such as these, of MySQL 5.0 and 5.1
    ///
    /// ```text
    /// Mutex spin waits 5672442, rounds 3899888, OS waits 4719
    /// RW-shared spins 5920, OS waits 2918; RW-excl spins 3463, OS waits 3163
    /// ```
    ///
    /// and these, since 5.5; the first one until 5.6, the third one since 5.7:
    ///
    /// ```text
    /// Mutex spin waits 100, rounds 200, OS waits 3
    /// RW-shared spins 10, rounds 300, OS waits 10
    /// RW-sx spins 10, rounds 300, OS waits 10
    /// RW-excl spins 5, rounds 150, OS waits 5
    /// ```
    pub(super) fn parse(text: &str) -> Self {
        let mut waits = Self::default();
        for line in text.lines() {
            for part in line.split(';').map(str::trim) {
                waits.add(part);
            }
        }
        waits
    }

    fn add(&mut self, part: &str) -> Option<()> {
        let kinds = ["Mutex spin waits ", "RW-shared spins ", "RW-sx spins ", "RW-excl spins "];
        let rest = kinds.iter().find_map(|kind| part.strip_prefix(kind))?;
        let (spins, mut rest) = leading_number(rest)?;
        let mut rounds = None;
        if let Some(behind) = rest.strip_prefix(", rounds ") {
            let (number, behind) = leading_number(behind)?;
            (rounds, rest) = (Some(number), behind);
        }
        let (os_waits, _) = leading_number(rest.strip_prefix(", OS waits ")?)?;
        let add = |sum: &mut Option<u64>, number: u64| {
            *sum = Some(sum.unwrap_or(0).saturating_add(number));
        };
        add(&mut self.spin_waits, spins);
        add(&mut self.os_waits, os_waits);
        if let Some(rounds) = rounds {
            add(&mut self.spin_rounds, rounds);
        }
        Some(())
    }
}

impl Counters {
    pub(super) fn parse(text: &str) -> Self {
        let mut counters = Self::default();
        // Of several buffer pools, the first text is of all together.
        for line in text.lines().rev() {
            counters.take(line.trim());
        }
        counters
    }

    fn take(&mut self, line: &str) -> Option<()> {
        if let Some(rest) = line.strip_prefix("Number of rows inserted ") {
            let [inserted, updated, deleted, read] =
                numbers(rest, [", updated ", ", deleted ", ", read "])?;
            self.rows_inserted = Some(inserted);
            self.rows_updated = Some(updated);
            self.rows_deleted = Some(deleted);
            self.rows_read = Some(read);
        } else if let Some(rest) = line.strip_prefix("Pages read ") {
            // "Pages read ahead 0.00/s, …" is another line.
            let [read, created, written] = numbers(rest, [", created ", ", written "])?;
            self.pages_read = Some(read);
            self.pages_created = Some(created);
            self.pages_written = Some(written);
        } else if line.contains(" OS file reads, ") {
            let (reads, rest) = leading_number(line)?;
            let (writes, rest) = leading_number(rest.strip_prefix(" OS file reads, ")?)?;
            let (fsyncs, _) = leading_number(rest.strip_prefix(" OS file writes, ")?)?;
            self.data_reads = Some(reads);
            self.data_writes = Some(writes);
            self.data_fsyncs = Some(fsyncs);
        } else if line.contains(" log i/o's done, ") {
            self.log_writes = Some(leading_number(line)?.0);
        } else if let Some(rest) = line.strip_prefix("Buffer pool hit rate ") {
            let (hits, rest) = leading_number(rest)?;
            let (of, _) = leading_number(rest.strip_prefix(" / ")?)?;
            #[allow(clippy::cast_precision_loss)]
            let rate = hits as f64 / of as f64 * 100.0;
            self.hit_rate = rate.is_finite().then_some(rate);
        } else {
            let fields = [
                ("Buffer pool size ", &mut self.pages_total),
                ("Free buffers ", &mut self.pages_free),
                ("Database pages ", &mut self.pages_data),
                ("Modified db pages ", &mut self.pages_dirty),
            ];
            for (name, field) in fields {
                if let Some(rest) = line.strip_prefix(name) {
                    *field = Some(rest.trim().parse().ok()?);
                }
            }
        }
        Some(())
    }
}

/// The number that a text begins with, and what follows.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

/// Numbers with these words between them.
fn numbers<const BETWEEN: usize, const ALL: usize>(
    text: &str,
    between: [&str; BETWEEN],
) -> Option<[u64; ALL]> {
    let (first, mut rest) = leading_number(text)?;
    let mut found = vec![first];
    for word in between {
        let (number, behind) = leading_number(rest.strip_prefix(word)?)?;
        found.push(number);
        rest = behind;
    }
    found.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MYSQL_5_0: &str = "
=====================================
091124 17:11:08 INNODB MONITOR OUTPUT
=====================================
Per second averages calculated from the last 8 seconds
----------
SEMAPHORES
----------
OS WAIT ARRAY INFO: reservation count 13569, signal count 11421
--Thread 1152170336 has waited at ./../include/buf0buf.ic line 630 for 0.00 seconds the semaphore:
Mutex at 0x2a957858b8 created file buf0buf.c line 517, lock var 0
waiters flag 0
wait is ending
Mutex spin waits 5672442, rounds 3899888, OS waits 4719
RW-shared spins 5920, OS waits 2918; RW-excl spins 3463, OS waits 3163
------------
TRANSACTIONS
------------
Trx id counter 0 80157601
Purge done for trx's n:o < 0 80154573 undo n:o < 0 0
--------
FILE I/O
--------
I/O thread 0 state: waiting for i/o request (insert buffer thread)
Pending normal aio reads: 0, aio writes: 0,
 ibuf aio reads: 0, log i/o's: 0, sync i/o's: 0
Pending flushes (fsync) log: 0; buffer pool: 0
17909940 OS file reads, 22088963 OS file writes, 1743764 OS fsyncs
0.20 reads/s, 16384 avg bytes/read, 5.00 writes/s, 0.80 fsyncs/s
---
LOG
---
Log sequence number 84 3000620880
Log flushed up to   84 3000611265
Last checkpoint at  84 2939889199
0 pending log writes, 0 pending chkp writes
14073669 log i/o's done, 10.90 log i/o's/second
----------------------
BUFFER POOL AND MEMORY
----------------------
Total memory allocated 4648979546; in additional pool allocated 16773888
Buffer pool size   262144
Free buffers       1
Database pages     253263
Modified db pages  34563
Pending reads 0
Pending writes: LRU 0, flush list 0, single page 0
Pages read 43512233, created 1285432, written 9876543
0.10 reads/s, 0.00 creates/s, 0.50 writes/s
Buffer pool hit rate 999 / 1000
--------------
ROW OPERATIONS
--------------
0 queries inside InnoDB, 0 queries in queue
Main thread process no. 10099, id 88021936, state: sleeping
Number of rows inserted 50678311, updated 66425915, deleted 20605903, read 454561562
1.59 inserts/s, 50.89 updates/s, 0.00 deletes/s, 107.18 reads/s
----------------------------
END OF INNODB MONITOR OUTPUT
============================
";

    const MYSQL_5_6: &str = "
----------
SEMAPHORES
----------
OS WAIT ARRAY INFO: reservation count 68581015, signal count 218437328
Mutex spin waits 2000, rounds 30000, OS waits 100
RW-shared spins 500, rounds 6000, OS waits 20
RW-excl spins 40, rounds 700, OS waits 3
Spin rounds per wait: 15.00 mutex, 12.00 RW-shared, 17.50 RW-excl
";

    const MYSQL_5_7: &str = "
=====================================
2023-05-04 11:12:13 0x7f3a3c0b8700 INNODB MONITOR OUTPUT
=====================================
----------
SEMAPHORES
----------
OS WAIT ARRAY INFO: reservation count 41
OS WAIT ARRAY INFO: signal count 37
RW-shared spins 0, rounds 69, OS waits 32
RW-excl spins 2, rounds 60, OS waits 2
RW-sx spins 1, rounds 30, OS waits 1
Spin rounds per wait: 69.00 RW-shared, 30.00 RW-excl, 30.00 RW-sx
--------
FILE I/O
--------
518 OS file reads, 53 OS file writes, 7 OS fsyncs
---
LOG
---
10 log i/o's done, 0.00 log i/o's/second
----------------------
BUFFER POOL AND MEMORY
----------------------
Total large memory allocated 137428992
Dictionary memory allocated 99862
Buffer pool size   8192
Free buffers       7707
Database pages     485
Old database pages 0
Modified db pages  3
Pending reads      0
Pages made young 0, not young 0
0.00 youngs/s, 0.00 non-youngs/s
Pages read 450, created 35, written 37
0.00 reads/s, 0.00 creates/s, 0.00 writes/s
No buffer pool page gets since the last printout
Pages read ahead 0.00/s, evicted without access 0.00/s, Random read ahead 0.00/s
----------------------
INDIVIDUAL BUFFER POOL INFO
----------------------
---BUFFER POOL 0
Buffer pool size   1024
Free buffers       963
Database pages     61
Modified db pages  1
Pages read 60, created 1, written 4
--------------
ROW OPERATIONS
--------------
0 queries inside InnoDB, 0 queries in queue
Number of rows inserted 8, updated 1, deleted 2, read 13
0.00 inserts/s, 0.00 updates/s, 0.00 deletes/s, 0.00 reads/s
";

    const MYSQL_8_0: &str = "
----------
SEMAPHORES
----------
OS WAIT ARRAY INFO: reservation count 4
OS WAIT ARRAY INFO: signal count 4
RW-shared spins 11, rounds 12, OS waits 1
RW-excl spins 20, rounds 240, OS waits 6
RW-sx spins 3, rounds 90, OS waits 2
Spin rounds per wait: 1.09 RW-shared, 12.00 RW-excl, 30.00 RW-sx
--------------
ROW OPERATIONS
--------------
Number of rows inserted 0, updated 0, deleted 0, read 0
Number of system rows inserted 8, updated 331, deleted 8, read 4780
";

    /// MariaDB since 10.6, and 11: it counts no spins any more.
    const MARIADB_11: &str = "
----------
SEMAPHORES
----------
------------
TRANSACTIONS
------------
Trx id counter 21
--------
FILE I/O
--------
166 OS file reads, 1 OS file writes, 0 OS fsyncs
---
LOG
---
Log sequence number 47309
0 pending log flushes, 0 pending chkp writes
8 log i/o's done, 0.00 log i/o's/second
Buffer pool size   8064
Free buffers       7772
Database pages     292
Modified db pages  0
Pages read 159, created 133, written 0
Buffer pool hit rate 1000 / 1000
";

    fn waits(spin_waits: u64, spin_rounds: u64, os_waits: u64) -> Waits {
        Waits {
            spin_waits: Some(spin_waits),
            spin_rounds: Some(spin_rounds),
            os_waits: Some(os_waits),
        }
    }

    #[test]
    fn waits_are_summed_in_the_old_form_and_the_new() {
        assert_eq!(
            Waits::parse(MYSQL_5_0),
            waits(5_672_442 + 5920 + 3463, 3_899_888, 4719 + 2918 + 3163)
        );
        assert_eq!(Waits::parse(MYSQL_5_6), waits(2540, 36_700, 123));
        assert_eq!(Waits::parse(MYSQL_5_7), waits(3, 159, 35));
        assert_eq!(Waits::parse(MYSQL_8_0), waits(34, 342, 9));
    }

    #[test]
    fn a_text_without_waits_has_none_rather_than_0() {
        assert_eq!(Waits::parse(MARIADB_11), Waits::default());
        assert_eq!(Waits::parse(""), Waits::default());
        assert_eq!(Waits::parse("RW-sx spins x, rounds 1, OS waits 1"), Waits::default());
    }

    #[test]
    fn counters_are_read_from_their_sentences() {
        assert_eq!(
            Counters::parse(MYSQL_5_0),
            Counters {
                rows_inserted: Some(50_678_311),
                rows_updated: Some(66_425_915),
                rows_deleted: Some(20_605_903),
                rows_read: Some(454_561_562),
                pages_read: Some(43_512_233),
                pages_created: Some(1_285_432),
                pages_written: Some(9_876_543),
                data_reads: Some(17_909_940),
                data_writes: Some(22_088_963),
                data_fsyncs: Some(1_743_764),
                log_writes: Some(14_073_669),
                hit_rate: Some(99.9),
                pages_total: Some(262_144),
                pages_free: Some(1),
                pages_data: Some(253_263),
                pages_dirty: Some(34_563),
            }
        );
        let mysql_8 = Counters::parse(MYSQL_8_0);
        assert_eq!((mysql_8.rows_read, mysql_8.pages_read), (Some(0), None));
        let mariadb = Counters::parse(MARIADB_11);
        assert_eq!((mariadb.hit_rate, mariadb.pages_total), (Some(100.0), Some(8064)));
        assert_eq!((mariadb.data_reads, mariadb.log_writes), (Some(166), Some(8)));
    }

    #[test]
    fn of_several_buffer_pools_all_together_count() {
        let counters = Counters::parse(MYSQL_5_7);
        assert_eq!((counters.pages_total, counters.pages_read), (Some(8192), Some(450)));
        assert_eq!(counters.hit_rate, None);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(
            text in prop_oneof![
                any::<String>(),
                proptest::collection::vec(prop_oneof![
                    Just("Mutex spin waits ".to_owned()), Just("RW-sx spins ".to_owned()),
                    Just(", rounds ".to_owned()), Just(", OS waits ".to_owned()),
                    Just("; ".to_owned()), Just("\n".to_owned()),
                    Just("Buffer pool hit rate ".to_owned()), Just(" / ".to_owned()),
                    Just("Number of rows inserted ".to_owned()), Just(", updated ".to_owned()),
                    Just(" OS file reads, ".to_owned()), Just("Free buffers  ".to_owned()),
                    any::<u64>().prop_map(|number| number.to_string()),
                    "[0-9]{0,30}", any::<String>(),
                ], 0..40).prop_map(|parts| parts.concat()),
            ],
        ) {
            Waits::parse(&text);
            Counters::parse(&text);
        }

        #[test]
        fn waits_are_read_back_as_written(
            lines in proptest::collection::vec((0..1u64 << 50, 0..1u64 << 50, 0..1u64 << 50), 1..8),
        ) {
            let kinds = ["Mutex spin waits", "RW-shared spins", "RW-sx spins", "RW-excl spins"];
            let text: String = lines.iter().zip(kinds.iter().cycle()).map(|((a, b, c), kind)| {
                format!("{kind} {a}, rounds {b}, OS waits {c}\n")
            }).collect();
            let sum = |of: fn(&(u64, u64, u64)) -> u64| lines.iter().map(of).sum();
            prop_assert_eq!(
                Waits::parse(&text),
                waits(sum(|line| line.0), sum(|line| line.1), sum(|line| line.2))
            );
        }
    }
}
