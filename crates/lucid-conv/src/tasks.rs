//! Splitting a pass into tasks that write disjoint parts of the result.
//!
//! Which tasks there are depends on the geometry alone and no sum is ever split over tasks, so the same bits come out
//! for any number of threads.

use std::sync::{Mutex, PoisonError};

/// Below this many multiplications a pass runs on the calling thread: handing tasks over costs some microseconds.
const PARALLEL_MULTIPLICATIONS: f64 = 50_000.0;

/// Runs every task, on all threads of the current `rayon` pool where `multiplications` make that worth it. `scratch`
/// makes a thread's own workspace: one per thread, however many tasks it takes.
pub(crate) fn run_all<K: Send, S>(
    tasks: Vec<K>,
    multiplications: f64,
    scratch: impl Fn() -> S + Sync,
    run: impl Fn(&mut S, K) + Sync,
) {
    let mut num_threads = 1;
    if tasks.len() > 1 && multiplications > PARALLEL_MULTIPLICATIONS {
        num_threads = rayon::current_num_threads().min(tasks.len());
    }
    let queue = Mutex::new(tasks.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        // A thread that comes when all is taken needs no workspace.
        let Some(first) = next() else { return };
        let mut own = scratch();
        let mut task = Some(first);
        while let Some(taken) = task {
            run(&mut own, taken);
            task = next();
        }
    };
    if num_threads == 1 {
        return work();
    }
    rayon::scope(|scope| {
        for _ in 1..num_threads {
            scope.spawn(|_| work());
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_task_runs_once_and_a_thread_has_one_scratch() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        for multiplications in [0.0, f64::INFINITY] {
            let made = AtomicUsize::new(0);
            let mut results = vec![0; 50];
            pool.install(|| {
                let tasks: Vec<_> = results.iter_mut().enumerate().collect();
                let scratch = || made.fetch_add(1, Ordering::Relaxed);
                run_all(tasks, multiplications, scratch, |_, (i, result)| *result += i + 1);
            });
            assert!(results.into_iter().eq(1..=50));
            assert!((1..=3).contains(&made.into_inner()));
        }
    }
}
