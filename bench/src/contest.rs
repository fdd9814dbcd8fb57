//! Several servers at the same task, in turn, round by round: what else goes on hits all alike.

use std::time::Duration;

use crate::Result;
use crate::process::Usage;
use crate::statistics::median;

/// One measured round of one server.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Points that it took or wrote.
    pub points: u64,
    /// How long that took.
    pub elapsed: Duration,
    /// What its process used meanwhile.
    pub usage: Usage,
    /// Bytes that the disk wrote meanwhile and until all was on it, of all processes.
    pub disk: u64,
}

type Run<'a> = Box<dyn FnMut() -> Result<Sample> + 'a>;

/// One of those that are compared.
pub struct Contender<'a> {
    /// As the table names it.
    pub name: String,
    run: Option<Run<'a>>,
    samples: Vec<Sample>,
    /// Why it takes no further part.
    failure: Option<String>,
}

impl<'a> Contender<'a> {
    /// One that is measured by `run`.
    pub fn new(name: impl Into<String>, run: impl FnMut() -> Result<Sample> + 'a) -> Self {
        let run: Run<'a> = Box::new(run);
        Self { name: name.into(), run: Some(run), samples: Vec::new(), failure: None }
    }

    /// One whose server runs, or why it does not.
    pub fn of<S>(
        name: impl Into<String>,
        server: &'a Result<S>,
        mut run: impl FnMut(&'a S) -> Result<Sample> + 'a,
    ) -> Self {
        match server {
            Ok(server) => Self::new(name, move || run(server)),
            Err(error) => {
                let failure = Some(error.to_string());
                Self { name: name.into(), run: None, samples: Vec::new(), failure }
            }
        }
    }

    /// The median over the rounds of a number of each; why there is none.
    ///
    /// # Errors
    /// Where the server has failed.
    pub fn median(&self, of: impl Fn(&Sample) -> f64) -> std::result::Result<f64, &str> {
        match &self.failure {
            Some(failure) => Err(failure),
            None => Ok(median(&self.samples.iter().map(of).collect::<Vec<_>>())),
        }
    }

    /// Points a second.
    ///
    /// # Errors
    /// Where the server has failed.
    pub fn rate(&self) -> std::result::Result<f64, &str> {
        self.median(|sample| sample.points as f64 / sample.elapsed.as_secs_f64())
    }
}

/// Runs each once, in order. Who fails takes no further part.
pub fn round(contenders: &mut [Contender<'_>]) {
    for contender in contenders {
        if contender.failure.is_some() {
            continue;
        }
        let Some(run) = &mut contender.run else {
            continue;
        };
        match run() {
            Ok(sample) => {
                let rate = sample.points as f64 / sample.elapsed.as_secs_f64();
                eprintln!("  {}: {rate:.0} points/s", contender.name);
                contender.samples.push(sample);
            }
            Err(error) => {
                eprintln!("  {} failed: {error}", contender.name);
                contender.failure = Some(error.to_string());
            }
        }
    }
}

/// Runs each once without counting it: caches, allocators and branch predictors get warm.
pub fn warm_up(contenders: &mut [Contender<'_>]) {
    round(contenders);
    contenders.iter_mut().for_each(|contender| contender.samples.clear());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(points: u64) -> Sample {
        let elapsed = Duration::from_secs(1);
        Sample { points, elapsed, usage: Usage::default(), disk: 0 }
    }

    #[test]
    fn each_takes_its_turn_in_each_round_and_who_fails_stays_out() {
        let order = std::cell::RefCell::new(Vec::new());
        let mut contenders = [
            Contender::new("a", || {
                order.borrow_mut().push('a');
                Ok(sample(order.borrow().len() as u64))
            }),
            Contender::new("b", || {
                order.borrow_mut().push('b');
                if order.borrow().len() < 4 { Ok(sample(7)) } else { Err("gone".into()) }
            }),
        ];
        warm_up(&mut contenders);
        (0..3).for_each(|_| round(&mut contenders));
        assert_eq!(*order.borrow(), ['a', 'b', 'a', 'b', 'a', 'a']);
        assert_eq!(contenders[0].rate(), Ok(5.0), "of 3, 5 and 6");
        assert_eq!(contenders[1].rate(), Err("gone"));
    }
}
