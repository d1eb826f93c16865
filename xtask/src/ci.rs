//! `cargo xtask ci`: everything that has to hold before a change goes in, cheapest first.
//!
//! One list of steps serves the machine that checks a change and the developer before it is sent, so what passes here
//! passes there.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::{bench, codegen, files, tidy, verify};

/// Run every check, in order, up to the first that fails
///
/// Formatting, clippy, documentation, tidy, the tests of lucid-conv by itself, the conformance cases, the examples in
/// release mode and a short benchmark. `cargo test --workspace` is not among them: .ci/run does both.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// A check with the name that is announced.
struct Step {
    name: &'static str,
    action: Action,
}

enum Action {
    /// Runs cargo with arguments, and perhaps one variable set.
    Cargo(&'static [&'static str], Option<(&'static str, &'static str)>),
    /// Runs an example of the facade, in a temporary folder of its own.
    Example(Example),
    /// Does it in this process. The folder is a temporary one.
    Here(fn(&Path) -> Result<()>),
}

/// An example of lucid-rs as it is run; `FOLDER` in its arguments stands for the temporary folder.
struct Example {
    name: &'static str,
    args: &'static [&'static str],
}

const FOLDER: &str = "FOLDER";

const EXAMPLES: [Example; 3] = [
    Example { name: "quickstart", args: &[] },
    Example { name: "speech_autoencoder", args: &["--steps", "5", "--output", FOLDER] },
    Example { name: "wavegan", args: &["--steps", "5", "--output", FOLDER] },
];

fn steps() -> Vec<Step> {
    let cargo = |name, args| Step { name, action: Action::Cargo(args, None) };
    let mut steps = vec![
        cargo("format", &["fmt", "--all", "--check"]),
        cargo(
            "clippy",
            &["clippy", "--locked", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"],
        ),
        Step {
            name: "documentation",
            action: Action::Cargo(
                &["doc", "--locked", "--workspace", "--no-deps"],
                Some(("RUSTDOCFLAGS", "-D warnings")),
            ),
        },
        Step { name: "codegen", action: Action::Here(|_| codegen::run(&codegen::Args { check: true })) },
        Step { name: "tidy", action: Action::Here(|_| tidy::run(&tidy::Args {})) },
        // By itself, without the features that the rest of the workspace asks for.
        cargo("lucid-conv alone", &["test", "--locked", "-p", "lucid-conv"]),
        Step { name: "verify", action: Action::Here(|_| verify::run(&verify::Args::default())) },
    ];
    let example = |example: Example| Step { name: example.name, action: Action::Example(example) };
    steps.extend(EXAMPLES.map(example));
    steps.push(Step { name: "bench", action: Action::Here(bench_smoke) });
    steps
}

/// Runs the command.
///
/// # Errors
/// [`Error::Step`] with the name of the first step that fails.
pub(crate) fn run(_: &Args) -> Result<()> {
    let start = Instant::now();
    for step in steps() {
        let step_start = Instant::now();
        println!("== {}", step.name);
        step.run().map_err(|source| Error::Step { step: step.name.into(), source: Box::new(source) })?;
        println!("== {}: ok, {:.1} s", step.name, step_start.elapsed().as_secs_f64());
    }
    println!("ci: all steps passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

impl Step {
    fn run(&self) -> Result<()> {
        let folder = tempfile::tempdir().map_err(Error::io(&std::env::temp_dir()))?;
        match &self.action {
            Action::Cargo(args, variable) => {
                let args: Vec<_> = args.iter().copied().map(String::from).collect();
                cargo(&args, *variable)
            }
            Action::Example(example) => cargo(&example.line(folder.path()), None),
            Action::Here(run) => run(folder.path()),
        }
    }
}

impl Example {
    /// The arguments for cargo.
    fn line(&self, folder: &Path) -> Vec<String> {
        let folder = folder.display().to_string();
        let own = self.args.iter().map(|arg| arg.replace(FOLDER, &folder));
        let cargo = ["run", "--locked", "--release", "-p", "lucid-rs", "--example", self.name, "--"];
        cargo.into_iter().map(str::to_owned).chain(own).collect()
    }
}

/// Runs cargo in the workspace's folder, with its output where this one's goes.
fn cargo(args: &[String], variable: Option<(&str, &str)>) -> Result<()> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let failed = |reason: String| Error::Command { command: format!("cargo {}", args.join(" ")), reason };
    let status = Command::new(program).args(args).envs(variable).current_dir(files::root()).status();
    let status = status.map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}

/// A benchmark of one small layer, whose file must have the documented keys.
fn bench_smoke(folder: &Path) -> Result<()> {
    let path = folder.join("bench.json");
    bench::run(&bench::Args::smoke(path.clone()))?;
    let json = fs::read_to_string(&path).map_err(Error::io(&path))?;
    check_keys(&json).map_err(|reason| Error::Unexpected { what: "the file of bench --json".into(), reason })
}

fn check_keys(json: &str) -> Result<(), String> {
    let rows: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(json).map_err(|error| error.to_string())?;
    if rows.is_empty() {
        return Err("no rows".into());
    }
    for row in rows {
        if row.len() != bench::KEYS.len() || !bench::KEYS.iter().all(|key| row.contains_key(*key)) {
            let keys: Vec<_> = row.keys().collect();
            return Err(format!("keys {keys:?}: expected are exactly {:?}", bench::KEYS));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_put_into_an_examples_arguments() {
        let line = EXAMPLES[1].line(Path::new("some/folder"));
        assert_eq!(line[line.len() - 4..], ["--steps", "5", "--output", "some/folder"]);
    }

    #[test]
    fn rows_without_the_keys_are_refused() {
        let row = |keys: &[&str]| {
            let row: serde_json::Map<_, _> = keys.iter().map(|key| (String::from(*key), 1.into())).collect();
            serde_json::json!([row]).to_string()
        };
        check_keys(&row(&bench::KEYS)).unwrap();
        for bad in
            [row(&bench::KEYS[1..]), row(&[&bench::KEYS[..], &["more"]].concat()), "[]".into(), "".into()]
        {
            check_keys(&bad).unwrap_err();
        }
    }
}
