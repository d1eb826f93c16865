//! The data loader: the same batches for any number of threads, after a resume too; failures; early ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lucid_nn::data::{Dataset, Loader, LoaderConfig, LoaderPosition};
use lucid_nn::{Error, Result};
use rand::RngExt;
use rand::rngs::StdRng;

/// Item `i` is `i` with a random number; some can't be read.
struct Items {
    len: usize,
    failing: Option<usize>,
    panicking: Option<usize>,
    num_made: Arc<AtomicUsize>,
}

impl Dataset for Items {
    type Item = (usize, u32);

    fn len(&self) -> usize {
        self.len
    }

    fn item(&self, index: usize, rng: &mut StdRng) -> Result<(usize, u32)> {
        self.num_made.fetch_add(1, Ordering::Relaxed);
        assert!(self.panicking != Some(index), "as the test wants");
        if self.failing == Some(index) {
            return Err(Error::data("no such luck"));
        }
        Ok((index, rng.random()))
    }
}

fn items(len: usize) -> Items {
    Items { len, failing: None, panicking: None, num_made: Arc::default() }
}

fn config(num_workers: usize) -> LoaderConfig {
    LoaderConfig { batch_size: 3, shuffle: true, num_workers, seed: 7, ..Default::default() }
}

fn epochs(loader: &mut Loader<Items>, num_epochs: usize) -> Vec<Vec<(usize, u32)>> {
    (0..num_epochs).flat_map(|_| loader.epoch().collect::<Result<Vec<_>>>().unwrap()).collect()
}

#[test]
fn batches_depend_on_the_seed_and_not_on_the_threads() {
    let expected = epochs(&mut Loader::new(items(20), config(0)).unwrap(), 3);
    assert_eq!(expected.len(), 21);
    for num_workers in [1, 2, 5, 30] {
        assert_eq!(epochs(&mut Loader::new(items(20), config(num_workers)).unwrap(), 3), expected);
    }
    let other = LoaderConfig { seed: 8, ..config(0) };
    assert_ne!(epochs(&mut Loader::new(items(20), other).unwrap(), 3), expected);
    // Every item once per epoch, in another order and with other random numbers.
    let [first, second] = [&expected[..7], &expected[7..14]].map(<[_]>::concat);
    for epoch in [&first, &second] {
        let mut indices: Vec<usize> = epoch.iter().map(|item| item.0).collect();
        assert!(!indices.is_sorted());
        indices.sort_unstable();
        assert!(indices.into_iter().eq(0..20));
    }
    assert_ne!(
        first.iter().map(|it| it.0).collect::<Vec<_>>(),
        second.iter().map(|it| it.0).collect::<Vec<_>>()
    );
    assert!(first.iter().all(|item| !second.contains(item)));
}

#[test]
fn a_position_that_was_stored_goes_on_where_it_was() {
    let whole = epochs(&mut Loader::new(items(20), config(2)).unwrap(), 3);
    for num_taken in 0..21 {
        let mut loader = Loader::new(items(20), config(2)).unwrap();
        let mut taken = Vec::new();
        while taken.len() < num_taken {
            let rest = num_taken - taken.len();
            taken.extend(loader.epoch().take(rest).map(Result::unwrap));
        }
        let stored = serde_json::to_string(&loader.position()).unwrap();
        let mut resumed = Loader::new(items(20), config(3)).unwrap();
        resumed.set_position(serde_json::from_str(&stored).unwrap()).unwrap();
        while resumed.position().epoch < 3 {
            taken.extend(resumed.epoch().map(Result::unwrap));
        }
        assert_eq!(taken, whole, "after {num_taken}");
    }
}

#[test]
fn the_last_batch_is_kept_or_dropped_and_an_empty_set_has_none() {
    let lens = |len: usize, drop_last: bool| {
        let config = LoaderConfig { drop_last, ..config(1) };
        let mut loader = Loader::new(items(len), config).unwrap();
        let lens: Vec<usize> = loader.epoch().map(|batch| batch.unwrap().len()).collect();
        assert_eq!(
            (lens.len(), loader.position()),
            (loader.num_batches(), LoaderPosition { epoch: 1, batch: 0 })
        );
        lens
    };
    assert_eq!((lens(7, false), lens(7, true)), (vec![3, 3, 1], vec![3, 3]));
    assert_eq!((lens(6, false), lens(6, true)), (vec![3, 3], vec![3, 3]));
    assert_eq!((lens(2, true), lens(0, false)), (vec![], vec![]));
}

#[test]
fn failures_and_panics_are_errors_in_their_place() {
    for num_workers in [0, 2] {
        let in_order = LoaderConfig { shuffle: false, ..config(num_workers) };
        let mut loader = Loader::new(Items { failing: Some(4), ..items(9) }, in_order).unwrap();
        let results: Vec<_> = loader.epoch().collect();
        assert!(results[0].is_ok() && results[2].is_ok());
        assert!(results[1].as_ref().unwrap_err().to_string().contains("no such luck"));
    }
    let in_order = LoaderConfig { shuffle: false, ..config(2) };
    let mut loader = Loader::new(Items { panicking: Some(4), ..items(9) }, in_order).unwrap();
    let results: Vec<_> = loader.epoch().collect();
    assert!(
        results[0].is_ok() && matches!(results[1], Err(Error::Worker { batch: 1 })) && results[2].is_ok()
    );
}

#[test]
fn an_epoch_that_is_left_early_ends_its_threads_and_little_is_made_ahead() {
    let set = items(100_000);
    let num_made = set.num_made.clone();
    let mut loader = Loader::new(set, config(4)).unwrap();
    assert_eq!(loader.epoch().take(2).count(), 2);
    let after = num_made.load(Ordering::Relaxed);
    // Each of 4 threads has made at most the batches taken from it, 2 that wait and 1 that it could not hand over.
    assert!(after <= (2 + 4 * 3) * 3, "{after}");
    assert_eq!(loader.position(), LoaderPosition { epoch: 0, batch: 2 });
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(num_made.load(Ordering::Relaxed), after, "no thread is left");
}

#[test]
fn what_can_not_be_is_refused() {
    assert!(Loader::new(items(3), LoaderConfig { batch_size: 0, ..Default::default() }).is_err());
    assert!(Loader::new(items(3), LoaderConfig { num_workers: 2000, ..Default::default() }).is_err());
    let mut loader = Loader::new(items(9), config(0)).unwrap();
    assert!(loader.set_position(LoaderPosition { epoch: 0, batch: 4 }).is_err());
    loader.set_position(LoaderPosition { epoch: u64::MAX, batch: 3 }).unwrap();
    assert_eq!(loader.epoch().count(), 0);
    let mut all_in_one =
        Loader::new(items(9), LoaderConfig { batch_size: usize::MAX, ..Default::default() }).unwrap();
    assert_eq!(all_in_one.epoch().next().unwrap().unwrap().len(), 9);
}
