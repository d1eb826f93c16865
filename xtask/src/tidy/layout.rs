//! Rules about the tree: few things at the top level, and every crate under the workspace's lints, which is what makes
//! `missing_docs` and the others hold for each public item.

use super::{Finding, TextFile};

/// What may stand at the top level, beside licences and names that start with a dot.
const TOP_LEVEL: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "CHANGELOG.md",
    "clippy.toml",
    "rustfmt.toml",
    "crates",
    "xtask",
    "docs",
];

pub(super) fn check(tracked: &[String], texts: &[TextFile]) -> Vec<Finding> {
    let mut tops: Vec<&str> = tracked.iter().filter_map(|path| path.split('/').next()).collect();
    tops.dedup();
    let is_expected =
        |top: &&str| TOP_LEVEL.contains(top) || top.starts_with("LICENSE-") || top.starts_with('.');
    let unexpected = tops.into_iter().filter(|top| !is_expected(top)).map(|top| {
        let what = format!("unexpected at the top level: move it into one of {}", TOP_LEVEL[6..].join(", "));
        Finding::new(top, 1, what)
    });
    let root = texts.iter().find(|file| file.path == "Cargo.toml");
    let undocumented = root.filter(|file| !denies_missing_docs(&file.text)).map(|file| {
        let what = "public items may go without documentation: set `missing_docs = \"deny\"` in [workspace.lints.rust]";
        Finding::new(&file.path, 1, what)
    });
    let manifests = texts.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    let lax = manifests.filter(|file| !inherits_lints(&file.text)).map(|file| {
        let what = "the crate does not inherit the workspace's lints: add `[lints]` with `workspace = true`";
        Finding::new(&file.path, 1, what)
    });
    unexpected.chain(undocumented).chain(lax).collect()
}

fn inherits_lints(manifest: &str) -> bool {
    value(manifest, &["lints", "workspace"]).is_some_and(|value| value.as_bool() == Some(true))
}

fn denies_missing_docs(manifest: &str) -> bool {
    let level = value(manifest, &["workspace", "lints", "rust", "missing_docs"]);
    level.is_some_and(|level| matches!(level.as_str(), Some("deny" | "forbid")))
}

/// What stands at `path` in a manifest; `None` where nothing does.
fn value(manifest: &str, path: &[&str]) -> Option<toml::Value> {
    let root = toml::Value::Table(manifest.parse().ok()?);
    path.iter().try_fold(root, |value, key| value.get(key).cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_expected_stands_at_the_top() {
        let tracked =
            ["Cargo.toml", "LICENSE-MIT", ".ci/run", "docs/a.md", "notes.txt", "scripts/a", "scripts/b"];
        let findings = check(&tracked.map(str::to_owned), &[]);
        let files: Vec<_> = findings.iter().map(|finding| finding.file.as_str()).collect();
        assert_eq!(files, ["notes.txt", "scripts"]);
    }

    #[test]
    fn every_crate_inherits_the_lints() {
        for (manifest, num_findings) in [
            ("[lints]\nworkspace = true\n", 0),
            ("lints.workspace = true\n", 0),
            ("[lints]\nworkspace = false\n", 1),
            ("[package]\nname = 'a'\n", 1),
        ] {
            let file = TextFile { path: "crates/a/Cargo.toml".into(), text: manifest.into() };
            assert_eq!(check(&[], &[file]).len(), num_findings, "{manifest}");
        }
    }

    #[test]
    fn public_items_need_documentation() {
        for (level, num_findings) in [("deny", 0), ("forbid", 0), ("warn", 1)] {
            let text = format!("[workspace.lints.rust]\nmissing_docs = '{level}'\n");
            assert_eq!(
                check(&[], &[TextFile { path: "Cargo.toml".into(), text }]).len(),
                num_findings,
                "{level}"
            );
        }
    }
}
