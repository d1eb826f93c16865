//! Which crate of the workspace may depend on which.
//!
//! The layers are the architecture: what is not listed here is deliberately absent, and an arrow that is listed but
//! gone from the manifests would let it come back unnoticed. A new arrow needs a row here and an ADR.

use std::path::Path;

use serde::Deserialize;

use super::{Finding, TextFile, output};
use crate::error::{Error, Result};

/// Arrows of `[dependencies]`: from each crate to these.
const ALLOWED: &[(&str, &[&str])] = &[
    ("lucid-rs", &["lucid-autograd", "lucid-conv", "lucid-nn", "lucid-tensor"]),
    ("lucid-nn", &["lucid-autograd", "lucid-conv", "lucid-nn-derive", "lucid-tensor"]),
    ("lucid-autograd", &["lucid-conv", "lucid-tensor"]),
    ("lucid-conv", &["lucid-kernels"]),
    ("lucid-check", &["lucid-autograd"]),
    ("xtask", &["lucid-check", "lucid-conv", "lucid-kernels", "lucid-rs"]),
];

/// Any crate's tests may use this one.
const JUDGE: &str = "lucid-check";

/// Where a reader finds the table.
const TABLE: &str = "xtask/src/tidy/arrows.rs";

/// A crate of the workspace, as `cargo metadata` describes it.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// Absent for `[dependencies]`.
    kind: Option<String>,
    optional: bool,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// The crates of the workspace, with manifests named from its folder.
pub(super) fn packages(root: &Path) -> Result<Vec<Package>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let json = output(root, &cargo, &["metadata", "--format-version", "1", "--no-deps", "--offline"])?;
    let metadata: Metadata = serde_json::from_str(&json)
        .map_err(|error| Error::Unexpected { what: "cargo metadata".into(), reason: error.to_string() })?;
    let mut packages = metadata.packages;
    for package in &mut packages {
        if let Ok(relative) = Path::new(&package.manifest_path).strip_prefix(root) {
            package.manifest_path = relative.display().to_string();
        }
    }
    Ok(packages)
}

/// Arrows that are not allowed, and allowed ones that are gone.
pub(super) fn check(packages: &[Package], texts: &[TextFile]) -> Vec<Finding> {
    let is_member = |name: &str| packages.iter().any(|package| package.name == name);
    let mut findings = Vec::new();
    for package in packages {
        let manifest = texts.iter().find(|file| file.path == package.manifest_path);
        let manifest = manifest.map_or("", |file| &file.text);
        for dependency in package.dependencies.iter().filter(|dependency| is_member(&dependency.name)) {
            if let Err(what) = judge(&package.name, dependency) {
                findings.push(Finding::new(&package.manifest_path, line_of(manifest, dependency), what));
            }
        }
    }
    for (from, to) in ALLOWED {
        let package = packages.iter().find(|package| package.name == *from);
        for to in *to {
            let is_used = package.is_some_and(|package| {
                package.dependencies.iter().any(|other| other.name == *to && other.kind.is_none())
            });
            if !is_used {
                let file = package.map_or("Cargo.toml", |package| &package.manifest_path);
                let what = format!("{from} no longer depends on {to}: take the arrow out of {TABLE}");
                findings.push(Finding::new(file, 1, what));
            }
        }
    }
    findings
}

fn judge(from: &str, dependency: &Dependency) -> Result<(), String> {
    let Dependency { name: to, kind, optional } = dependency;
    let allowed = ALLOWED.iter().find(|(crate_, _)| *crate_ == from).map_or(&[][..], |(_, to)| to);
    match kind.as_deref() {
        // With itself a crate's tests turn its own features on.
        Some("dev") if to == JUDGE || to == from => Ok(()),
        // A crate's tests may use what the crate itself may.
        Some("dev") | None if allowed.contains(&to.as_str()) => {
            if from == JUDGE && !optional && kind.is_none() {
                return Err(format!(
                    "{from} depends on {to} always: `optional = true` behind a feature keeps the judge independent"
                ));
            }
            Ok(())
        }
        kind => {
            let section = kind.map_or("dependencies".to_owned(), |kind| format!("{kind}-dependencies"));
            let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
            Err(format!("{from} must not have {to} in [{section}]: allowed are {allowed} ({TABLE})"))
        }
    }
}

/// The line of the manifest that names the dependency, in the section of its kind; 1 where it can't be found.
fn line_of(manifest: &str, dependency: &Dependency) -> usize {
    let section = match &dependency.kind {
        None => "[dependencies".to_owned(),
        Some(kind) => format!("[{kind}-dependencies"),
    };
    let mut is_inside = false;
    let found = manifest.lines().position(|line| {
        if line.starts_with('[') {
            is_inside = line.starts_with(&section);
        }
        let key = line.split(['.', '=', ' ']).next().unwrap_or_default();
        is_inside && (key == dependency.name || line == format!("{section}.{}]", dependency.name))
    });
    found.map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Manifests with exactly the allowed arrows, and `extra` ones.
    fn findings(extra: &[(&str, &str, Option<&str>)], without: Option<(&str, &str)>) -> Vec<String> {
        let names =
            ["lucid-rs", "lucid-nn", "lucid-nn-derive", "lucid-autograd", "lucid-conv", "lucid-tensor"];
        let names = names.into_iter().chain(["lucid-kernels", "lucid-check", "xtask"]);
        let packages: Vec<_> = names
            .map(|name| {
                let usual = ALLOWED.iter().find(|(from, _)| *from == name).map_or(&[][..], |(_, to)| to);
                let usual = usual.iter().filter(|to| without != Some((name, to))).map(|to| (*to, None));
                let extra = extra.iter().filter(|(from, ..)| *from == name).map(|(_, to, kind)| (*to, *kind));
                let dependencies = usual.chain(extra).chain([("serde", None)]);
                let dependencies = dependencies.map(|(to, kind)| Dependency {
                    name: to.to_owned(),
                    kind: kind.map(str::to_owned),
                    optional: name == JUDGE,
                });
                Package {
                    name: name.to_owned(),
                    manifest_path: format!("crates/{name}/Cargo.toml"),
                    dependencies: dependencies.collect(),
                }
            })
            .collect();
        let manifest =
            "[package]\n[dependencies]\nserde = \"1\"\n[dev-dependencies]\nlucid-nn.workspace = true\n";
        let texts = [TextFile { path: "crates/lucid-conv/Cargo.toml".into(), text: manifest.into() }];
        check(&packages, &texts).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn the_allowed_arrows_and_the_judge_in_tests_are_no_findings() {
        assert!(findings(&[], None).is_empty());
        assert!(findings(&[("lucid-conv", "lucid-check", Some("dev"))], None).is_empty());
        assert!(findings(&[("lucid-autograd", "lucid-tensor", Some("dev"))], None).is_empty());
        assert!(findings(&[("lucid-conv", "lucid-conv", Some("dev"))], None).is_empty());
    }

    #[test]
    fn any_other_arrow_is_a_finding_with_its_line() {
        let found = findings(&[("lucid-conv", "lucid-nn", Some("dev"))], None);
        let [line] = &found[..] else { panic!("{found:?}") };
        assert!(
            line.starts_with("crates/lucid-conv/Cargo.toml:5: lucid-conv must not have lucid-nn in [dev-"),
            "{line}"
        );
        for (from, to, kind) in [
            ("lucid-kernels", "lucid-conv", None),
            ("lucid-conv", "lucid-check", None),
            ("lucid-tensor", "lucid-check", Some("build")),
            ("xtask", "lucid-nn", None),
        ] {
            assert_eq!(findings(&[(from, to, kind)], None).len(), 1, "{from} -> {to}");
        }
    }

    #[test]
    fn an_allowed_arrow_that_nobody_uses_is_a_finding() {
        let found = findings(&[], Some(("lucid-conv", "lucid-kernels")));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("lucid-conv no longer depends on lucid-kernels"), "{found:?}");
        // A dev-dependency does not stand for it.
        assert_eq!(
            findings(&[("lucid-conv", "lucid-kernels", Some("dev"))], Some(("lucid-conv", "lucid-kernels")))
                .len(),
            1
        );
    }

    #[test]
    fn the_judge_depends_on_the_tape_only_on_demand() {
        let tape = Dependency { name: "lucid-autograd".into(), kind: None, optional: false };
        assert!(judge(JUDGE, &tape).unwrap_err().contains("optional = true"));
    }
}
