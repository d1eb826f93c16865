//! Random convolutions of any rank and kind, each with an output.

use lucid_conv::{Kind, Options, Padding};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

use super::{Layout, Setup};

/// `cases` random cases; a failing one is remembered in a `proptest-failures` file beside the test.
pub(crate) fn config(cases: u32) -> Config {
    let persistence = FileFailurePersistence::WithSource("proptest-failures");
    Config { cases, failure_persistence: Some(Box::new(persistence)), ..Config::default() }
}

#[derive(Clone, Copy, Debug)]
struct AxisSetup {
    length: usize,
    taps: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    after: usize,
    output_padding: usize,
}

/// Setups with up to `longest` input positions per axis.
pub(crate) fn setups<const N: usize>(longest: usize) -> impl Strategy<Value = Setup<N>> {
    let axis = (1..=longest, 1..=5usize, 1..=5usize, 1..=4usize, 0..=6usize, 0..=6usize, 0..=3usize);
    let axis = axis.prop_map(|(length, taps, stride, dilation, before, after, output_padding)| AxisSetup {
        length,
        taps,
        stride,
        dilation,
        before,
        after,
        output_padding,
    });
    let axes = proptest::collection::vec(axis, N);
    let kind = prop_oneof![Just(Kind::Conv), Just(Kind::ConvTranspose)];
    let batch = prop_oneof![Just(None), (0..=3usize).prop_map(Some)];
    let layout = proptest::sample::select(Layout::ALL.to_vec());
    let channels = (1..=3usize, 1..=4usize, 1..=4usize);
    (kind, axes, channels, batch, layout, 0..4u8).prop_map(
        |(kind, mut axes, channels, batch, layout, padding)| {
            let padding = match padding {
                0 => Padding::Same,
                1 => Padding::Valid,
                _ => Padding::Explicit([(0, 0); N]),
            };
            for axis in &mut axes {
                leave_an_output(axis, kind, padding);
            }
            let pick = |number: fn(&AxisSetup) -> usize| -> [usize; N] {
                std::array::from_fn(|axis| number(&axes[axis]))
            };
            let padding = match padding {
                Padding::Explicit(_) => {
                    Padding::Explicit(std::array::from_fn(|axis| (axes[axis].before, axes[axis].after)))
                }
                named => named,
            };
            let (groups, input, output) = channels;
            let options = Options { kind, ..Options::conv() }
                .stride(pick(|axis| axis.stride))
                .dilation(pick(|axis| axis.dilation))
                .padding(padding)
                .groups(groups)
                .output_padding(pick(|axis| axis.output_padding));
            Setup::new(
                options,
                [groups * input, groups * output],
                pick(|axis| axis.length),
                pick(|axis| axis.taps),
            )
            .batch(batch)
            .layout(layout)
        },
    )
}

/// Changes what would be refused, as little as needed.
fn leave_an_output<const N: usize>(axis: &mut AxisSetup, kind: Kind, padding: Padding<N>) {
    let span = axis.dilation * (axis.taps - 1) + 1;
    if !matches!(padding, Padding::Explicit(_)) {
        (axis.before, axis.after) = (0, 0);
    }
    if kind == Kind::Conv || padding == Padding::Same {
        axis.output_padding = 0;
    }
    axis.output_padding = axis.output_padding.min(axis.stride.max(axis.dilation) - 1);
    match kind {
        Kind::Conv if padding == Padding::Same => {}
        Kind::Conv => axis.length = axis.length.max(span.saturating_sub(axis.before + axis.after)),
        Kind::ConvTranspose => {
            let full = (axis.length - 1) * axis.stride + span + axis.output_padding;
            axis.before = axis.before.min(full - 1);
            axis.after = axis.after.min(full - 1 - axis.before);
        }
    }
}
