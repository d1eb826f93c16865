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
    let manifests = texts.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    let lax = manifests.filter(|file| !inherits_lints(&file.text)).map(|file| {
        let what = "the crate does not inherit the workspace's lints: add `[lints]` with `workspace = true`";
        Finding::new(&file.path, 1, what)
    });
    unexpected.chain(lax).collect()
}

fn inherits_lints(manifest: &str) -> bool {
    let manifest: Option<toml::Table> = manifest.parse().ok();
    let lints = manifest.as_ref().and_then(|manifest| manifest.get("lints")?.get("workspace")?.as_bool());
    lints == Some(true)
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
}
