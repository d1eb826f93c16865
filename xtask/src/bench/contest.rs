//! Several programs timed in alternation, a sample of each per round, so that whatever else the machine does in a
//! second that favours nobody.

use std::time::Duration;

use super::measure::{MIN_SAMPLES, Timing, iterations};
use crate::error::Result;

/// Something that is timed. It sleeps while another is.
pub(super) trait Contender {
    /// Seconds per iteration, over `iterations` in one go.
    fn sample(&mut self, iterations: u32) -> Result<f64>;
}

/// The samples of one contender.
#[derive(Default)]
struct Samples {
    per_sample: u32,
    seconds: Vec<f64>,
    /// In all samples, in seconds.
    spent: f64,
}

/// How many times as long as the fastest one a contender may take to go through as many rounds.
const NEAR: f64 = 3.0;

/// Times contenders until the fastest one has used `budget`, or all have the least number of samples if that takes longer.
///
/// Who takes more than [`NEAR`] times as long leaves with a budget of its own. The others stay to the last round: timed alone, one of
/// them would have the caches to itself, and large weights are read twice as fast then.
pub(super) fn contest(contenders: &mut [&mut dyn Contender], budget: Duration) -> Result<Vec<Timing>> {
    let (mut all, mut warm) = (Vec::with_capacity(contenders.len()), Vec::with_capacity(contenders.len()));
    for contender in contenders.iter_mut() {
        // The first iteration pays for pages and caches, so it only tells how many the second estimate may take.
        let first = contender.sample(1)?;
        let seconds = contender.sample(iterations(first))?;
        all.push(Samples { per_sample: iterations(seconds), ..Samples::default() });
        warm.push(seconds);
    }
    let fastest = (0..warm.len()).min_by(|&a, &b| warm[a].total_cmp(&warm[b])).unwrap_or_default();
    loop {
        let has_time = |samples: &Samples| samples.spent < budget.as_secs_f64();
        let go_on = all.get(fastest).is_some_and(has_time);
        let mut is_over = true;
        for (number, contender) in contenders.iter_mut().enumerate() {
            let is_near = warm[number] <= NEAR * warm[fastest];
            let samples = &mut all[number];
            if samples.seconds.len() < MIN_SAMPLES || if is_near { go_on } else { has_time(samples) } {
                samples.take(*contender)?;
                is_over = false;
            }
        }
        if is_over {
            return Ok(all.into_iter().map(Samples::timing).collect());
        }
    }
}

impl Samples {
    fn take(&mut self, contender: &mut dyn Contender) -> Result<()> {
        let seconds = contender.sample(self.per_sample)?;
        self.spent += seconds * f64::from(self.per_sample);
        self.seconds.push(seconds);
        Ok(())
    }

    fn timing(mut self) -> Timing {
        self.seconds.sort_unstable_by(f64::total_cmp);
        let [min, median] = [0, self.seconds.len() / 2].map(|at| Duration::from_secs_f64(self.seconds[at]));
        Timing { min, median }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Says that an iteration takes as long as it is told, and logs who was asked.
    struct Fake<'a> {
        name: char,
        seconds: Vec<f64>,
        log: &'a RefCell<String>,
    }

    impl Contender for Fake<'_> {
        fn sample(&mut self, _: u32) -> Result<f64> {
            self.log.borrow_mut().push(self.name);
            Ok(if self.seconds.len() > 1 { self.seconds.remove(0) } else { self.seconds[0] })
        }
    }

    #[test]
    fn samples_alternate_and_the_least_and_the_median_are_reported() {
        let log = RefCell::new(String::new());
        let mut a = Fake { name: 'a', seconds: vec![9.0, 9.0, 0.5, 0.1, 0.4, 0.2, 0.3], log: &log };
        let mut b = Fake { name: 'b', seconds: vec![1.0], log: &log };
        let timings = contest(&mut [&mut a, &mut b], Duration::ZERO).unwrap();
        assert_eq!(*log.borrow(), "aabbababababab");
        let seconds = |timing: Timing| (timing.min.as_secs_f64(), timing.median.as_secs_f64());
        assert_eq!(timings.into_iter().map(seconds).collect::<Vec<_>>(), [(0.1, 0.3), (1.0, 1.0)]);
    }

    #[test]
    fn who_is_near_the_fastest_stays_and_who_is_slow_leaves_with_its_budget() {
        let log = RefCell::new(String::new());
        let mut slow = Fake { name: 's', seconds: vec![1.0], log: &log };
        let mut near = Fake { name: 'n', seconds: vec![0.5], log: &log };
        let mut fast = Fake { name: 'f', seconds: vec![0.25], log: &log };
        contest(&mut [&mut slow, &mut near, &mut fast], Duration::from_secs(2)).unwrap();
        assert_eq!(*log.borrow(), "ssnnff".to_owned() + &"snf".repeat(5) + "nfnfnf");
    }
}
