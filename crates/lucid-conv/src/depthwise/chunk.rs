//! The chunks of a result, in the order of its elements: each is one stretch of it, and so is a task of several.

use super::form::Form;

/// Elements of the result per task: some microseconds of work.
const TASK_LEN: usize = 1 << 14;

/// Neighbouring rows of one plane of the result, or positions `start` to `start + len` of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Which plane of the result.
    pub(crate) plane: usize,
    /// Which index along the axes before the last two, flattened.
    pub(crate) outer: usize,
    pub(crate) first_row: usize,
    pub(crate) num_rows: usize,
    pub(crate) start: usize,
    pub(crate) len: usize,
}

impl<const N: usize> Form<N> {
    /// Positions `q` and rows of a chunk, per axis.
    pub(crate) fn chunk_size(&self) -> [usize; N] {
        let mut size = [1; N];
        if let Some(rows) = size.iter_mut().rev().nth(1) {
            *rows = self.rows_per_chunk;
        }
        size[N - 1] = self.piece_len;
        size
    }

    /// Pieces of a row of the result.
    fn pieces_per_row(&self) -> usize {
        self.result_steps.div_ceil(self.piece_len)
    }

    /// Indices along the axes before the last two.
    fn num_outer(&self) -> usize {
        self.result.iter().rev().skip(2).product()
    }

    fn chunks_per_plane(&self) -> usize {
        self.num_outer() * self.result_rows().div_ceil(self.rows_per_chunk) * self.pieces_per_row()
    }

    pub(crate) fn num_chunks(&self, planes: usize) -> usize {
        planes * self.chunks_per_plane()
    }

    /// Chunks that make a task large enough.
    pub(crate) fn chunks_per_task(&self) -> usize {
        let row = self.result[N - 1].min(self.phases.len() * self.piece_len);
        TASK_LEN.div_ceil(row * self.rows_per_chunk)
    }

    /// Chunk number `number` of all, in the order of the result's elements.
    pub(crate) fn chunk(&self, number: usize) -> Chunk {
        let (plane, within) = (number / self.chunks_per_plane(), number % self.chunks_per_plane());
        let (rows, piece) = (within / self.pieces_per_row(), within % self.pieces_per_row());
        let per_outer = self.result_rows().div_ceil(self.rows_per_chunk);
        let (outer, first_row) = (rows / per_outer, rows % per_outer * self.rows_per_chunk);
        let start = piece * self.piece_len;
        Chunk {
            plane,
            outer,
            first_row,
            num_rows: self.rows_per_chunk.min(self.result_rows() - first_row),
            start,
            len: self.piece_len.min(self.result_steps - start),
        }
    }

    /// The chunk after another one: counted up, as a short row takes no longer than a division or two.
    pub(crate) fn chunk_after(&self, mut chunk: Chunk) -> Chunk {
        chunk.start += self.piece_len;
        if chunk.start >= self.result_steps {
            chunk.start = 0;
            chunk.first_row += self.rows_per_chunk;
        }
        if chunk.first_row >= self.result_rows() {
            chunk.first_row = 0;
            chunk.outer += 1;
        }
        if chunk.outer >= self.num_outer() {
            chunk.outer = 0;
            chunk.plane += 1;
        }
        chunk.len = self.piece_len.min(self.result_steps - chunk.start);
        chunk.num_rows = self.rows_per_chunk.min(self.result_rows() - chunk.first_row);
        chunk
    }

    /// Where a chunk starts in the result, and its elements: they follow one another.
    pub(crate) fn extent(&self, chunk: &Chunk) -> (usize, usize) {
        let row = (chunk.plane * self.num_outer() + chunk.outer) * self.result_rows() + chunk.first_row;
        let start = chunk.start * self.phases.len();
        let len = (chunk.len * self.phases.len()).min(self.result[N - 1] - start);
        (row * self.result[N - 1] + start, chunk.num_rows * len)
    }

    /// Pairs of channels that make a task of a weight's gradient large enough.
    pub(crate) fn pairs_per_task(&self, batch: usize) -> usize {
        let plane: usize = self.result.iter().product();
        TASK_LEN.div_ceil(plane.saturating_mul(batch).max(1))
    }
}
