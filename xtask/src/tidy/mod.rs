//! `cargo xtask tidy`: the rules of the workspace that neither the compiler nor clippy knows.
//!
//! What is looked at is what git tracks, so a finding is about what others will get. Every rule says what would be
//! right, because whoever meets one for the first time should not have to ask.

mod arrows;
mod layout;
mod links;
mod mask;
mod source;
mod text;

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::{fs, str};

use crate::error::{Error, Result};
use crate::files;

/// Check the rules that no compiler knows
///
/// Dependency arrows between the crates, unsafe only in lucid-kernels, nothing unfinished, no path or host that only
/// exists on one machine, files of a readable length, links that lead somewhere. Each finding is one line,
/// `file:line: what, and what would be right`; the exit status is 1 if there is any.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// A tracked file with text in it.
struct TextFile {
    /// From the workspace's folder, with `/`.
    path: String,
    text: String,
}

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: String,
    line: usize,
    /// What is wrong, and what would be right.
    what: String,
}

impl Finding {
    fn new(file: &str, line: usize, what: impl Into<String>) -> Self {
        Finding { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

impl TextFile {
    fn extension(&self) -> &str {
        Path::new(&self.path).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
    }
}

/// Runs the command.
///
/// # Errors
/// [`Error::Findings`] if there is any.
pub(crate) fn run(_: &Args) -> Result<()> {
    let root = files::root();
    let tracked = tracked(&root)?;
    let texts = texts(&root, &tracked)?;

    let mut findings = arrows::check(&arrows::packages(&root)?, &texts);
    findings.extend(layout::check(&tracked, &texts));
    for file in &texts {
        findings.extend(text::check(file));
        match file.extension() {
            "rs" => findings.extend(source::check(file)),
            "md" => findings.extend(links::check(file, |target| root.join(target).exists())),
            _ => {}
        }
    }
    findings.sort();

    let mut out = io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    if findings.is_empty() {
        Ok(writeln!(out, "tidy: {} files, no findings", tracked.len())?)
    } else {
        Err(Error::Findings(findings.len()))
    }
}

/// The output of a program that has to succeed.
fn output(root: &Path, program: &str, args: &[&str]) -> Result<String> {
    let failed = |reason: String| Error::Command { command: format!("{program} {}", args.join(" ")), reason };
    let output = Command::new(program).args(args).current_dir(root).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())));
    }
    String::from_utf8(output.stdout).map_err(|error| failed(error.to_string()))
}

/// The files that git tracks.
fn tracked(root: &Path) -> Result<Vec<String>> {
    let list = output(root, "git", &["ls-files", "-z"])?;
    Ok(list.split_terminator('\0').map(str::to_owned).collect())
}

/// Those of `tracked` that hold text: neither binary nor deleted but not yet committed.
fn texts(root: &Path, tracked: &[String]) -> Result<Vec<TextFile>> {
    let mut texts = Vec::new();
    for path in tracked {
        let full = root.join(path);
        match fs::read(&full) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).ok();
                texts.extend(text.map(|text| TextFile { path: path.clone(), text }));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(&full)(error)),
        }
    }
    Ok(texts)
}
