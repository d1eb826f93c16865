//! Filters of whole signals with zeros around them, each with weights of its own.
//!
//! ```text
//! out[c][q R + r] = bias[c] + sum over the taps of phase r of weights[c][tap] * signal[c][start + q + shift]
//! ```
//!
//! The taps are the same for all channels, so a channel costs no more than its sums. What lies outside of a signal is masked
//! as it is loaded, in the vectors at its ends only.

use crate::blank::Blank;
use crate::element::Element;
use crate::isa::Isa;

/// A tap of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalTap {
    /// Where the row that it reads starts in its channel's signal.
    pub row: usize,
    /// How far after the result's position it reads.
    pub shift: isize,
    /// Which of its channel's weights it has.
    pub weight: usize,
}

/// Channels, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Signals<'a, T> {
    /// How many there are.
    pub num: usize,
    /// The first channel's signal and what follows it.
    pub signal: &'a [T],
    /// From one channel's signal to the next.
    pub pitch: usize,
    /// Positions of a row, around which are zeros.
    pub len: usize,
    /// The first channel's weights and what follows them.
    pub weights: &'a [T],
    /// From one channel's weights to the next.
    pub weight_pitch: usize,
    /// One number per channel, or none.
    pub bias: &'a [T],
    /// Which position the result's rows start with.
    pub start: usize,
    /// Elements of a row of the result.
    pub out_len: usize,
}

/// Writes all rows of the result, `signals.num` times `signals.out_len` elements, with one or two phases.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`.
///
/// ```
/// use lucid_kernels::{Blank, Isa, SignalTap, Signals, filter_signals};
///
/// // Differences of neighbours, of two channels: the second one's are doubled.
/// let tap = |shift, weight| SignalTap { row: 0, shift, weight };
/// let signals = Signals {
///     num: 2,
///     signal: &[1.0, 2.0, 4.0, 10.0, 20.0, 40.0],
///     pitch: 3,
///     len: 3,
///     weights: &[1.0, -1.0, 2.0, -2.0],
///     weight_pitch: 2,
///     bias: &[0.0, 0.5],
///     start: 0,
///     out_len: 3,
/// };
/// let mut out = [0.0; 6];
/// filter_signals(Isa::best(), &[vec![tap(0, 0), tap(-1, 1)]], &signals, Blank::from(&mut out[..]));
/// assert_eq!(out, [1.0, 1.0, 2.0, 20.5, 20.5, 40.5]);
/// ```
///
/// # Panics
/// When there are other than one or two phases or other than so many elements, a tap's row does not lie within the signal,
/// it has no weight, or there are biases for some of the channels only.
pub fn filter_signals<T: Element>(
    isa: Isa,
    phases: &[Vec<SignalTap>],
    signals: &Signals<'_, T>,
    mut out: Blank<'_, T>,
) {
    let Signals { num, signal, pitch, len, weights, weight_pitch, bias, start, out_len } = *signals;
    assert!(matches!(phases.len(), 1 | 2), "{} phases: one or two are accepted", phases.len());
    let given = out.len();
    assert_eq!(Some(given), num.checked_mul(out_len), "space for {given} of {num} rows of {out_len}");
    if out.is_empty() {
        return;
    }
    assert!(bias.is_empty() || bias.len() >= num, "{} biases for {num} channels", bias.len());
    let of_last = |pitch: usize, at: usize| (num - 1).saturating_mul(pitch).saturating_add(at);
    for tap in phases.iter().flatten() {
        let end = of_last(pitch, tap.row.saturating_add(len));
        assert!(end <= signal.len(), "a tap reads beyond {}", signal.len());
        assert!(of_last(weight_pitch, tap.weight) < weights.len(), "a weight beyond {}", weights.len());
    }
    // So that no position overflows; no slice is longer.
    let most = isize::MAX.unsigned_abs() / 8;
    let reach = phases.iter().flatten().map(|tap| tap.shift.unsigned_abs()).max().unwrap_or(0);
    assert!(
        start.max(reach).max(len) <= most,
        "a tap reads {reach} after or before position {start} of {len}"
    );
    // SAFETY: as just checked.
    unsafe { T::filter_signals(isa, phases, signals, out.as_mut_ptr()) };
    // SAFETY: each row has been written to its end.
    unsafe { out.written() };
}
