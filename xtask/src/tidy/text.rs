//! Rules about every file with text: nothing that only means something on one machine or in one network.
//!
//! Names are put together from parts here, so that the rules don't find themselves.

use super::source::{IGNORED_FENCE, is_ignored_fence};
use super::{Finding, TextFile};

/// First folders of absolute paths that exist on one machine.
const MACHINE_FOLDERS: [&str; 5] = ["work", "tmp", "home", "root", "Users"];
/// Hosts of package registries, with the dot left out.
const REGISTRIES: [[&str; 2]; 5] =
    [["crates", "io"], ["pypi", "org"], ["pythonhosted", "org"], ["npmjs", "org"], ["npmjs", "com"]];
/// Every entry of one has to come from the default registry.
const LOCK_FILE: &str = "Cargo.lock";

pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |index: usize, what: &str| findings.push(Finding::new(&file.path, index + 1, what));
    let is_lock_file = file.path.rsplit('/').next() == Some(LOCK_FILE);
    let registries = REGISTRIES.map(|name| name.join("."));
    let mut is_test = file.path.split('/').any(|folder| folder == "tests");
    for (index, line) in file.text.lines().enumerate() {
        // By convention the unit tests are the end of a file.
        is_test |= file.extension() == "rs" && line.trim() == "#[cfg(test)]";
        if let Some(path) = machine_path(line).filter(|_| !is_test) {
            find(
                index,
                &format!("`{path}` is a path of one machine: take it from the caller, or make it relative"),
            );
        }
        if is_lock_file {
            if line.starts_with("source = ") && !is_usual_source(line, &registries[0]) {
                find(
                    index,
                    "a package from an unusual place: update the lock file with cargo's default registry",
                );
            }
        } else if let Some(registry) = registries.iter().find(|registry| line.contains(registry.as_str())) {
            find(index, &format!("`{registry}` is a registry's host: the tools know theirs, leave it out"));
        }
        if file.extension() == "md" && is_ignored_fence(line) {
            find(index, IGNORED_FENCE);
        }
    }
    findings
}

/// An absolute path in `line` whose first folder is one machine's.
fn machine_path(line: &str) -> Option<String> {
    let starts = MACHINE_FOLDERS.iter().map(|folder| format!("/{folder}/"));
    starts.into_iter().find(|start| {
        line.match_indices(start.as_str()).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            // In `a/work/b` or `host.name/work/b` the folder is not the first.
            !before.is_some_and(|char| char.is_alphanumeric() || "._-~*})>".contains(char))
        })
    })
}

/// Whether a lock file's line names the default registry as cargo writes it.
fn is_usual_source(line: &str, registry: &str) -> bool {
    line.ends_with(&format!("registry+https://github.com/rust-lang/{registry}-index\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&TextFile { path: path.into(), text: text.into() }).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn paths_of_one_machine_are_found_outside_tests() {
        let text = "cd /work/main\nlet a = \"/tmp/b\";\nhttps://example.org/tmp/b\nsrc/work/c\n(/home/me)\n";
        assert_eq!(lines("README.md", text), [1, 2, 5]);
        assert!(lines("crates/a/tests/b.rs", text).is_empty());
        assert_eq!(lines("a.rs", &format!("{text}#[cfg(test)]\n{text}")), [1, 2, 5]);
    }

    #[test]
    fn hosts_of_registries_are_found() {
        let text = REGISTRIES.map(|name| format!("https://{}/a\n", name.join("."))).concat();
        assert_eq!(lines("a.toml", &text), [1, 2, 3, 4, 5]);
        let usual =
            format!("source = \"registry+https://github.com/rust-lang/{}-index\"\n", REGISTRIES[0].join("."));
        assert_eq!(
            lines(
                "xtask/peers/rust/Cargo.lock",
                &format!("{usual}source = \"registry+https://mirror.example/index\"\n")
            ),
            [2]
        );
    }

    #[test]
    fn examples_in_markdown_are_compiled_or_text() {
        assert_eq!(lines("README.md", "```rust\n```\n```rust,ignore\n```\n"), [3]);
    }
}
