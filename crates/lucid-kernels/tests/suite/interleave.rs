//! Interleaving and its inverse, element by element: numbers of rows and lengths around every block.

use lucid_kernels::{Element, Isa, Repeats, deinterleave, interleave, interleave_each};

fn check<T: Element>() {
    let number = |i: usize| T::from(i + 1).expect("a small number");
    for isa in Isa::available() {
        for num_rows in 1..=19 {
            for len in 1..=41 {
                let row_stride = len + num_rows % 3;
                let rows: Vec<T> = (0..row_stride * num_rows).map(number).collect();
                let mut out = vec![T::zero(); len * num_rows + 9];
                interleave(isa, &rows, row_stride, num_rows, len, &mut out);
                for (i, &value) in out.iter().enumerate() {
                    let expected = if i < len * num_rows {
                        rows[i % num_rows * row_stride + i / num_rows]
                    } else {
                        T::zero()
                    };
                    assert_eq!(value, expected, "{isa}: {i} of {num_rows} rows of {len}");
                }
                // In any order, and more than once.
                let starts: Vec<usize> = (0..num_rows).map(|r| r * r % num_rows * row_stride).collect();
                let mut unordered = vec![T::zero(); len * num_rows];
                let once = Repeats { count: 1, rows: 0, out: 0 };
                interleave_each(isa, &rows, (&starts, len), once, &mut unordered);
                for (i, &value) in unordered.iter().enumerate() {
                    let expected = rows[starts[i % num_rows] + i / num_rows];
                    assert_eq!(value, expected, "{isa}: {i} of {num_rows} rows of {len} anywhere");
                }
                for missing in 0..num_rows {
                    let from = &out[..len * num_rows - missing];
                    let mut back = vec![T::zero(); row_stride * num_rows];
                    deinterleave(isa, from, num_rows, len, &mut back, row_stride);
                    for (i, &value) in back.iter().enumerate() {
                        let (r, q) = (i / row_stride, i % row_stride);
                        let exists = q < len && q * num_rows + r < from.len();
                        let expected = if exists { rows[i] } else { T::zero() };
                        assert_eq!(value, expected, "{isa}: {r} {q} of {num_rows} rows of {len}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_element_is_where_it_belongs_and_no_other_is_written() {
    check::<f32>();
    check::<f64>();
}

/// Rows of an image: what follows a short one is the next, or, after the last, nothing.
fn check_repeats<T: Element>() {
    for isa in Isa::available() {
        for (num_rows, len, gap) in
            (1..=17).flat_map(|num_rows| (1..=17).flat_map(move |len| [0, 2].map(|gap| (num_rows, len, gap))))
        {
            let repeats = Repeats { count: 3, rows: len + gap, out: num_rows * len + gap };
            let row_stride = 3 * (len + gap);
            let rows: Vec<T> =
                (1..=row_stride * num_rows).map(|i| T::from(i).expect("a small number")).collect();
            let mut out = vec![T::zero(); 3 * repeats.out];
            let starts: Vec<usize> = (0..num_rows).rev().map(|r| r * row_stride).collect();
            interleave_each(isa, &rows, (&starts, len), repeats, &mut out);
            for (i, &value) in out.iter().enumerate() {
                let (k, i) = (i / repeats.out, i % repeats.out);
                let (q, r) = (i / num_rows, i % num_rows);
                let expected = if q < len { rows[k * repeats.rows + starts[r] + q] } else { T::zero() };
                assert_eq!(value, expected, "{isa}: {k} {r} {q} of {num_rows} rows of {len}");
            }
        }
    }
}

#[test]
fn each_of_the_repeats_is_where_it_belongs() {
    check_repeats::<f32>();
    check_repeats::<f64>();
}

#[test]
#[should_panic(expected = "out has 10 elements")]
fn repeats_beyond_the_end_are_refused() {
    let repeats = Repeats { count: 2, rows: 2, out: 7 };
    interleave_each(Isa::best(), &[0.0; 8], (&[0, 4], 2), repeats, &mut [0.0; 10]);
}

#[test]
fn nothing_is_done_for_no_rows() {
    interleave::<f32>(Isa::best(), &[], 0, 0, 5, &mut []);
    deinterleave::<f32>(Isa::best(), &[], 3, 0, &mut [], 0);
}

#[test]
#[should_panic(expected = "a row reaches beyond 8")]
fn a_start_beyond_the_end_is_refused() {
    let once = Repeats { count: 1, rows: 0, out: 0 };
    interleave_each(Isa::best(), &[0.0; 8], (&[0, 7, 2], 2), once, &mut [0.0; 6]);
}

#[test]
#[should_panic(expected = "a row reaches beyond 5")]
fn rows_that_are_too_short_are_refused() {
    interleave(Isa::best(), &[0.0; 5], 3, 2, 3, &mut [0.0; 6]);
}

#[test]
#[should_panic(expected = "at a distance of 2")]
fn rows_that_overlap_are_refused() {
    deinterleave(Isa::best(), &[0.0; 6], 2, 3, &mut [0.0; 6], 2);
}
