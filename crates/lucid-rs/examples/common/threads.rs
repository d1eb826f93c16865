//! A thread pool of the size asked for.

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::Result;

/// A pool of so many threads, or of one per core. What runs in it computes on it, and the same bits on any.
pub(crate) fn pool(num_threads: Option<u16>) -> Result<ThreadPool> {
    // 0 is rayon's word for one per core.
    let builder = ThreadPoolBuilder::new().num_threads(num_threads.map_or(0, usize::from));
    Ok(builder.build().map_err(|error| format!("starting the threads: {error}"))?)
}
