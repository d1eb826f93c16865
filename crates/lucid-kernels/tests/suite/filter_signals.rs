//! Filters of signals against their sums as they are written, on numbers for which both are exact: lengths around every
//! vector, taps that lie beyond either end, numbers of taps with and without a loop of their own, pieces of a row.

use lucid_kernels::{Blank, Element, Isa, SignalTap, Signals, filter_signals};

fn number<T: Element>(value: usize) -> T {
    T::from(value).expect("a small number")
}

/// Small integers: their products and sums are exact in either type.
fn numbers<T: Element>(len: usize, factor: usize) -> Vec<T> {
    (0..len).map(|i| number::<T>(i * factor % 17) - number(8)).collect()
}

fn sum<T: Element>(taps: &[SignalTap], signals: &Signals<'_, T>, c: usize, q: usize) -> T {
    let terms = taps.iter().map(|tap| {
        let position = ((signals.start + q) as isize + tap.shift).try_into().ok();
        let position = position.filter(|&position: &usize| position < signals.len);
        let x = position.map(|position| signals.signal[c * signals.pitch + tap.row + position]);
        signals.weights[c * signals.weight_pitch + tap.weight] * x.unwrap_or(T::zero())
    });
    terms.fold(signals.bias.get(c).copied().unwrap_or(T::zero()), |sum, term| sum + term)
}

fn check<T: Element>(isa: Isa, phases: &[Vec<SignalTap>], len: usize, start: usize, out_len: usize) {
    let (num, weight_pitch, pitch) = (3, 40, 2 * len + 1);
    let (signal, weights) = (numbers::<T>(num * pitch, 11), numbers::<T>(num * weight_pitch, 7));
    for bias in [&[][..], &numbers::<T>(num, 5)] {
        let signals = Signals {
            num,
            signal: &signal,
            pitch,
            len,
            weights: &weights,
            weight_pitch,
            bias,
            start,
            out_len,
        };
        let expected: Vec<T> = (0..num * out_len)
            .map(|k| (k / out_len, k % out_len))
            .map(|(c, i)| sum(&phases[i % phases.len()], &signals, c, i / phases.len()))
            .collect();
        let mut out = vec![T::nan(); num * out_len + 1];
        filter_signals(isa, phases, &signals, Blank::from(&mut out[..num * out_len]));
        assert_eq!(out[..num * out_len], expected, "{isa}: {phases:?}, {len} from {start}");
        assert!(out[num * out_len].is_nan(), "{isa}: {phases:?}, {len} from {start}");
        let made = Blank::vec(num * out_len, |out| {
            filter_signals(isa, phases, &signals, out);
            Ok::<(), ()>(())
        });
        assert_eq!(made, Ok(expected));
    }
}

/// The taps of a kernel with a stride: the second half of them reads another row of the channel's signal.
fn phases(taps: usize, stride: usize, padding: usize, dilation: usize, len: usize) -> Vec<Vec<SignalTap>> {
    let of_phase = |phase: usize| {
        let shift = |tap: usize| (phase + padding) as isize - (tap * dilation) as isize;
        (0..taps)
            .filter(|&tap| shift(tap) % stride as isize == 0)
            .map(|tap| SignalTap {
                row: if 2 * tap < taps { 0 } else { len },
                shift: shift(tap).div_euclid(stride as isize),
                weight: tap,
            })
            .collect()
    };
    (0..stride).map(of_phase).collect()
}

fn check_all<T: Element>() {
    for isa in Isa::available() {
        for stride in [1, 2] {
            for taps in (0..=13).chain([25]) {
                for (padding, dilation) in [(0, 1), (taps / 2, 1), (3, 2), (60, 1), (0, 9)] {
                    for len in (1..=36).step_by(5).chain([16, 31, 32, 33, 64, 127, 150]) {
                        let phases = phases(taps, stride, padding, dilation, len);
                        for (start, out_len) in [(0, stride * len), (0, stride * len + 7), (9, 2 * len - 1)] {
                            check::<T>(isa, &phases, len, start, out_len);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn every_signal_has_its_sums() {
    check_all::<f32>();
    check_all::<f64>();
}

fn refused(change: impl FnOnce(&mut Signals<'_, f32>)) {
    let mut signals = Signals {
        num: 2,
        signal: &[0.0; 8],
        pitch: 4,
        len: 4,
        weights: &[0.0; 2],
        weight_pitch: 1,
        bias: &[0.0; 2],
        start: 0,
        out_len: 4,
    };
    change(&mut signals);
    let taps = vec![SignalTap { row: 0, shift: 1, weight: 0 }];
    filter_signals(Isa::best(), &[taps], &signals, Blank::from(&mut [0.0; 8][..]));
}

#[test]
fn what_lies_within_is_not_refused() {
    refused(|_| ());
}

#[test]
#[should_panic(expected = "a tap reads beyond 7")]
fn a_row_beyond_the_signal_is_refused() {
    refused(|signals| signals.signal = &[0.0; 7]);
}

#[test]
#[should_panic(expected = "a weight beyond 1")]
fn a_weight_that_is_missing_is_refused() {
    refused(|signals| signals.weights = &[0.0]);
}

#[test]
#[should_panic(expected = "1 biases for 2 channels")]
fn a_bias_that_is_missing_is_refused() {
    refused(|signals| signals.bias = &[0.0]);
}

#[test]
#[should_panic(expected = "2 rows of 5")]
fn a_result_of_another_length_is_refused() {
    refused(|signals| signals.out_len = 5);
}
