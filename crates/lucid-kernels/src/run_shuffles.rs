//! Short runs of four rows, put in order in registers: any elements of four vectors, by two instructions that choose among two
//! and one that chooses between their results. Only AVX-512 has these.

use crate::runs::{InRows, Runs};
use crate::vector::Vector;
use crate::vector::x86::{Avx512F32, Avx512F64};
use crate::winograd::WINOGRAD_OUTPUTS;

/// As many as a column has positions, whose outputs share products.
const ROWS: usize = WINOGRAD_OUTPUTS;
/// Runs that have tables are shorter, and shorter than half a vector.
const END_RUN: usize = 8;

/// Of four vectors, which elements of four others they are made of: counted through all of those.
type Table = [[i32; 16]; ROWS];

/// Those of one number of lanes, by length of the runs. Lanes beyond whole runs are the first element.
pub(crate) struct Tables {
    /// The rows of whole groups, which follow one another.
    to_rows: [Table; END_RUN],
    /// Such groups of the rows.
    to_groups: [Table; END_RUN],
}

const fn tables(lanes: usize) -> Tables {
    let mut all = Tables { to_rows: [[[0; 16]; ROWS]; END_RUN], to_groups: [[[0; 16]; ROWS]; END_RUN] };
    let mut run = 1;
    while run < END_RUN && 2 * run < lanes {
        let step = lanes / run * run;
        let mut at = 0;
        while at < ROWS * step {
            // Element `at` of the groups is element `q` of a row.
            let (group, row) = (at / (ROWS * run), at / run % ROWS);
            let q = group * run + at % run;
            all.to_rows[run][row][q] = at as i32;
            all.to_groups[run][at / lanes][at % lanes] = (row * lanes + q) as i32;
            at += 1;
        }
        run += 1;
    }
    all
}

/// A vector whose elements can be any of four others.
///
/// # Safety
/// As [`Vector`].
pub(crate) trait Pick: Vector {
    /// Which ones.
    type Order: Copy;

    /// As of [`tables`].
    const TABLES: &'static Tables;

    /// That of so many elements as the vector has lanes.
    unsafe fn order(numbers: &[i32; 16]) -> Self::Order;
    /// The elements of that order.
    unsafe fn pick(from: [Self; ROWS], order: Self::Order) -> Self;
}

/// The runs of some first groups, where there are four rows, of a vector at least, and their runs are shorter than half of one; returns of
/// how many groups.
///
/// # Safety
/// The instruction set of `X` must be available, and the function inlined into one that enables it; the job must be as its type
/// says.
#[inline(always)]
pub(crate) unsafe fn shuffled<X: Pick>(job: &Runs<'_, X::Element>) -> usize {
    let &Runs { from, to, ref rows, run, groups } = job;
    let num_rows = match *rows {
        InRows::Read(starts) => starts.len(),
        InRows::Written(num_rows, _) => num_rows,
    };
    if num_rows != ROWS || 2 * run >= X::LANES || groups * run < X::LANES {
        return 0;
    }
    // Whole runs of a vector, and the last group at which a vector of a row begins that does not reach beyond the row: with the same
    // of all rows, four vectors then do not reach beyond the other side either. What they have too much is written over later.
    let (step, last) = (X::LANES / run, (groups * run - X::LANES) / run);
    let table = match rows {
        InRows::Read(_) => &X::TABLES.to_groups[run],
        InRows::Written(..) => &X::TABLES.to_rows[run],
    };
    // SAFETY: the caller promises the instruction set.
    let orders: [X::Order; ROWS] = std::array::from_fn(|v| unsafe { X::order(&table[v]) });
    for i in (0..last + step).step_by(step) {
        let i = i.min(last);
        let in_groups = |v: usize| ROWS * i * run + v * X::LANES;
        let places: [(usize, usize); ROWS] = std::array::from_fn(|v| match *rows {
            InRows::Read(starts) => (starts[v] + i * run, in_groups(v)),
            InRows::Written(_, stride) => (in_groups(v), v * stride + i * run),
        });
        // SAFETY: the caller promises the instruction set.
        let mut vectors = [unsafe { X::zero() }; ROWS];
        for (vector, (read, _)) in vectors.iter_mut().zip(places) {
            // SAFETY: i <= last, so that LANES elements are there.
            let from = unsafe { from.add(read) };
            // SAFETY: for the same reason; the caller promises the instruction set.
            *vector = unsafe { X::load(from) };
        }
        for (order, (_, written)) in orders.into_iter().zip(places) {
            // SAFETY: the caller promises the instruction set.
            let picked = unsafe { X::pick(vectors, order) };
            // SAFETY: i <= last, so that there is space for LANES elements.
            let to = unsafe { to.add(written) };
            // SAFETY: for the same reason; the caller promises the instruction set.
            unsafe { picked.store(to) };
        }
    }
    last + step
}

mod x86 {
    use std::arch::x86_64::{
        __m512, __m512d, __m512i, __mmask8, __mmask16, _mm256_loadu_si256, _mm512_cvtepi32_epi64,
        _mm512_loadu_si512, _mm512_mask_blend_pd, _mm512_mask_blend_ps, _mm512_permutex2var_pd,
        _mm512_permutex2var_ps, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_test_epi32_mask,
        _mm512_test_epi64_mask,
    };

    /// The bits by which an instruction chooses, and which of the four vectors are of the second two.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn order_f32(numbers: &[i32; 16]) -> (__m512i, __mmask16) {
        // SAFETY: all of them are read, and no more.
        let numbers = unsafe { _mm512_loadu_si512(numbers.as_ptr().cast()) };
        (numbers, _mm512_test_epi32_mask(numbers, _mm512_set1_epi32(32)))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn order_f64(numbers: &[i32; 16]) -> (__m512i, __mmask8) {
        // SAFETY: the first half of them is read.
        let numbers = unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) };
        let numbers = _mm512_cvtepi32_epi64(numbers);
        (numbers, _mm512_test_epi64_mask(numbers, _mm512_set1_epi64(16)))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn pick_f32([a, b, c, d]: [__m512; 4], (numbers, second): (__m512i, __mmask16)) -> __m512 {
        let first = _mm512_permutex2var_ps(a, numbers, b);
        _mm512_mask_blend_ps(second, first, _mm512_permutex2var_ps(c, numbers, d))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn pick_f64([a, b, c, d]: [__m512d; 4], (numbers, second): (__m512i, __mmask8)) -> __m512d {
        let first = _mm512_permutex2var_pd(a, numbers, b);
        _mm512_mask_blend_pd(second, first, _mm512_permutex2var_pd(c, numbers, d))
    }
}

macro_rules! impl_pick {
    ($vector:ident, $mask:ident, $order:ident, $pick:ident) => {
        impl Pick for $vector {
            type Order = (std::arch::x86_64::__m512i, std::arch::x86_64::$mask);

            const TABLES: &'static Tables = {
                static TABLES: Tables = tables($vector::LANES);
                &TABLES
            };

            #[inline(always)]
            unsafe fn order(numbers: &[i32; 16]) -> Self::Order {
                // SAFETY: the caller promises that the instruction set is available.
                unsafe { x86::$order(numbers) }
            }

            #[inline(always)]
            unsafe fn pick(from: [Self; ROWS], order: Self::Order) -> Self {
                // SAFETY: the caller promises that the instruction set is available.
                $vector(unsafe { x86::$pick(from.map(|vector| vector.0), order) })
            }
        }
    };
}

impl_pick!(Avx512F32, __mmask16, order_f32, pick_f32);
impl_pick!(Avx512F64, __mmask8, order_f64, pick_f64);
