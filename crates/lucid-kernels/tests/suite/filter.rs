//! Filters against their sums as they are written, on numbers for which both are exact: lengths around every vector and
//! block, all groups of taps, every instruction set that the machine has.

use lucid_kernels::{Element, Isa, Rows, Taps, filter, filter_gradient, filter_pairs};

fn number<T: Element>(value: usize) -> T {
    T::from(value).expect("a small number")
}

/// Small integers: their products and sums are exact in either type.
fn numbers<T: Element>(len: usize, factor: usize) -> Vec<T> {
    (0..len).map(|i| number::<T>(i * factor % 17) - number(8)).collect()
}

fn check<T: Element>() {
    let bias = number::<T>(3);
    for isa in Isa::available() {
        for num_taps in (0..=13).chain([25]) {
            let offsets: Vec<usize> = (0..num_taps).map(|t| t * 5 % 19).collect();
            let others: Vec<usize> = (0..num_taps / 2).map(|t| t * 3 % 19).collect();
            let weights = [numbers::<T>(num_taps, 7), numbers(num_taps, 5)];
            for len in (1..=70).chain([255, 256, 257]) {
                let signal = numbers::<T>(len + 18, 11);
                let sum = |offsets: &[usize], weights: &[T], q: usize| {
                    let terms = offsets.iter().zip(weights).map(|(&o, &w)| w * signal[o + q]);
                    terms.fold(bias, |sum, term| sum + term)
                };
                let taps = Taps { offsets: &offsets, weights: &weights[0] };
                let mut out = vec![T::nan(); len];
                filter(isa, taps, bias, &signal, Rows::one(len), &mut out);
                for (q, &out) in out.iter().enumerate() {
                    assert_eq!(out, sum(&offsets, &weights[0], q), "{isa}: {num_taps} taps, {q} of {len}");
                }
                let rows = Rows { num_rows: 3, len, signal_pitch: len + 5, pitch: len + 1 };
                let longer = numbers::<T>(3 * len + 28, 11);
                let mut out = vec![T::nan(); 3 * len + 5];
                filter(isa, taps, bias, &longer, rows, &mut out);
                for (k, &out) in out.iter().enumerate() {
                    let (i, q) = (k / (len + 1), k % (len + 1));
                    let terms = offsets
                        .iter()
                        .zip(taps.weights)
                        .map(|(&o, &w)| longer.get(o + i * (len + 5) + q).map(|&x| w * x));
                    let expected = terms.flatten().fold(bias, |sum, term| sum + term);
                    let exists = i < 3 && q < len;
                    assert!(if exists { out == expected } else { out.is_nan() }, "{isa}: {i} {q} of {len}");
                }
                for (offsets, weights) in [
                    ([&offsets, &offsets], [&weights[0], &weights[1]]),
                    ([&offsets, &others], [&weights[0], &weights[1][..num_taps / 2].to_vec()]),
                ] {
                    for len in [2 * len - 1, 2 * len] {
                        let pair = [0, 1].map(|r| Taps { offsets: offsets[r], weights: weights[r] });
                        let mut out = vec![T::nan(); len];
                        filter_pairs(isa, pair, bias, &signal, &mut out);
                        for (i, &out) in out.iter().enumerate() {
                            let expected = sum(offsets[i % 2], weights[i % 2], i / 2);
                            assert_eq!(out, expected, "{isa}: {num_taps} taps, {i} of {len}");
                        }
                    }
                }
                let coarse = numbers::<T>(3 * len + 4, 3);
                for num_rows in [0, 1, 3] {
                    let rows = Rows { num_rows, len, signal_pitch: len + 5, pitch: len + 2 };
                    let signal = numbers::<T>(3 * len + 28, 11);
                    let mut sums = vec![bias; num_taps];
                    filter_gradient(isa, &offsets, &signal, &coarse, rows, &mut sums);
                    for (&sum, &offset) in sums.iter().zip(&offsets) {
                        let mut expected = bias;
                        for i in 0..num_rows {
                            for q in 0..len {
                                expected += coarse[i * (len + 2) + q] * signal[offset + i * (len + 5) + q];
                            }
                        }
                        assert_eq!(sum, expected, "{isa}: {num_taps} taps, {offset} of {len}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_filter_computes_its_sum() {
    check::<f32>();
    check::<f64>();
}

#[test]
#[should_panic(expected = "a tap reads beyond 9")]
fn a_filter_that_reads_beyond_the_signal_is_refused() {
    filter(
        Isa::best(),
        Taps { offsets: &[0, 2], weights: &[1.0; 2] },
        0.0,
        &[0.0; 9],
        Rows::one(8),
        &mut [0.0; 8],
    );
}

#[test]
#[should_panic(expected = "a tap reads beyond 9")]
fn a_pair_that_reads_beyond_the_signal_is_refused() {
    let [near, far] = [0, 2].map(|at| if at == 0 { &[0] } else { &[2] });
    let taps = [near, far].map(|offsets| Taps { offsets, weights: &[1.0] });
    filter_pairs(Isa::best(), taps, 0.0, &[0.0; 9], &mut [0.0; 15]);
}

#[test]
#[should_panic(expected = "a tap reads beyond 9")]
fn a_gradient_that_reads_beyond_the_signal_is_refused() {
    filter_gradient(Isa::best(), &[2], &[0.0; 9], &[0.0; 8], Rows::one(8), &mut [0.0]);
}
