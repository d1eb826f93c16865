//! The gradient of the bias: sums over the batch and all positions, however the array lies in memory.

use lucid_conv::{Options, Plan, Shapes};
use lucid_kernels::{Element, Isa};
use ndarray::{Array, Array1, Array4, Axis, s};

const SMALL: &str = "small integers are numbers of either type";

/// The definition, on small integers, whose sums are exact.
fn sums_what_the_definition_says<T: Element>() {
    // 3 x 35 positions: whole blocks of some instruction sets, vectors and single values.
    let shape = (4, 5, 3, 35);
    let dy = Array::from_shape_fn(shape, |(n, c, i, j)| {
        T::from((n * 31 + c * 17 + i * 7 + j * j) % 23).expect(SMALL) - T::from(9).expect(SMALL)
    });
    let expected: Array1<T> = dy.axis_iter(Axis(1)).map(|channel| channel.sum()).collect();
    let plan = Plan::new(
        Options::<2>::conv().resolve(Shapes { x: &[4, 2, 3, 35], w: &[5, 2, 1, 1] }).expect("they fit"),
    );
    let transposed = Plan::new(
        Options::<2>::conv_transpose()
            .resolve(Shapes { x: &[4, 2, 3, 35], w: &[2, 5, 1, 1] })
            .expect("they fit"),
    );
    let mut every_second = Array4::from_elem((4, 5, 3, 70), T::nan());
    every_second.slice_mut(s![.., .., .., ..;2]).assign(&dy);
    let mut backwards = Array4::from_elem(shape, T::nan());
    backwards.slice_mut(s![..;-1, ..;-1, .., ..;-1]).assign(&dy);
    let mut columns_first = Array4::from_elem((35, 3, 5, 4), T::nan());
    columns_first.view_mut().reversed_axes().assign(&dy);
    for isa in Isa::available() {
        for plan in [plan, transposed] {
            let plan = plan.with_isa(isa).expect("available");
            for dy in [
                dy.view(),
                every_second.slice(s![.., .., .., ..;2]),
                backwards.slice(s![..;-1, ..;-1, .., ..;-1]),
                columns_first.view().reversed_axes(),
            ] {
                assert_eq!(plan.backward_bias(dy).expect("its shape"), expected, "{isa} {:?}", dy.strides());
            }
        }
        // Without a batch; and of one number for all positions.
        let single = Options::<2>::conv().resolve(Shapes { x: &[2, 3, 35], w: &[5, 2, 1, 1] });
        let single = Plan::new(single.expect("they fit")).with_isa(isa).expect("available");
        let first: Array1<T> =
            dy.outer_iter().next().expect("four items").outer_iter().map(|c| c.sum()).collect();
        assert_eq!(single.backward_bias(dy.index_axis(Axis(0), 0)).expect("its shape"), first, "{isa}");
        let ones = Array1::from_elem(1, T::one());
        let all = ones.broadcast((5, 3, 35)).expect("one becomes many");
        assert_eq!(
            single.backward_bias(all).expect("its shape"),
            Array1::from_elem(5, T::from(105).expect(SMALL))
        );
    }
}

#[test]
fn of_both_element_types() {
    sums_what_the_definition_says::<f32>();
    sums_what_the_definition_says::<f64>();
}
