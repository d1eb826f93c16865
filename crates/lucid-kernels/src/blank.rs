//! Memory that is written before it is read: a result need not be filled with zeros first, which takes as long as a filter of
//! a few taps.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::element::Element;

/// Elements that are to be written, once each, by whoever has them. They can be split among threads.
///
/// ```
/// use lucid_kernels::Blank;
///
/// let numbers = Blank::vec(5, |mut all| {
///     all.split_off_first(2).elements().fill(1.0);
///     all.elements()[0] = 2.0;
///     Ok::<(), std::convert::Infallible>(())
/// });
/// assert_eq!(numbers, Ok(vec![1.0, 1.0, 2.0, 0.0, 0.0]));
/// ```
#[derive(Debug)]
pub struct Blank<'a, T> {
    elements: &'a mut [MaybeUninit<T>],
    /// How many are left to be written of the vector that they are of; `None` where they were elements before.
    left: Option<&'a AtomicUsize>,
}

impl<'a, T: Element> Blank<'a, T> {
    /// A vector of `len` elements that `write` writes, or its error.
    ///
    /// # Panics
    /// When `write` succeeds, and some of them were not written.
    pub fn vec<E>(len: usize, write: impl FnOnce(Blank<'_, T>) -> Result<(), E>) -> Result<Vec<T>, E> {
        let mut elements = Vec::with_capacity(len);
        let left = AtomicUsize::new(len);
        write(Blank { elements: &mut elements.spare_capacity_mut()[..len], left: Some(&left) })?;
        assert_eq!(left.into_inner(), 0, "all elements are written");
        // SAFETY: the capacity is there, and every element has been written: each was in one blank only, which ended as it
        // was counted.
        unsafe { elements.set_len(len) };
        Ok(elements)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Takes the first `len` elements away, as a blank of their own.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn split_off_first(&mut self, len: usize) -> Blank<'a, T> {
        let first = self.elements.split_off_mut(..len);
        Blank { elements: first.expect("no more elements than there are"), left: self.left }
    }

    /// All of them, zeros where they were no elements before.
    pub fn elements(self) -> &'a mut [T] {
        if let Some(left) = self.left {
            // Not after the zeros: counting waits until all that was stored before has arrived.
            left.fetch_sub(self.elements.len(), Ordering::Relaxed);
            self.elements.fill(MaybeUninit::new(T::zero()));
        }
        // SAFETY: just written, or elements before.
        unsafe { self.elements.assume_init_mut() }
    }

    /// All of them, after `write` wrote them, and what it returned.
    ///
    /// # Panics
    /// When some of them were not written, and were no elements before.
    pub fn written_by<R>(self, write: impl FnOnce(Blank<'_, T>) -> R) -> (&'a mut [T], R) {
        let left = AtomicUsize::new(self.elements.len());
        let own = Blank { elements: &mut *self.elements, left: self.left.map(|_| &left) };
        let result = write(own);
        if self.left.is_some() {
            assert_eq!(left.into_inner(), 0, "all elements are written");
        }
        // SAFETY: as for a vector, every element has been written; or they were elements before.
        (unsafe { self.written() }, result)
    }

    /// Whether they were elements before.
    pub fn are_elements(&self) -> bool {
        self.left.is_none()
    }

    /// Where they lie.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut T {
        self.elements.as_mut_ptr().cast()
    }

    /// Counts them as written.
    ///
    /// # Safety
    /// All of them must be.
    pub(crate) unsafe fn written(self) -> &'a mut [T] {
        if let Some(left) = self.left {
            left.fetch_sub(self.elements.len(), Ordering::Relaxed);
        }
        // SAFETY: the caller promises that they are elements.
        unsafe { self.elements.assume_init_mut() }
    }
}

/// None.
impl<T> Default for Blank<'_, T> {
    fn default() -> Self {
        Blank { elements: &mut [], left: None }
    }
}

/// Elements, to be written over.
impl<'a, T: Element> From<&'a mut [T]> for Blank<'a, T> {
    fn from(elements: &'a mut [T]) -> Self {
        let (start, len) = (elements.as_mut_ptr().cast::<MaybeUninit<T>>(), elements.len());
        // SAFETY: the same memory, borrowed for as long; nothing but elements is ever written to a blank.
        let elements = unsafe { std::slice::from_raw_parts_mut(start, len) };
        Blank { elements, left: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "all elements are written")]
    fn what_is_left_out_is_found() {
        let _ = Blank::vec(3, |mut all: Blank<'_, f32>| {
            all.split_off_first(2).elements();
            Ok::<(), ()>(())
        });
    }

    #[test]
    fn parts_are_written_one_by_one() {
        let made = Blank::vec(4, |all: Blank<'_, f32>| {
            let (elements, last) = all.written_by(|mut all| {
                assert!(!all.are_elements());
                all.split_off_first(3).elements().fill(1.0);
                all.elements()[0] = 2.0;
                5
            });
            elements[0] += elements[3];
            assert_eq!(last, 5);
            Ok::<(), ()>(())
        });
        assert_eq!(made, Ok(vec![3.0, 1.0, 1.0, 2.0]));
        let mut numbers = [1.0_f32, 2.0];
        let (elements, ()) = Blank::from(&mut numbers[..]).written_by(|all| assert!(all.are_elements()));
        assert_eq!(elements, [1.0, 2.0]);
    }

    #[test]
    #[should_panic(expected = "all elements are written")]
    fn what_a_part_leaves_out_is_found() {
        let _ = Blank::vec(3, |all: Blank<'_, f32>| {
            all.written_by(|mut all| all.split_off_first(1).len());
            Ok::<(), ()>(())
        });
    }

    #[test]
    fn elements_stay_what_they_were() {
        let mut numbers = [1.0_f32, 2.0];
        assert_eq!(Blank::from(&mut numbers[..]).elements(), [1.0, 2.0]);
        assert_eq!(Blank::vec(1, |_: Blank<'_, f32>| Err("no")), Err("no"));
    }
}
