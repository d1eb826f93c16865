//! Splitting a pass into tasks that write disjoint parts of the result.
//!
//! Which tasks there are depends on the geometry alone, and where a sum is split over tasks its parts are added in order
//! afterwards, so the same bits come out for any number of threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// All threads of the current `rayon` pool where there are more `multiplications` than `shared`, else one: handing tasks
/// over costs some ten microseconds.
pub(crate) fn threads_for(multiplications: f64, shared: f64) -> usize {
    if multiplications > shared { rayon::current_num_threads() } else { 1 }
}

/// Tasks that are left, those of each thread together: neighbours often read the same.
struct Queue<K> {
    tasks: Vec<Option<K>>,
    /// By thread.
    left: Vec<Range<usize>>,
}

impl<K> Queue<K> {
    fn new(tasks: impl ExactSizeIterator<Item = K>, num_threads: usize) -> Self {
        let len = tasks.len();
        let left =
            (0..num_threads).map(|thread| thread * len / num_threads..(thread + 1) * len / num_threads);
        Queue { tasks: tasks.map(Some).collect(), left: left.collect() }
    }

    /// The next one of a thread, or the last one of that which has most left.
    fn next(&mut self, thread: usize) -> Option<K> {
        let own = self.left[thread].next();
        let number = own.or_else(|| self.left.iter_mut().max_by_key(|left| left.len())?.next_back())?;
        self.tasks[number].take()
    }
}

/// Runs every task on at most `num_threads` threads of the current `rayon` pool. `scratch` makes a thread's own
/// workspace: one per thread, however many tasks it takes.
pub(crate) fn run_all<K: Send, S>(
    tasks: impl ExactSizeIterator<Item = K> + Send,
    num_threads: usize,
    scratch: impl Fn() -> S + Sync,
    run: impl Fn(&mut S, K) + Sync,
) {
    let num_threads = num_threads.min(tasks.len());
    if num_threads <= 1 {
        let mut own = None;
        tasks.for_each(|task| run(own.get_or_insert_with(&scratch), task));
        return;
    }
    let queue = Mutex::new(Queue::new(tasks, num_threads));
    let next = |thread: usize| queue.lock().unwrap_or_else(PoisonError::into_inner).next(thread);
    let work = |thread: usize| {
        // A thread that comes when all is taken needs no workspace.
        let Some(first) = next(thread) else { return };
        let mut own = scratch();
        let mut task = Some(first);
        while let Some(taken) = task {
            run(&mut own, taken);
            task = next(thread);
        }
    };
    rayon::scope(|scope| {
        let work = &work;
        for thread in 1..num_threads {
            scope.spawn(move |_| work(thread));
        }
        work(0);
    });
}

/// As [`run_all`], for tasks that need no workspace.
pub(crate) fn run_each<K: Send>(
    tasks: impl ExactSizeIterator<Item = K> + Send,
    num_threads: usize,
    run: impl Fn(K) + Sync,
) {
    run_all(tasks, num_threads, || (), |(), task| run(task));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_task_runs_once_and_a_thread_has_one_scratch() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        for num_threads in [1, 2, 3, 100] {
            let made = AtomicUsize::new(0);
            let mut results = vec![0; 50];
            pool.install(|| {
                let tasks = results.iter_mut().enumerate();
                let scratch = || made.fetch_add(1, Ordering::Relaxed);
                run_all(tasks, num_threads, scratch, |_, (i, result)| *result += i + 1);
            });
            assert!(results.into_iter().eq(1..=50));
            assert!((1..=num_threads).contains(&made.into_inner()));
        }
    }
}
