//! Every operation's gradients of first and second order against central differences in float64.
//!
//! Inputs stay away from corners (of `relu`, `max`, ...), where differences mean nothing; what happens on the corners is
//! pinned down in `golden.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_autograd::lucid_conv::{Options, Padding};
use lucid_autograd::lucid_tensor::{PadMode, Slice, Tensor, Windows};
use lucid_autograd::{Result, Var};
use lucid_check::tape::{arbitrary, check_gradients};
use ndarray::ArrayD;

/// Checks `f` at arbitrary inputs of the given shapes, mapped into the function's domain.
fn check<const K: usize>(
    name: &str,
    shapes: [&[usize]; K],
    domain: impl Fn(f64) -> f64,
    f: impl Fn(&[Var<f64>]) -> Result<Var<f64>>,
) {
    let inputs: Vec<ArrayD<f64>> =
        shapes.iter().enumerate().map(|(i, shape)| arbitrary(shape, 5 + i as u64).mapv(&domain)).collect();
    check_gradients(&inputs, f).unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn same(x: f64) -> f64 {
    x
}

/// -1..1 without what is close to 0.
fn off_zero(x: f64) -> f64 {
    x + 0.1 * x.signum()
}

fn positive(x: f64) -> f64 {
    x + 1.5
}

fn unary(name: &str, domain: impl Fn(f64) -> f64, f: impl Fn(&Var<f64>) -> Result<Var<f64>>) {
    check(name, [&[3, 4]], domain, |v| f(&v[0]));
}

#[test]
fn powers_exponentials_trigonometry() {
    unary("exp", same, |x| Ok(x.exp()));
    unary("ln", positive, |x| Ok(x.ln()));
    unary("sqrt", positive, |x| Ok(x.sqrt()));
    unary("recip", positive, |x| Ok(x.recip()));
    unary("powf 2.5", positive, |x| Ok(x.powf(2.5)));
    unary("powf 0", same, |x| Ok(x.powf(0.0)));
    unary("powf 1", same, |x| Ok(x.powf(1.0)));
    unary("powf 3", same, |x| Ok(x.powf(3.0)));
    unary("powf -1", positive, |x| Ok(x.powf(-1.0)));
    unary("square", same, |x| Ok(x.square()));
    unary("abs", off_zero, |x| Ok(x.abs()));
    unary("sin", same, |x| Ok(x.sin()));
    unary("cos", same, |x| Ok(x.cos()));
    unary("erf", same, |x| Ok(x.erf()));
    unary("clamp", |x| 3.0 * off_zero(x), |x| x.clamp(-2.05, 0.02));
}

#[test]
fn activations() {
    let wide = |x: f64| 4.0 * off_zero(x);
    unary("tanh", wide, |x| Ok(x.tanh()));
    unary("sigmoid", wide, |x| Ok(x.sigmoid()));
    unary("relu", wide, |x| Ok(x.relu()));
    unary("leaky_relu", wide, |x| Ok(x.leaky_relu(0.1)));
    unary("elu", wide, |x| Ok(x.elu(0.7)));
    unary("gelu", wide, |x| x.gelu());
    unary("gelu_tanh", wide, |x| x.gelu_tanh());
    unary("silu", wide, |x| Ok(x.silu()));
    unary("softplus", wide, |x| Ok(x.softplus(1.5)));
    unary("softmax", wide, |x| x.softmax(1));
    unary("log_softmax", wide, |x| x.log_softmax(0));
}

#[test]
fn arithmetic_with_broadcasting() {
    type Binary = fn(&Var<f64>, &Var<f64>) -> Result<Var<f64>>;
    let operations: [(&str, Binary); 6] = [
        ("add", |a, b| a + b),
        ("sub", |a, b| a - b),
        ("mul", |a, b| a * b),
        ("div", |a, b| a / b),
        ("maximum", |a, b| (a * 1.3).maximum(b)),
        ("minimum", |a, b| (a * 1.3).minimum(b)),
    ];
    let shapes: [[&[usize]; 2]; 5] =
        [[&[2, 3], &[2, 3]], [&[2, 3], &[3]], [&[3, 1], &[2, 1, 4]], [&[], &[2, 2]], [&[1, 2], &[2, 1]]];
    for (name, f) in operations {
        for shapes in shapes {
            check(&format!("{name} {shapes:?}"), shapes, positive, |v| f(&v[0], &v[1]));
        }
    }
    unary("numbers", same, |x| Ok(-(((x + 2.0) * 3.0 - 1.0) / 4.0)));
    unary("numbers first", positive, |x| ((4.0 - x) * (3.0 * x))? + (1.0 / &(1.0 + x)));
}

#[test]
fn a_product_and_a_sum_in_one_pass() {
    let shapes: [[&[usize]; 3]; 4] = [
        [&[2, 3], &[2, 3], &[2, 3]],
        [&[2, 3, 4], &[3, 1], &[3, 1]],
        [&[2, 3], &[3], &[]],
        [&[3], &[2, 1], &[2, 3]],
    ];
    for shapes in shapes {
        check(&format!("mul_add {shapes:?}"), shapes, same, |v| v[0].mul_add(&v[1], &v[2]));
    }
}

#[test]
fn normalization() {
    for axes in [&[1][..], &[0, 2], &[2, 1], &[0, 1, 2], &[]] {
        for eps in [0.3, 1e-3] {
            let name = format!("normalize {axes:?} {eps}");
            // Over no axes at all, every value is its own mean: 0, without a gradient.
            check(&name, [&[2, 3, 4]], same, |v| Ok(v[0].exp().normalize(axes, eps)?.y));
        }
    }
}

#[test]
fn activations_with_learnable_numbers() {
    for a in [&[3, 1][..], &[], &[2, 3, 4], &[1]] {
        check(&format!("prelu {a:?}"), [&[2, 3, 4], a], off_zero, |v| v[0].prelu(&v[1]));
        check(&format!("snake {a:?}"), [&[2, 3, 4], a, a], positive, |v| v[0].snake(&v[1], &v[2]));
    }
    check("a prelu that repeats its input", [&[3], &[2, 3]], off_zero, |v| v[0].prelu(&v[1]));
    check("one number for both", [&[2, 3], &[3]], positive, |v| v[0].snake(&v[1], &v[1].recip()));
}

#[test]
fn windows_along_an_axis() {
    let mut windows = Windows::new(4, 4).unwrap();
    for (start, weights) in [(0, vec![0.5, 0.25]), (1, vec![1.0, -2.0, 3.0]), (3, vec![]), (2, vec![2.0])] {
        windows.push(start, weights).unwrap();
    }
    for (axis, shape, spread) in [(0, [4, 3], [4, 3]), (1, [2, 4], [2, 4])] {
        check("window_sum", [&shape], same, |v| v[0].exp().window_sum(axis, &windows));
        check("window_spread", [&spread], same, |v| v[0].exp().window_spread(axis, &windows));
    }
    let places = [vec![0, 1], vec![1, 3], vec![2]];
    check("window_max", [&[4, 3]], same, |v| v[0].exp().window_max(0, &places));
    let indices = Tensor::from(ndarray::array![[1, 1, 0], [3, 2, 1]]);
    check("gather", [&[4, 3]], same, |v| v[0].exp().gather(0, &indices));
    check("scatter_add", [&[2, 3]], same, |v| v[0].exp().scatter_add(0, &indices, 5));
}

#[test]
fn where_chooses() {
    let mask = Tensor::from(ndarray::array![[true], [false]]);
    check("where", [&[2, 3], &[3]], same, |v| Var::where_(&mask, &v[0].square(), &v[1].exp()));
}

#[test]
fn reductions() {
    for axes in [&[][..], &[0], &[1], &[0, 2], &[2, 1], &[0, 1, 2]] {
        for keepdim in [false, true] {
            let name = format!("{axes:?} {keepdim}");
            check(&format!("sum {name}"), [&[2, 3, 4]], same, |v| v[0].square().sum(axes, keepdim));
            check(&format!("mean {name}"), [&[2, 3, 4]], same, |v| v[0].square().mean(axes, keepdim));
            check(&format!("min {name}"), [&[2, 3, 4]], same, |v| v[0].exp().min(axes, keepdim));
            check(&format!("max {name}"), [&[2, 3, 4]], same, |v| v[0].exp().max(axes, keepdim));
        }
    }
    check("sum_all", [&[2, 3]], same, |v| Ok(v[0].exp().sum_all()));
    check("mean_all", [&[2, 3]], same, |v| Ok(v[0].exp().mean_all()));
}

#[test]
fn rearranging() {
    check("reshape", [&[2, 6]], same, |v| v[0].square().reshape([3, 4]));
    check("permute", [&[2, 3, 4]], same, |v| v[0].square().permute([2, 0, 1]));
    check("transpose", [&[2, 3, 4]], same, |v| v[0].square().transpose(0, 2));
    check("flatten", [&[2, 3, 4]], same, |v| v[0].square().flatten(1..=2));
    check("squeeze", [&[2, 1, 4]], same, |v| v[0].square().squeeze(1));
    check("unsqueeze", [&[2, 4]], same, |v| v[0].square().unsqueeze(1));
    check("broadcast_to", [&[2, 1]], same, |v| v[0].square().broadcast_to([3, 2, 4]));
    check("sum_to", [&[3, 2, 4]], same, |v| v[0].square().sum_to([2, 1]));
}

#[test]
fn taking_out_and_putting_back() {
    let every_second = Slice { start: 1, end: 5, step: 2 };
    check("slice", [&[2, 6]], same, |v| v[0].square().slice(1, every_second));
    check("unslice", [&[2, 2]], same, |v| v[0].square().unslice(1, every_second, 6));
    check("index_select", [&[3, 4]], same, |v| v[0].square().index_select(0, &[0, 0, 2]));
    check("index_add", [&[3, 2]], same, |v| v[0].square().index_add(0, &[1, 1, 0], 4));
}

#[test]
fn joining_and_padding() {
    check("concatenate", [&[2, 1], &[2, 3]], same, |v| Var::concatenate(&[&v[0].square(), &v[1], &v[0]], 1));
    check("stack", [&[2, 3], &[2, 3]], same, |v| Var::stack(&[&v[0].square(), &v[1]], 1));
    for mode in [PadMode::Constant(0.5), PadMode::Reflect, PadMode::Replicate, PadMode::Circular] {
        check(&format!("pad {mode:?}"), [&[3, 4]], same, |v| v[0].square().pad(&[(1, 2), (3, 0)], mode));
    }
}

#[test]
fn matrix_products() {
    let shapes: [[&[usize]; 2]; 7] = [
        [&[2, 3], &[3, 4]],
        [&[5, 2, 3], &[5, 3, 4]],
        [&[2, 3], &[5, 3, 4]],
        [&[5, 1, 2, 3], &[2, 3, 4]],
        [&[3], &[3]],
        [&[3], &[2, 3, 4]],
        [&[2, 2, 3], &[3]],
    ];
    for shapes in shapes {
        check(&format!("matmul {shapes:?}"), shapes, same, |v| v[0].matmul(&v[1]));
    }
}

#[test]
fn convolutions_of_rank_1() {
    let plain = Options::<1>::conv();
    let transposed = Options::<1>::conv_transpose();
    let cases: [(&str, Options<1>, [&[usize]; 3]); 8] = [
        ("conv", plain, [&[2, 3, 6], &[2, 3, 3], &[2]]),
        ("conv strided", plain.stride(2).padding([(2, 1)]).dilation(2), [&[2, 2, 7], &[3, 2, 3], &[3]]),
        ("conv groups same", plain.groups(2).padding(Padding::Same), [&[1, 4, 5], &[6, 2, 4], &[6]]),
        ("conv depthwise", plain.groups(3), [&[2, 3, 6], &[3, 1, 2], &[3]]),
        ("transposed", transposed, [&[2, 3, 4], &[3, 2, 3], &[2]]),
        ("decoder", transposed.stride(2).padding(1).output_padding(1), [&[1, 4, 5], &[4, 2, 3], &[2]]),
        ("transposed gaps", transposed.stride(3).dilation(2).groups(2), [&[2, 3], &[2, 2, 2], &[4]]),
        ("transposed same", transposed.stride(4).padding(Padding::Same), [&[1, 2, 3], &[2, 1, 3], &[1]]),
    ];
    for (name, options, shapes) in cases {
        check(name, shapes, same, |v| v[0].convolve(&v[1], Some(&v[2]), &options));
        check(name, [shapes[0], shapes[1]], same, |v| v[0].convolve(&v[1], None, &options));
    }
}

#[test]
fn convolutions_of_rank_2_and_3() {
    let shapes: [&[usize]; 3] = [&[2, 2, 3, 4], &[3, 2, 2, 3], &[3]];
    let options = Options::<2>::conv().stride([1, 2]).padding([0, 1]);
    check("conv2d", shapes, same, |v| v[0].convolve(&v[1], Some(&v[2]), &options));

    let shapes: [&[usize]; 3] = [&[1, 2, 2, 3], &[2, 2, 2, 3], &[2]];
    let options = Options::<2>::conv_transpose().stride([2, 3]).padding([1, 0]).output_padding([1, 2]);
    check("conv_transpose2d", shapes, same, |v| v[0].convolve(&v[1], Some(&v[2]), &options));

    let shapes: [&[usize]; 3] = [&[1, 2, 3, 2, 3], &[1, 2, 2, 1, 2], &[1]];
    let options = Options::<3>::conv().stride([2, 1, 1]).padding([1, 0, 1]);
    check("conv3d", shapes, same, |v| v[0].convolve(&v[1], Some(&v[2]), &options));

    let shapes: [&[usize]; 3] = [&[1, 2, 1, 2, 2], &[2, 1, 2, 1, 2], &[1]];
    let options = Options::<3>::conv_transpose().stride([1, 2, 3]).output_padding([0, 1, 0]);
    check("conv_transpose3d", shapes, same, |v| v[0].convolve(&v[1], Some(&v[2]), &options));
}

#[test]
fn third_order() {
    // (sin x)''' = -cos x, through three recorded sweeps.
    let x = Var::leaf(Tensor::from(ndarray::array![0.3, -1.1]));
    let mut y = x.sin();
    for _ in 0..3 {
        y = lucid_autograd::grad(&[&y], &[&x], lucid_autograd::Graph::Create).unwrap().remove(0);
    }
    for (third, x) in y.value().to_vec().into_iter().zip([0.3_f64, -1.1]) {
        assert!((third + x.cos()).abs() < 1e-14);
    }
}

#[test]
fn the_second_derivative_of_a_normalization_can_be_differentiated() {
    // The scale is put on the tape by the first sweep: what it needs has to be there for the second and the third.
    let gradient = |x: &Var<f64>| -> Result<Var<f64>> {
        // The differences are taken of constants, which have no gradient.
        let x = if x.requires_grad() { x.clone() } else { Var::leaf(x.value()) };
        let y = x.normalize(&[0], 0.1)?.y;
        Ok(lucid_autograd::grad(&[&y.exp()], &[&x], lucid_autograd::Graph::Create)?.remove(0))
    };
    check_gradients(&[arbitrary(&[5], 3)], |v| gradient(&v[0].sin())).unwrap();
}
