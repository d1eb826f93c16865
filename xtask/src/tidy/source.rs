//! Rules about Rust files: unsafe code in one crate only, nothing unfinished or switched off, files of a length that
//! can be read in one go.

use super::mask::{Masked, is_word};
use super::{Finding, TextFile};

/// Where unsafe code may stand.
const UNSAFE_FOLDER: &str = "crates/lucid-kernels/";
/// At this length a file has a second idea, unless a program wrote it.
const MAX_LINES: usize = 500;
const GENERATED_FOLDER: &str = "/generated/";

pub(super) fn check(file: &TextFile) -> Vec<Finding> {
    let masked = Masked::new(&file.text);
    let mut findings = Vec::new();
    let mut find = |line: usize, what: &str| findings.push(Finding::new(&file.path, line, what));

    let num_lines = file.text.lines().count();
    if num_lines > MAX_LINES && !file.path.contains(GENERATED_FOLDER) {
        let what =
            format!("{num_lines} lines: give the second idea a file of its own, {MAX_LINES} is the limit");
        find(MAX_LINES + 1, &what);
    }
    for (index, line) in masked.code.lines().enumerate() {
        if has_word(line, "unsafe") && !file.path.starts_with(UNSAFE_FOLDER) {
            find(index + 1, "`unsafe`: only lucid-kernels has unsafe code, offer a safe function there");
        }
        for name in ["todo", "unimplemented"] {
            if has_word(line, &format!("{name}!")) {
                find(
                    index + 1,
                    &format!("`{name}!`: finish it, or return an error that says what is missing"),
                );
            }
        }
        if line.contains("#[ignore") {
            find(index + 1, "an ignored test: make it fast enough to run, or remove it");
        }
    }
    for (index, line) in masked.comments.lines().enumerate() {
        let code = line.trim_start().trim_start_matches(['/', '!', '*']).trim_start();
        if is_ignored_fence(code) {
            find(index + 1, IGNORED_FENCE);
        }
    }
    for line in allows_without_reason(&masked.code) {
        find(line, "`allow` without a reason: add `reason = \"...\"`, or mend what it silences");
    }
    findings
}

pub(super) const IGNORED_FENCE: &str = "an example that is never compiled: make it run, or mark it as `text`";

/// Whether a line opens a fenced example that rustdoc does not compile.
pub(super) fn is_ignored_fence(line: &str) -> bool {
    let info = line.trim_start().strip_prefix("```").unwrap_or_default();
    info.split([',', ' ', '{', '}']).any(|word| word == "ignore" || word.starts_with("ignore-"))
}

/// Whether `word` stands in `line`, not as a part of a longer word.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// The lines of attributes that hold an `allow(...)` without `reason`.
fn allows_without_reason(code: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for (start, _) in code.match_indices('#') {
        if !code[start + 1..].trim_start_matches('!').starts_with('[') {
            continue;
        }
        let attribute = balanced(&code[start..], '[', ']');
        for (at, name) in attribute.match_indices("allow") {
            let is_whole = !attribute[..at].chars().next_back().is_some_and(is_word);
            let list = &attribute[at + name.len()..];
            if is_whole && list.trim_start().starts_with('(') && !has_word(balanced(list, '(', ')'), "reason")
            {
                lines.push(1 + code[..start + at].matches('\n').count());
            }
        }
    }
    lines
}

/// The start of `text` up to the bracket that closes its first `open`; all of it where none does.
fn balanced(text: &str, open: char, close: char) -> &str {
    let mut depth = 0;
    for (at, char) in text.char_indices() {
        if char == open {
            depth += 1;
        } else if char == close {
            depth -= 1;
            if depth == 0 {
                return &text[..at];
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&TextFile { path: path.into(), text: text.into() }).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn unsafe_is_found_in_code_only_and_outside_the_kernels_only() {
        let text = "// unsafe\nlet a = \"unsafe {\";\nunsafe { b() }\nunsafe_code();\nunsafe fn c() {}\nr#\"unsafe\"#;\nunsafe impl D for E {}\n";
        assert_eq!(lines("crates/lucid-conv/src/a.rs", text), [3, 5, 7]);
        assert!(lines("crates/lucid-kernels/src/a.rs", text).is_empty());
    }

    #[test]
    fn what_is_unfinished_or_switched_off_is_found() {
        assert_eq!(lines("a.rs", "todo!()\n\"todo!()\"\n// todo!()\nstd::unimplemented!(\"a\")\n"), [1, 4]);
        assert_eq!(lines("a.rs", "#[ignore]\n#[ignore = \"slow\"]\nignore[0]\n"), [1, 2]);
        let examples = "//! ```ignore\n//! ```\n/// ```rust,ignore\n/// ```text\n/// ignore\n    /// ```ignore-windows\n";
        assert_eq!(lines("a.rs", examples), [1, 3, 6]);
    }

    #[test]
    fn an_allow_needs_a_reason() {
        let text = "#[allow(dead_code)]\n#[allow(dead_code, reason = \"none\")]\n#![allow(\n    unused,\n)]\n\
                    #[cfg_attr(test, allow(unused))]\nallow(1)\n#[disallow(a)]\n\"#[allow(unused)]\"\n";
        assert_eq!(lines("a.rs", text), [1, 3, 6]);
    }

    #[test]
    fn a_long_file_is_found() {
        assert!(lines("a.rs", &"\n".repeat(500)).is_empty());
        assert!(lines("src/generated/a.rs", &"\n".repeat(501)).is_empty());
        assert_eq!(lines("a.rs", &"\n".repeat(501)), [501]);
    }
}
