//! What interleaving asks of vectors, beside the operations of [`Vector`]: transposes of small blocks in registers.
//!
//! Each transpose is made of one network: four vectors are transposed within their 128-bit lanes, four lanes at a time,
//! and lanes are put in order afterwards.

use crate::vector::{Lanes, Vector};

/// A vector that can be interleaved with another.
///
/// # Safety
/// As [`Shuffle`].
pub(crate) trait Zip: Vector {
    /// Element `2 i + r` of the two results together is element `i` of vector `r`.
    unsafe fn zip(rows: [Self; 2]) -> [Self; 2];
}

/// A vector of which as many as it has lanes can be transposed.
///
/// # Safety
/// As [`Vector`]: the instruction set of the implementing type must be available, and the caller inlined into a function
/// that enables it.
pub(crate) trait Transpose: Vector {
    /// As many vectors as a vector has lanes.
    type Square: Copy + AsRef<[Self]> + AsMut<[Self]>;

    /// All zeros.
    unsafe fn zero_square() -> Self::Square;
    /// Element `i` of result `j` is element `j` of vector `i`.
    unsafe fn transpose(rows: Self::Square) -> Self::Square;
}

/// A vector whose elements can be exchanged with those of its neighbours.
///
/// # Safety
/// As [`Vector`].
pub(crate) trait Shuffle: Transpose + Zip {
    /// The inverse of [`zip`](Zip::zip).
    unsafe fn unzip(pairs: [Self; 2]) -> [Self; 2];
    /// Element `4 i + r` of the four results together is element `i` of vector `r`.
    unsafe fn zip4(rows: [Self; 4]) -> [Self; 4];
    /// The inverse of [`zip4`](Self::zip4).
    unsafe fn unzip4(quads: [Self; 4]) -> [Self; 4];

    /// Element `8 i + r` of the eight results together is element `i` of vector `r`.
    #[inline(always)]
    unsafe fn zip8([a, b, c, d, e, f, g, h]: [Self; 8]) -> [Self; 8] {
        // SAFETY: the caller promises the instruction set.
        let quad = |rows: [Self; 4]| unsafe { Self::zip4(rows) };
        let (even, odd) = (quad([a, c, e, g]), quad([b, d, f, h]));
        // SAFETY: for the same reason.
        let pair = |v: usize| unsafe { Self::zip([even[v], odd[v]]) };
        let ([a, b], [c, d], [e, f], [g, h]) = (pair(0), pair(1), pair(2), pair(3));
        [a, b, c, d, e, f, g, h]
    }

    /// The inverse of [`zip8`](Self::zip8).
    #[inline(always)]
    unsafe fn unzip8([a, b, c, d, e, f, g, h]: [Self; 8]) -> [Self; 8] {
        // SAFETY: the caller promises the instruction set.
        let pair = |first: Self, second: Self| unsafe { Self::unzip([first, second]) };
        let [[a, b], [c, d], [e, f], [g, h]] = [pair(a, b), pair(c, d), pair(e, f), pair(g, h)];
        // SAFETY: for the same reason.
        let quad = |quads: [Self; 4]| unsafe { Self::unzip4(quads) };
        let ([a, c, e, g], [b, d, f, h]) = (quad([a, c, e, g]), quad([b, d, f, h]));
        [a, b, c, d, e, f, g, h]
    }
}

/// `M` vectors whose element number `k`, counted through all, is element `from(k)` of the others, counted so too.
#[inline(always)]
fn permuted<T: Copy, const L: usize, const M: usize>(
    vectors: [Lanes<T, L>; M],
    from: impl Fn(usize) -> usize,
) -> [Lanes<T, L>; M] {
    std::array::from_fn(|v| {
        Lanes(std::array::from_fn(|i| {
            let k = from(v * L + i);
            vectors[k / L].0[k % L]
        }))
    })
}

macro_rules! portable {
    ($scalar:ty, $lanes:literal) => {
        impl Transpose for Lanes<$scalar, $lanes> {
            type Square = [Self; $lanes];

            #[inline(always)]
            unsafe fn zero_square() -> Self::Square {
                [Lanes([0.0; $lanes]); $lanes]
            }

            #[inline(always)]
            unsafe fn transpose(rows: Self::Square) -> Self::Square {
                permuted(rows, |k| k % $lanes * $lanes + k / $lanes)
            }
        }

        impl Zip for Lanes<$scalar, $lanes> {
            #[inline(always)]
            unsafe fn zip(rows: [Self; 2]) -> [Self; 2] {
                permuted(rows, |k| k % 2 * $lanes + k / 2)
            }
        }

        impl Shuffle for Lanes<$scalar, $lanes> {
            #[inline(always)]
            unsafe fn unzip(pairs: [Self; 2]) -> [Self; 2] {
                permuted(pairs, |k| k % $lanes * 2 + k / $lanes)
            }

            #[inline(always)]
            unsafe fn zip4(rows: [Self; 4]) -> [Self; 4] {
                permuted(rows, |k| k % 4 * $lanes + k / 4)
            }

            #[inline(always)]
            unsafe fn unzip4(quads: [Self; 4]) -> [Self; 4] {
                permuted(quads, |k| k % $lanes * 4 + k / $lanes)
            }
        }
    };
}

portable!(f32, 4);
portable!(f64, 2);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Shuffle, Transpose, Zip};
    use crate::vector::Vector;
    use crate::vector::x86::{Avx2F32, Avx2F64, Avx512F32, Avx512F64};
    use std::arch::x86_64::*;

    /// Transposes each 128-bit lane: result `j` has elements `j` of all four in its low lane, `j + 4` in its high one.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn transpose_lanes([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
        let (low_ac, high_ac) = (_mm256_unpacklo_ps(a, c), _mm256_unpackhi_ps(a, c));
        let (low_bd, high_bd) = (_mm256_unpacklo_ps(b, d), _mm256_unpackhi_ps(b, d));
        [
            _mm256_unpacklo_ps(low_ac, low_bd),
            _mm256_unpackhi_ps(low_ac, low_bd),
            _mm256_unpacklo_ps(high_ac, high_bd),
            _mm256_unpackhi_ps(high_ac, high_bd),
        ]
    }

    /// The low lanes of both, and the high lanes of both.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn lanes_f32(a: __m256, b: __m256) -> (__m256, __m256) {
        (_mm256_permute2f128_ps::<0x20>(a, b), _mm256_permute2f128_ps::<0x31>(a, b))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn lanes_f64(a: __m256d, b: __m256d) -> (__m256d, __m256d) {
        (_mm256_permute2f128_pd::<0x20>(a, b), _mm256_permute2f128_pd::<0x31>(a, b))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn zip_f32([a, b]: [__m256; 2]) -> [__m256; 2] {
        let (first, second) = lanes_f32(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        [first, second]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn unzip_f32([a, b]: [__m256; 2]) -> [__m256; 2] {
        let (low, high) = lanes_f32(a, b);
        [_mm256_shuffle_ps::<0x88>(low, high), _mm256_shuffle_ps::<0xdd>(low, high)]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn zip4_f32(rows: [__m256; 4]) -> [__m256; 4] {
        let [a, b, c, d] = transpose_lanes(rows);
        let ((ab, ab_high), (cd, cd_high)) = (lanes_f32(a, b), lanes_f32(c, d));
        [ab, cd, ab_high, cd_high]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn unzip4_f32([ab, cd, ab_high, cd_high]: [__m256; 4]) -> [__m256; 4] {
        let ((a, b), (c, d)) = (lanes_f32(ab, ab_high), lanes_f32(cd, cd_high));
        transpose_lanes([a, b, c, d])
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn transpose_f32([a, b, c, d, e, f, g, h]: [__m256; 8]) -> [__m256; 8] {
        let (low, high) = (transpose_lanes([a, b, c, d]), transpose_lanes([e, f, g, h]));
        let mut result = [_mm256_setzero_ps(); 8];
        for i in 0..4 {
            (result[i], result[i + 4]) = lanes_f32(low[i], high[i]);
        }
        result
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn zip_f64([a, b]: [__m256d; 2]) -> [__m256d; 2] {
        let (first, second) = lanes_f64(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
        [first, second]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn unzip_f64([a, b]: [__m256d; 2]) -> [__m256d; 2] {
        let (low, high) = lanes_f64(a, b);
        [_mm256_unpacklo_pd(low, high), _mm256_unpackhi_pd(low, high)]
    }

    /// Its own inverse: a square of four.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn transpose_f64([a, b, c, d]: [__m256d; 4]) -> [__m256d; 4] {
        let (ab, ab_odd) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
        let (cd, cd_odd) = (_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
        let ((first, third), (second, fourth)) = (lanes_f64(ab, cd), lanes_f64(ab_odd, cd_odd));
        [first, second, third, fourth]
    }

    /// As [`transpose_lanes`], of lanes of 512-bit vectors: result `j` has elements `j`, `j + 4`, `j + 8` and `j + 12` of all four.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn transpose_quarters([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
        let (low_ac, high_ac) = (_mm512_unpacklo_ps(a, c), _mm512_unpackhi_ps(a, c));
        let (low_bd, high_bd) = (_mm512_unpacklo_ps(b, d), _mm512_unpackhi_ps(b, d));
        [
            _mm512_unpacklo_ps(low_ac, low_bd),
            _mm512_unpackhi_ps(low_ac, low_bd),
            _mm512_unpacklo_ps(high_ac, high_bd),
            _mm512_unpackhi_ps(high_ac, high_bd),
        ]
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn transpose_wide_f32(rows: [__m512; 16]) -> [__m512; 16] {
        let zero = _mm512_setzero_ps();
        let mut quarters = [[zero; 4]; 4];
        for (quarter, rows) in quarters.iter_mut().zip(rows.as_chunks().0) {
            *quarter = transpose_quarters(*rows);
        }
        let mut result = [zero; 16];
        for j in 0..4 {
            let [a, b, c, d] = quarters.map(|quarter| quarter[j]);
            // Lanes 0 and 2, and lanes 1 and 3, of both.
            let (even_ab, odd_ab) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
            let (even_cd, odd_cd) = (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
            result[j] = _mm512_shuffle_f32x4::<0x88>(even_ab, even_cd);
            result[j + 4] = _mm512_shuffle_f32x4::<0x88>(odd_ab, odd_cd);
            result[j + 8] = _mm512_shuffle_f32x4::<0xdd>(even_ab, even_cd);
            result[j + 12] = _mm512_shuffle_f32x4::<0xdd>(odd_ab, odd_cd);
        }
        result
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn transpose_wide_f64(rows: [__m512d; 8]) -> [__m512d; 8] {
        let zero = _mm512_setzero_pd();
        let mut result = [zero; 8];
        let mut pairs = [[zero; 2]; 4];
        for (pair, &[a, b]) in pairs.iter_mut().zip(rows.as_chunks().0) {
            *pair = [_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b)];
        }
        for j in 0..2 {
            let [a, b, c, d] = pairs.map(|pair| pair[j]);
            let (even_ab, odd_ab) = (_mm512_shuffle_f64x2::<0x88>(a, b), _mm512_shuffle_f64x2::<0xdd>(a, b));
            let (even_cd, odd_cd) = (_mm512_shuffle_f64x2::<0x88>(c, d), _mm512_shuffle_f64x2::<0xdd>(c, d));
            result[j] = _mm512_shuffle_f64x2::<0x88>(even_ab, even_cd);
            result[j + 2] = _mm512_shuffle_f64x2::<0x88>(odd_ab, odd_cd);
            result[j + 4] = _mm512_shuffle_f64x2::<0xdd>(even_ab, even_cd);
            result[j + 6] = _mm512_shuffle_f64x2::<0xdd>(odd_ab, odd_cd);
        }
        result
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn zip_wide_f32([a, b]: [__m512; 2]) -> [__m512; 2] {
        let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        [_mm512_permutex2var_ps(a, low, b), _mm512_permutex2var_ps(a, high, b)]
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn unzip_wide_f32([a, b]: [__m512; 2]) -> [__m512; 2] {
        let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
        [_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b)]
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn zip_wide_f64([a, b]: [__m512d; 2]) -> [__m512d; 2] {
        let low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
        let high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
        [_mm512_permutex2var_pd(a, low, b), _mm512_permutex2var_pd(a, high, b)]
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn unzip_wide_f64([a, b]: [__m512d; 2]) -> [__m512d; 2] {
        let even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
        let odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
        [_mm512_permutex2var_pd(a, even, b), _mm512_permutex2var_pd(a, odd, b)]
    }

    /// Four rows are two pairs of pairs.
    macro_rules! quads {
        ($zip4:ident, $unzip4:ident, $register:ty, $zip:ident, $unzip:ident) => {
            #[inline]
            #[target_feature(enable = "avx512f")]
            fn $zip4([a, b, c, d]: [$register; 4]) -> [$register; 4] {
                let ([ac, ac_high], [bd, bd_high]) = ($zip([a, c]), $zip([b, d]));
                let ([first, second], [third, fourth]) = ($zip([ac, bd]), $zip([ac_high, bd_high]));
                [first, second, third, fourth]
            }

            #[inline]
            #[target_feature(enable = "avx512f")]
            fn $unzip4([first, second, third, fourth]: [$register; 4]) -> [$register; 4] {
                let ([ac, bd], [ac_high, bd_high]) = ($unzip([first, second]), $unzip([third, fourth]));
                let ([a, c], [b, d]) = ($unzip([ac, ac_high]), $unzip([bd, bd_high]));
                [a, b, c, d]
            }
        };
    }

    quads!(zip4_wide_f32, unzip4_wide_f32, __m512, zip_wide_f32, unzip_wide_f32);
    quads!(zip4_wide_f64, unzip4_wide_f64, __m512d, zip_wide_f64, unzip_wide_f64);

    macro_rules! transpose {
        ($name:ident, $lanes:literal, $transpose:ident) => {
            impl Transpose for $name {
                type Square = [Self; $lanes];

                #[inline(always)]
                unsafe fn zero_square() -> Self::Square {
                    // SAFETY: the caller promises that the instruction set is available.
                    [unsafe { Self::zero() }; $lanes]
                }

                #[inline(always)]
                unsafe fn transpose(rows: Self::Square) -> Self::Square {
                    // Arrays of 16 have a `map` that is called, not inlined: then all vectors go through memory.
                    let mut registers = [rows[0].0; $lanes];
                    for (register, row) in registers.iter_mut().zip(rows) {
                        *register = row.0;
                    }
                    // SAFETY: the caller promises that the instruction set is available.
                    let registers = unsafe { $transpose(registers) };
                    let mut result = rows;
                    for (result, register) in result.iter_mut().zip(registers) {
                        result.0 = register;
                    }
                    result
                }
            }
        };
    }

    macro_rules! shuffle {
        ($name:ident, $zip:ident, $unzip:ident, $zip4:ident, $unzip4:ident) => {
            impl Zip for $name {
                #[inline(always)]
                unsafe fn zip(rows: [Self; 2]) -> [Self; 2] {
                    // SAFETY: the caller promises that the instruction set is available.
                    unsafe { $zip(rows.map(|row| row.0)) }.map($name)
                }
            }

            impl Shuffle for $name {
                #[inline(always)]
                unsafe fn unzip(pairs: [Self; 2]) -> [Self; 2] {
                    // SAFETY: the caller promises that the instruction set is available.
                    unsafe { $unzip(pairs.map(|pair| pair.0)) }.map($name)
                }

                #[inline(always)]
                unsafe fn zip4(rows: [Self; 4]) -> [Self; 4] {
                    // SAFETY: the caller promises that the instruction set is available.
                    unsafe { $zip4(rows.map(|row| row.0)) }.map($name)
                }

                #[inline(always)]
                unsafe fn unzip4(quads: [Self; 4]) -> [Self; 4] {
                    // SAFETY: the caller promises that the instruction set is available.
                    unsafe { $unzip4(quads.map(|quad| quad.0)) }.map($name)
                }
            }
        };
    }

    shuffle!(Avx2F32, zip_f32, unzip_f32, zip4_f32, unzip4_f32);
    shuffle!(Avx2F64, zip_f64, unzip_f64, transpose_f64, transpose_f64);
    shuffle!(Avx512F32, zip_wide_f32, unzip_wide_f32, zip4_wide_f32, unzip4_wide_f32);
    shuffle!(Avx512F64, zip_wide_f64, unzip_wide_f64, zip4_wide_f64, unzip4_wide_f64);
    transpose!(Avx2F32, 8, transpose_f32);
    transpose!(Avx2F64, 4, transpose_f64);
    transpose!(Avx512F32, 16, transpose_wide_f32);
    transpose!(Avx512F64, 8, transpose_wide_f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The network itself, which elsewhere runs only where vectors have more than eight lanes.
    #[test]
    fn eight_rows_go_together_and_apart() {
        let rows: [Lanes<f32, 4>; 8] =
            std::array::from_fn(|r| Lanes(std::array::from_fn(|i| (8 * i + r) as f32)));
        // SAFETY: the baseline is always there.
        let zipped = unsafe { Lanes::zip8(rows) };
        let numbers = zipped.iter().flat_map(|vector| vector.0);
        assert!(numbers.eq((0..32).map(|k| k as f32)));
        // SAFETY: for the same reason.
        let back = unsafe { Lanes::unzip8(zipped) };
        assert_eq!(back.map(|row| row.0), rows.map(|row| row.0));
    }
}
