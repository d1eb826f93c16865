//! `cargo xtask verify`: conformance cases against lucid-conv, every algorithm for itself.
//!
//! The judge is the file: what this project's own reference makes of a case is not compared with, only its error
//! bounds are used, which follow from the inputs alone. Nothing is skipped in silence: a file that can't be read, a
//! convolution that is refused and a panic are failures of that case, and the others still run.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use lucid_check::{
    Case, Dtype, Error as CheckError, Expected, ReferenceResult, check_close, check_close_relative, golden,
};
use lucid_conv::{Algorithm, Element, Isa, Plan, Shapes};
use ndarray::{Array1, ArrayD, ArrayViewD};

use crate::convolution::{Convolution, Passes, with_algorithm};
use crate::error::{Error, Result};

/// Float64 results may differ by this much of the largest expected magnitude of their tensor.
const TOLERANCE: f64 = 1e-10;

/// Run conformance cases against every algorithm
///
/// Every .safetensors file of the folder is one case: inputs, options and the output and gradients that another
/// implementation computed. A case passes when each algorithm gives these numbers, in float64 (where the file has
/// float64) and in float32.
#[derive(Default, clap::Args)]
pub(crate) struct Args {
    /// Folder of .safetensors cases [default: those of this project, crates/lucid-check/cases]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Runs the command; the last line of standard output is `N passed, N failed`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let folder = args.folder.clone().unwrap_or_else(golden::cases_dir);
    verify(&folder, &mut io::stdout().lock())
}

/// Runs the cases of `folder` and writes a line for each that fails, then the tally.
///
/// # Errors
/// [`Error::Verify`] unless at least one case ran and none failed.
pub(crate) fn verify(folder: &Path, out: &mut impl Write) -> Result<()> {
    let listed = lucid_check::read_dir(folder);
    let (mut passed, mut failed) = (0, 0);
    for path in listed.as_deref().unwrap_or_default() {
        match run_case(path) {
            Ok(()) => passed += 1,
            Err(reason) => {
                failed += 1;
                writeln!(out, "FAIL {reason}")?;
            }
        }
    }
    match listed {
        Err(error) => writeln!(out, "FAIL {error}")?,
        Ok(paths) if paths.is_empty() => writeln!(out, "FAIL {}: no .safetensors file", folder.display())?,
        Ok(_) => {}
    }
    writeln!(out, "{passed} passed, {failed} failed")?;
    if passed > 0 && failed == 0 { Ok(()) } else { Err(Error::Verify) }
}

/// Runs one case; the error is the line to print, which names the file.
fn run_case(path: &Path) -> Result<(), String> {
    // What the reader says names the file already.
    let case = Case::read(path).map_err(|error| error.to_string())?;
    let outcome = caught(|| match case.op.rank() {
        1 => check::<1>(&case),
        2 => check::<2>(&case),
        _ => check::<3>(&case),
    });
    let reason = match outcome {
        Ok(Ok(judge)) => match judge.report() {
            None => return Ok(()),
            Some(report) => report,
        },
        Ok(Err(error)) => format!("refused: {error}"),
        Err(panic) => panic,
    };
    Err(format!("{}: {reason}", path.display()))
}

/// What `run` returns, or how it panicked.
fn caught<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    // What a panic leaves half done is not looked at again.
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let owned = panic.downcast_ref::<String>().map(String::as_str);
        let message = owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
        format!("panicked: {message}")
    })
}

fn check<const N: usize>(case: &Case) -> Result<Judge> {
    let options = Convolution {
        op: case.op,
        stride: &case.stride,
        padding: &case.padding,
        padding_after: &case.padding_after,
        dilation: &case.dilation,
        output_padding: &case.output_padding,
        groups: case.groups,
    }
    .options::<N>()?;
    let plan = Plan::new(options.resolve(Shapes { x: case.x.shape(), w: case.w.shape() })?);
    let mut judge = Judge { dtype: case.dtype, num_checks: 0, failures: Vec::new() };
    let bounds = case.reference();
    for plan in variants(&plan)? {
        if case.dtype == Dtype::F64 {
            run_plan(&plan, case, &bounds, |value| value, &mut judge, Judge::check_f64)?;
        }
        run_plan(&plan, case, &bounds, |value| value as f32, &mut judge, Judge::check_f32)?;
    }
    Ok(judge)
}

/// The plan of every algorithm that accepts the geometry; where its kernels are lucid's own, on every instruction set
/// that the machine has.
fn variants<const N: usize>(plan: &Plan<N>) -> Result<Vec<Plan<N>>> {
    let mut plans = Vec::new();
    for algorithm in Algorithm::ALL {
        match with_algorithm(*plan, algorithm) {
            Ok(plan) if algorithm.has_kernels() => {
                for isa in Isa::available() {
                    plans.push(plan.with_isa(isa)?);
                }
            }
            Ok(plan) => plans.push(plan),
            Err(Error::Conv(lucid_conv::Error::Algorithm { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(plans)
}

/// Computes every tensor that the file has, in the element type that `convert` makes, and has it checked.
fn run_plan<T: Element, const N: usize>(
    plan: &Plan<N>,
    case: &Case,
    bounds: &ReferenceResult,
    convert: fn(f64) -> T,
    judge: &mut Judge,
    check: fn(&mut Judge, &str, ArrayViewD<'_, T>, Wanted<'_>),
) -> Result<()> {
    let passes = Passes::of(plan.geometry().kind());
    let label = |tensor: &str, pass| {
        let recipe = plan.recipe(pass);
        format!("{tensor} by {} on {} in {}", recipe.algorithm, recipe.isa, std::any::type_name::<T>())
    };
    let (x, w) = (case.x.mapv(convert), case.w.mapv(convert));
    let b: Option<Array1<T>> = case.b.as_ref().map(|b| b.iter().copied().map(convert).collect());

    let y = plan.convolve(x.view(), w.view(), b.as_ref().map(|b| b.view()))?;
    check(judge, &label("y", passes.y), y.view(), Wanted { file: &case.y, bounds: &bounds.y });
    let (Some(file), Some([dx, dw, db])) = (&case.gradients, &bounds.gradients) else { return Ok(()) };
    let got = plan.gradients(x.view(), w.view(), file.dy.mapv(convert).view())?;
    check(judge, &label("dx", passes.dx), got.dx.view(), Wanted { file: &file.dx, bounds: dx });
    check(judge, &label("dw", passes.dw), got.dw.view(), Wanted { file: &file.dw, bounds: dw });
    if let Some(file) = &file.db {
        check(
            judge,
            &format!("db in {}", std::any::type_name::<T>()),
            got.db.into_dyn().view(),
            Wanted { file, bounds: db },
        );
    }
    Ok(())
}

/// The numbers of the file, and the reference's error bounds for the same sums.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    file: &'a ArrayD<f64>,
    bounds: &'a Expected,
}

/// Compares the results of one case with those of its file and remembers what differs.
struct Judge {
    dtype: Dtype,
    num_checks: usize,
    failures: Vec<CheckError>,
}

impl Judge {
    fn check_f64(&mut self, label: &str, got: ArrayViewD<'_, f64>, wanted: Wanted<'_>) {
        self.count(check_close_relative(label, got, wanted.file.view(), TOLERANCE));
    }

    /// A plain sum in float32 is within `bound` of the exact one. So is the file's, if it was computed in float32 too;
    /// a float64 one is within the tolerance of float64. The distance of the two is at most the sum.
    fn check_f32(&mut self, label: &str, got: ArrayViewD<'_, f32>, wanted: Wanted<'_>) {
        let mut bound = wanted.bounds.bound::<f32>();
        if label.contains(" by minimal ") {
            // One product stands for those of neighbouring sums, up to 8 where the definition has 3, with roundings of
            // its own: the error follows the largest of them.
            let largest = bound.iter().fold(0.0_f64, |largest, &bound| largest.max(bound));
            bound.fill(5.0 * largest);
        }
        let finite = wanted.file.iter().filter(|value| value.is_finite());
        let bound = match self.dtype {
            Dtype::F32 => bound * 2.0,
            Dtype::F64 => {
                bound + TOLERANCE * finite.fold(0.0, |largest: f64, value| largest.max(value.abs()))
            }
        };
        self.count(check_close(label, got, wanted.file.view(), bound.view()));
    }

    fn count(&mut self, result: Result<(), CheckError>) {
        self.num_checks += 1;
        self.failures.extend(result.err());
    }

    /// One line about the failure with the largest error, in multiples of what is accepted; `None` without a failure.
    fn report(&self) -> Option<String> {
        let excess = |error: &CheckError| match error {
            CheckError::Mismatch(mismatch) => mismatch.error / mismatch.bound,
            // Another shape, which is worse than any value.
            _ => f64::INFINITY,
        };
        let worst = self.failures.iter().max_by(|a, b| excess(a).total_cmp(&excess(b)))?;
        Some(format!("{worst} ({} of {} comparisons failed)", self.failures.len(), self.num_checks))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use lucid_check::Gradients;

    use super::*;

    fn output(folder: &Path) -> (String, Result<()>) {
        let mut out = Vec::new();
        let result = verify(folder, &mut out);
        (String::from_utf8(out).unwrap(), result)
    }

    fn intact(name: &str) -> Case {
        Case::read(golden::cases_dir().join(name)).unwrap()
    }

    #[test]
    fn an_empty_or_missing_folder_fails() {
        let folder = tempfile::tempdir().unwrap();
        for folder in [folder.path().to_owned(), folder.path().join("missing")] {
            let (lines, result) = output(&folder);
            assert!(lines.starts_with(&format!("FAIL {}: ", folder.display())), "{lines}");
            assert!(lines.ends_with("\n0 passed, 0 failed\n"), "{lines}");
            assert!(result.is_err());
        }
    }

    #[test]
    fn intact_cases_pass() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["transpose_s2_k4.safetensors", "conv3d_groups.safetensors", "conv2d_f32.safetensors"] {
            fs::copy(golden::cases_dir().join(name), folder.path().join(name)).unwrap();
        }
        let (lines, result) = output(folder.path());
        assert_eq!(lines, "3 passed, 0 failed\n");
        result.unwrap();
    }

    /// In every tensor, a value that is wrong by more than float64 allows, and by more than float32 does.
    #[test]
    fn one_wrong_number_fails_with_its_tensor_and_place_named() {
        for (tensor, error) in [("y", 1e-8), ("y", 0.1), ("dx", 1e-8), ("dw", 0.1), ("db", 1e-8)] {
            let folder = tempfile::tempdir().unwrap();
            let mut case = intact("transpose_s2_k4.safetensors");
            let Gradients { dx, dw, db, .. } = case.gradients.as_mut().unwrap();
            let damaged = match tensor {
                "y" => &mut case.y,
                "dx" => dx,
                "dw" => dw,
                _ => db.as_mut().unwrap(),
            };
            *damaged.iter_mut().last().unwrap() += error;
            let last: Vec<usize> = damaged.shape().iter().map(|len| len - 1).collect();
            case.write(folder.path().join("damaged.safetensors")).unwrap();
            let (lines, result) = output(folder.path());
            let [line, tally] = lines.lines().collect::<Vec<_>>()[..] else { panic!("{lines}") };
            assert!(line.contains("damaged.safetensors: ") && line.contains(&format!("{last:?}")), "{line}");
            assert!(line.contains(&format!(": {tensor} ")), "{line}");
            // How many there are depends on the machine's instruction sets; only this tensor's fail.
            assert!(line.ends_with(" comparisons failed)") && !line.contains("(0 of"), "{line}");
            assert_eq!(tally, "0 passed, 1 failed");
            assert!(result.is_err());
        }
    }

    #[test]
    fn a_panic_is_a_failure_with_its_message() {
        assert_eq!(caught(|| 1), Ok(1));
        assert_eq!(caught(|| -> i32 { panic!("fixed") }), Err("panicked: fixed".into()));
        assert_eq!(caught(|| -> i32 { panic!("number {}", 7) }), Err("panicked: number 7".into()));
    }

    #[test]
    fn a_file_that_is_no_case_fails_by_name_and_the_others_run() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.safetensors"), "no header").unwrap();
        fs::create_dir(folder.path().join("b.safetensors")).unwrap();
        intact("conv_s1.safetensors").write(folder.path().join("c.safetensors")).unwrap();
        // The reader takes it, lucid-conv does not: an output padding of the stride or more.
        let mut refused = intact("transpose_no_gradients.safetensors");
        let len = refused.y.shape()[refused.y.ndim() - 1];
        refused.output_padding[0] = 100;
        let mut longer = refused.y.shape().to_vec();
        *longer.last_mut().unwrap() = len + 100;
        refused.y = ArrayD::zeros(longer);
        refused.write(folder.path().join("d.safetensors")).unwrap();
        let (lines, result) = output(folder.path());
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!(lines.last(), Some(&"1 passed, 3 failed"), "{lines:?}");
        for (line, name) in lines.iter().zip(["a.safetensors", "b.safetensors", "d.safetensors"]) {
            assert!(line.starts_with("FAIL") && line.contains(name), "{line}");
        }
        assert!(lines[2].contains("refused: output_padding"), "{}", lines[2]);
        assert!(result.is_err());
    }
}
