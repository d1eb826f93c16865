//! Sizes near `usize::MAX` in every parameter: an error or a geometry that can be held, never a wrap or a panic.
//!
//! These are property tests over numbers at the edges of the integer types. Arithmetic that overflows panics in this
//! profile, so each formula of the resolution and of the planner is on trial.

use crate::support::config;
use lucid_conv::{Axes, Channels, Geometry, Kind, Options, Padding, Pass, Plan, Shapes};
use proptest::prelude::*;

/// Small numbers, those near the edges of `usize` and `isize`, and all in between.
fn extreme() -> impl Strategy<Value = usize> {
    let near = |edge: usize| (0..3usize).prop_map(move |below| edge - below);
    prop_oneof![
        4 => 0..6usize,
        1 => near(usize::MAX),
        1 => near(isize::MAX as usize + 1),
        1 => near(1 << 32),
        1 => (0..64u32).prop_map(|bits| 1 << bits),
        1 => any::<usize>(),
    ]
}

fn fits(shape: &[usize]) -> bool {
    let bytes = shape.iter().try_fold(size_of::<f64>(), |bytes, &size| bytes.checked_mul(size.max(1)));
    bytes.is_some_and(|bytes| isize::try_from(bytes).is_ok())
}

/// What was accepted can be described, planned and held.
fn check_accepted<const N: usize>(geometry: Geometry<N>) {
    for shape in [geometry.x_shape(), geometry.y_shape(), geometry.weight_shape()] {
        assert!(fits(&shape), "{shape:?} of {geometry:?}");
    }
    let plan = Plan::new(geometry);
    assert!(geometry.multiplications() > 0.0 || geometry.batch() == 0);
    for pass in Pass::ALL {
        assert!(plan.workspace_bytes::<f64>(pass) <= isize::MAX as usize);
        let recipe = plan.recipe(pass);
        assert!(recipe.block.iter().all(|&size| size >= 1) && recipe.channels >= 1, "{recipe:?}");
    }
}

proptest! {
    #![proptest_config(config(20_000))]

    #[test]
    fn extreme_sizes_never_panic(
        transposed in any::<bool>(),
        values in proptest::array::uniform14(extreme()),
        named in 0..4u8,
        sized in proptest::bool::weighted(0.2),
        batched in any::<bool>(),
    ) {
        let [batch, c, f, groups, l0, l1, k0, k1, stride, dilation, before, after, output_padding, size] = values;
        let padding = match named {
            0 => Padding::Same,
            1 => Padding::Valid,
            _ => Padding::Explicit([(before, after), (after, 1)]),
        };
        let options = Options {
            kind: if transposed { Kind::ConvTranspose } else { Kind::Conv },
            output_size: sized.then_some(Axes([size, 4])),
            ..Options::conv()
        };
        let options = options.stride([stride, 2]).dilation([1, dilation]).padding(padding).groups(groups);
        let options = if transposed && named > 0 { options.output_padding([0, output_padding]) } else { options };
        // Mostly channels that fit one another, so that the sizes are what is judged.
        let input = if transposed { c } else { f.wrapping_mul(groups) };
        let x = if batched { vec![batch, input, l0, l1] } else { vec![input, l0, l1] };
        let _ = options.weight_shape(Channels { input: c, output: f }, Axes([k0, k1]));
        if let Ok(geometry) = options.resolve(Shapes { x: &x, w: &[c, f, k0, k1] }) {
            check_accepted(geometry);
        }
    }
}

proptest! {
    #![proptest_config(config(20_000))]

    /// One extreme number among small ones: most of these get far before they are refused.
    #[test]
    fn one_extreme_size_never_panics(transposed in any::<bool>(), at in 0..10usize, value in extreme(), same in any::<bool>()) {
        let mut values = [2, 2, 3, 1, 5, 3, 2, 2, 0, 1];
        values[at] = value;
        let [batch, c, f, groups, length, taps, stride, dilation, before, after] = values;
        let padding = if same { Padding::Same } else { Padding::Explicit([(before, after)]) };
        let kind = if transposed { Kind::ConvTranspose } else { Kind::Conv };
        let options = Options { kind, ..Options::<1>::conv() };
        let options = options.stride(stride).dilation(dilation).padding(padding).groups(groups);
        let input = if transposed { c } else { f.wrapping_mul(groups) };
        if let Ok(geometry) = options.resolve(Shapes { x: &[batch, input, length], w: &[c, f, taps] }) {
            check_accepted(geometry);
        }
    }
}

/// Sizes that an address space holds and a machine does not.
#[test]
fn a_result_that_does_not_fit_the_memory_is_an_error() {
    let (x, w) = (ndarray::array![[1.0_f32, 2.0, 3.0, 4.0]], ndarray::array![[[1.0_f32]]]);
    let up = Options::<1>::conv_transpose().stride(1 << 40);
    let down = Options::<1>::conv().padding(1 << 40);
    for options in [up, down] {
        let error = lucid_conv::convolve(&options, x.view(), w.view(), None).unwrap_err();
        assert!(matches!(error, lucid_conv::Error::OutOfMemory { .. }), "{error}");
    }
    // A view may pretend to be larger than its memory; a copy of it can't.
    let row = ndarray::array![1.0_f32];
    let wide = row.broadcast((1, 1 << 42)).unwrap();
    let error = lucid_conv::convolve(&Options::<1>::conv(), wide, w.view(), None).unwrap_err();
    assert!(error.to_string().contains("does not fit the memory"), "{error}");
}
