//! The serialised forms of `Axes` and `Padding`: what is written is read back, configurations may be written shorter,
//! and what fits no form is refused with the forms that would.

use lucid_conv::{Axes, Padding};
use serde_json::{from_value, json, to_value};

#[test]
fn axes_round_trip() {
    assert_eq!(to_value(Axes([2, 3])).unwrap(), json!([2, 3]));
    for axes in [Axes([2, 3]), Axes([0, usize::MAX])] {
        assert_eq!(from_value::<Axes<2>>(to_value(axes).unwrap()).unwrap(), axes);
    }
    assert_eq!(from_value::<Axes<3>>(json!(4)).unwrap(), Axes([4, 4, 4]));
    assert_eq!(from_value::<Axes<1>>(json!([4])).unwrap(), Axes([4]));
}

#[test]
fn padding_round_trips() {
    for (padding, form) in [
        (Padding::Explicit([(1, 2), (3, 4)]), json!([[1, 2], [3, 4]])),
        (Padding::Explicit([(0, 0), (5, 5)]), json!([[0, 0], [5, 5]])),
        (Padding::Valid, json!("valid")),
        (Padding::Same, json!("same")),
    ] {
        assert_eq!(to_value(padding).unwrap(), form);
        assert_eq!(from_value::<Padding<2>>(form).unwrap(), padding);
    }
}

#[test]
fn padding_is_read_from_shorter_forms() {
    assert_eq!(from_value::<Padding<2>>(json!(3)).unwrap(), Padding::from(3));
    assert_eq!(from_value::<Padding<2>>(json!([3, 4])).unwrap(), Padding::from([3, 4]));
}

#[test]
fn wrong_axes_are_refused() {
    let refused = |form| from_value::<Axes<2>>(form).unwrap_err().to_string();
    for form in [json!([1]), json!([1, 2, 3]), json!([])] {
        let given = form.as_array().unwrap().len();
        assert_eq!(refused(form), format!("{given} values given: accepted is one per spatial axis, 2"));
    }
    for form in [json!(-1), json!([1, -2]), json!(1.5), json!("1"), json!(null), json!({ "0": 1 })] {
        assert_eq!(refused(form), "a number or a list with one number per spatial axis");
    }
}

#[test]
fn wrong_paddings_are_refused() {
    let refused = |form| from_value::<Padding<2>>(form).unwrap_err().to_string();
    for form in [json!([1]), json!([[1, 2]]), json!([[1, 2], [1, 2], [1, 2]])] {
        let given = form.as_array().unwrap().len();
        assert_eq!(refused(form), format!("{given} values given: accepted is one per spatial axis, 2"));
    }
    let name = refused(json!("full"));
    assert!(
        name.starts_with("padding = \"full\" is refused: accepted is") && name.contains("\"same\""),
        "{name}"
    );
    for form in [json!(-1), json!([[1, 2, 3], [1, 2, 3]]), json!([1, [1, 2]]), json!(null), json!(0.5)] {
        let message = refused(form);
        assert!(
            message.contains("(before, after) pair per spatial axis, \"valid\" or \"same\""),
            "{message}"
        );
    }
}
