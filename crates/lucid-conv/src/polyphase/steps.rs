//! Places at equal distances: the rows of an image, where they are read and where they are written.

/// Where something is read and written, and others of its kind that follow at equal distances of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) from: usize,
    pub(super) to: usize,
    /// How many there are.
    pub(super) count: usize,
    /// From one to the next, if there are several.
    pub(super) from_stride: usize,
    pub(super) to_stride: usize,
}

impl Steps {
    /// A single one.
    pub(super) fn one(from: usize, to: usize) -> Self {
        Steps { from, to, count: 1, from_stride: 0, to_stride: 0 }
    }

    /// Takes another one in if it is the next.
    pub(super) fn takes(&mut self, from: usize, to: usize) -> bool {
        let distances = (from.checked_sub(self.from), to.checked_sub(self.to));
        let (Some(from), Some(to)) = distances else { return false };
        if self.count == 1 {
            (self.from_stride, self.to_stride) = (from, to);
        }
        let is_next = from == self.count * self.from_stride && to == self.count * self.to_stride;
        self.count += usize::from(is_next);
        is_next
    }

    /// Where each is read and written.
    pub(super) fn each(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.count)
            .map(move |number| (self.from + number * self.from_stride, self.to + number * self.to_stride))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_next_is_taken_in() {
        let mut steps = Steps::one(3, 10);
        assert!(!steps.takes(2, 14) && steps.count == 1);
        assert!(steps.takes(5, 14) && steps.takes(7, 18));
        assert!(!steps.takes(9, 23) && !steps.takes(11, 22));
        assert_eq!(steps.each().collect::<Vec<_>>(), [(3, 10), (5, 14), (7, 18)]);
    }
}
