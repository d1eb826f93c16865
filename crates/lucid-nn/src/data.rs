//! Batches of a data set, in an order that a seed decides, made by threads ahead of their use.
//!
//! Everything random follows from the seed, the epoch and the place in it, and each thread makes the batches of its turn,
//! which are taken in turn. So neither the number of threads nor their speed changes anything, and the position is two
//! numbers.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, JoinHandle};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, check};

/// Batches that a thread makes ahead.
const BATCHES_AHEAD: usize = 2;

/// Items by number.
pub trait Dataset: Send + Sync {
    /// What one number stands for: a tensor, or several.
    type Item: Send;

    /// The number of items.
    fn len(&self) -> usize;

    /// Whether there are no items.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Item number `index`. What is random in it (a crop, a gain) is drawn from `rng`, which is another one for each item of
    /// each epoch.
    ///
    /// # Errors
    /// When the item can't be read: [`Error::data`] makes an error of any other.
    fn item(&self, index: usize, rng: &mut StdRng) -> Result<Self::Item>;
}

/// How a [`Loader`] makes batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoaderConfig {
    /// Items in a batch, at least 1: 1 by default.
    pub batch_size: usize,
    /// Whether the items come in another random order in each epoch: not by default.
    pub shuffle: bool,
    /// Whether the last batch of an epoch is left out where it is not full: not by default.
    pub drop_last: bool,
    /// Threads that make batches ahead, at most 1024; none by default: the caller's makes them when they are asked for.
    pub num_workers: usize,
    /// What the order and the items' generators follow from.
    pub seed: u64,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        LoaderConfig { batch_size: 1, shuffle: false, drop_last: false, num_workers: 0, seed: 0 }
    }
}

/// Where in a training run a [`Loader`] is: stored and given to another one, that one goes on there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoaderPosition {
    /// Epochs that are over.
    pub epoch: u64,
    /// Batches of this epoch that were taken.
    pub batch: u64,
}

/// Batches of a data set, epoch after epoch.
///
/// The order follows from the seed alone. (It may change with a new version of `rand`.)
///
/// ```
/// use lucid_nn::data::{Dataset, Loader, LoaderConfig};
/// use lucid_nn::rand::rngs::StdRng;
///
/// struct Squares;
/// impl Dataset for Squares {
///     type Item = usize;
///     fn len(&self) -> usize { 5 }
///     fn item(&self, index: usize, _: &mut StdRng) -> lucid_nn::Result<usize> { Ok(index * index) }
/// }
/// let mut loader = Loader::new(Squares, LoaderConfig { batch_size: 2, num_workers: 1, ..Default::default() })?;
/// let batches: Vec<Vec<usize>> = loader.epoch().collect::<Result<_, _>>()?;
/// assert_eq!(batches, [vec![0, 1], vec![4, 9], vec![16]]);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Loader<D> {
    dataset: Arc<D>,
    config: LoaderConfig,
    position: LoaderPosition,
}

impl<D: Dataset + 'static> Loader<D> {
    /// Before the first batch.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a batch of no items, or too many threads.
    pub fn new(dataset: D, config: LoaderConfig) -> Result<Self> {
        check(config.batch_size >= 1, "batch_size", config.batch_size, "at least 1")?;
        check(config.num_workers <= 1024, "num_workers", config.num_workers, "0 to 1024")?;
        Ok(Loader { dataset: Arc::new(dataset), config, position: LoaderPosition::default() })
    }

    /// The number of batches in an epoch.
    pub fn num_batches(&self) -> usize {
        let LoaderConfig { batch_size, drop_last, .. } = self.config;
        let num_items = self.dataset.len();
        if drop_last { num_items / batch_size } else { num_items.div_ceil(batch_size) }
    }

    /// Behind the last batch that was taken.
    pub fn position(&self) -> LoaderPosition {
        self.position
    }

    /// Goes on at a position.
    ///
    /// # Errors
    /// [`Error::Parameter`] when an epoch has fewer batches.
    pub fn set_position(&mut self, position: LoaderPosition) -> Result<()> {
        let num_batches = self.num_batches() as u64;
        let accepted = format!("at most {num_batches}, the batches of an epoch");
        check(position.batch <= num_batches, "batch", position.batch, &accepted)?;
        self.position = position;
        Ok(())
    }

    /// The batches that are left of this epoch; after the last one, the next epoch begins. A batch whose making failed
    /// counts as taken.
    pub fn epoch(&mut self) -> Batches<'_, D> {
        let epoch = self.position.epoch;
        let maker = Arc::new(Maker {
            order: self.order(epoch),
            epoch,
            config: self.config,
            dataset: self.dataset.clone(),
        });
        let (first, end) = (self.position.batch as usize, self.num_batches());
        let num_workers = self.config.num_workers.min(end - first.min(end));
        let workers = (0..num_workers).map(|worker| {
            let (sender, batches) = sync_channel(BATCHES_AHEAD);
            let maker = maker.clone();
            let thread = thread::Builder::new().spawn(move || {
                for batch in (first + worker..end).step_by(num_workers) {
                    // Nobody waits for the rest.
                    if sender.send(maker.batch(batch)).is_err() {
                        break;
                    }
                }
            });
            Worker { batches: Some(batches), thread: thread.ok() }
        });
        Batches { workers: workers.collect(), maker, first, end, position: &mut self.position }
    }

    /// The numbers of the items in the order of an epoch.
    fn order(&self, epoch: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.dataset.len()).collect();
        if self.config.shuffle {
            order.shuffle(&mut generator(self.config.seed, epoch, u64::MAX));
        }
        order
    }
}

/// A generator of its own for every epoch and place in it.
fn generator(seed: u64, epoch: u64, place: u64) -> StdRng {
    let mut bytes = [0; 32];
    for (part, number) in bytes.chunks_exact_mut(8).zip([seed, epoch, place]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    StdRng::from_seed(bytes)
}

/// Makes any batch of one epoch.
#[derive(Debug)]
struct Maker<D> {
    dataset: Arc<D>,
    config: LoaderConfig,
    epoch: u64,
    order: Vec<usize>,
}

impl<D: Dataset> Maker<D> {
    fn batch(&self, batch: usize) -> Result<Vec<D::Item>> {
        let LoaderConfig { batch_size, seed, .. } = self.config;
        // batch < num_batches <= ceil(order.len() / batch_size) => the start lies within the order.
        let start = batch * batch_size;
        let places = start..self.order.len().min(start.saturating_add(batch_size));
        let item = |place: usize| {
            self.dataset.item(self.order[place], &mut generator(seed, self.epoch, place as u64))
        };
        places.map(item).collect()
    }
}

#[derive(Debug)]
struct Worker<T> {
    /// Dropped before the thread is waited for, which may be waiting to send.
    batches: Option<Receiver<Result<Vec<T>>>>,
    /// None where the system had no thread left.
    thread: Option<JoinHandle<()>>,
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // Its panic was told to whoever asked for its batch.
            let _ = thread.join();
        }
    }
}

/// The batches of an epoch, as [`Loader::epoch`] makes them.
#[derive(Debug)]
pub struct Batches<'a, D: Dataset> {
    workers: Vec<Worker<D::Item>>,
    maker: Arc<Maker<D>>,
    /// The batch that the first thread began with.
    first: usize,
    end: usize,
    position: &'a mut LoaderPosition,
}

impl<D: Dataset> Iterator for Batches<'_, D> {
    type Item = Result<Vec<D::Item>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position.epoch != self.maker.epoch {
            return None;
        }
        let batch = self.position.batch as usize;
        if batch >= self.end {
            *self.position = LoaderPosition { epoch: self.maker.epoch.wrapping_add(1), batch: 0 };
            return None;
        }
        let made = if self.workers.is_empty() {
            self.maker.batch(batch)
        } else {
            let turn = (batch - self.first) % self.workers.len();
            let Worker { batches, thread } = &self.workers[turn];
            match (batches, thread) {
                (Some(batches), Some(_)) => batches.recv().unwrap_or_else(|_| Err(Error::Worker { batch })),
                _ => self.maker.batch(batch),
            }
        };
        self.position.batch += 1;
        Some(made)
    }
}
