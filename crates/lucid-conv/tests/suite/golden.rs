//! The conformance cases: values that PyTorch computed, through every algorithm and both element types.
//!
//! In float64 a result may be 1e-10 of the largest value away from the file's; in float32 by twice the bound of a
//! float32 sum, since both it and a float32 file have rounded.

use crate::support::{Arrays, Layout, Setup, Tensor, check_arrays, expected, for_each_outcome};
use lucid_check::{Case, Dtype, Expected, check_close, check_close_relative, golden, read_dir};
use lucid_conv::{Channels, Kind, Options, Padding};
use ndarray::ArrayD;

fn setup_of<const N: usize>(case: &Case) -> Setup<N> {
    let axes = |list: &[usize]| -> [usize; N] { list.try_into().expect("a list has one number per axis") };
    let (before, after) = (axes(&case.padding), axes(&case.padding_after));
    let kind = if case.op.is_transposed() { Kind::ConvTranspose } else { Kind::Conv };
    let options = Options { kind, ..Options::conv() }
        .stride(axes(&case.stride))
        .dilation(axes(&case.dilation))
        .padding(Padding::Explicit(std::array::from_fn(|axis| (before[axis], after[axis]))))
        .output_padding(axes(&case.output_padding))
        .groups(case.groups);
    let channel_axis = case.x.ndim() - N - 1;
    let (x, y, w) = (case.x.shape(), case.y.shape(), case.w.shape());
    Setup {
        options,
        channels: Channels { input: x[channel_axis], output: y[channel_axis] },
        length: axes(&x[channel_axis + 1..]),
        taps: axes(&w[2..]),
        batch: case.is_batched().then(|| x[0]),
        layout: Layout::RowMajor,
    }
}

fn check_case<const N: usize>(name: &str, case: &Case) {
    let setup = setup_of::<N>(case);
    let dy = match &case.gradients {
        Some(gradients) => gradients.dy.clone(),
        None => ArrayD::ones(case.y.shape()),
    };
    let arrays = Arrays { x: case.x.clone(), w: case.w.clone(), b: case.b.clone(), dy };
    check_arrays(&setup, &arrays);

    let reference = expected(&setup, &arrays);
    let file = |tensor: Tensor| match (tensor, &case.gradients) {
        (Tensor::Y, _) => Some(&case.y),
        (Tensor::Dx, Some(gradients)) => Some(&gradients.dx),
        (Tensor::Dw, Some(gradients)) => Some(&gradients.dw),
        (Tensor::Db, Some(gradients)) => gradients.db.as_ref(),
        (_, None) => None,
    };
    // Minimal filtering spreads the largest bound over its neighbours: see `compare` in the support module.
    let twice_f32 = |expected: &Expected, label: &str| {
        let bound = expected.bound::<f32>() * 2.0;
        if label.ends_with("minimal") {
            let largest = bound.iter().fold(0.0_f64, |largest, &bound| largest.max(bound));
            return bound.mapv(|_| 5.0 * largest);
        }
        bound
    };
    for_each_outcome::<f32, N>(&setup, &arrays, |tensor, label, got| {
        let Some(file) = file(tensor) else { return };
        let bound = twice_f32(&reference[tensor as usize], label);
        check_close(label, got, file.view(), bound.view()).unwrap_or_else(|error| panic!("{name}: {error}"));
    });
    for_each_outcome::<f64, N>(&setup, &arrays, |tensor, label, got| {
        let Some(file) = file(tensor) else { return };
        let verdict = match case.dtype {
            Dtype::F64 => check_close_relative(label, got, file.view(), 1e-10),
            Dtype::F32 => {
                check_close(label, got, file.view(), twice_f32(&reference[tensor as usize], label).view())
            }
        };
        verdict.unwrap_or_else(|error| panic!("{name}: {error}"));
    });
}

#[test]
fn every_case_of_pytorch() {
    let files = read_dir(golden::cases_dir()).unwrap();
    assert!(!files.is_empty(), "no case was read");
    for path in files {
        let name = path.display().to_string();
        let case = Case::read(&path).unwrap();
        match case.op.rank() {
            1 => check_case::<1>(&name, &case),
            2 => check_case::<2>(&name, &case),
            3 => check_case::<3>(&name, &case),
            rank => panic!("{name}: rank {rank}"),
        }
    }
}
