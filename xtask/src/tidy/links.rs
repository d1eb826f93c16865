//! Links between documents: the target of a relative link in a Markdown file exists.
//!
//! A crate's README is also its rustdoc page, where a link may name an item; rustdoc's own lint checks those.

use std::path::{Component, Path, PathBuf};

use super::{Finding, TextFile};

/// `exists` is asked about paths from the workspace's folder.
pub(super) fn check(file: &TextFile, exists: impl Fn(&Path) -> bool) -> Vec<Finding> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    let mut is_fenced = false;
    for (index, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        }
        if is_fenced {
            continue;
        }
        for target in targets(&without_code(line)) {
            let Some(path) = path_of(target) else { continue };
            let is_found = resolve(folder, path).is_some_and(|path| exists(&path));
            if !is_found {
                let what =
                    format!("the link to `{target}` leads nowhere: name a file from this one's folder");
                findings.push(Finding::new(&file.path, index + 1, what));
            }
        }
    }
    findings
}

/// The line without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// Targets of `[text](target)`, `![image](target "title")` and `[name]: target`.
fn targets(line: &str) -> Vec<&str> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let definition = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    let definition = definition.and_then(|(_, target)| target.split_whitespace().next());
    inline.chain(definition).map(|target| target.trim_start_matches('<').trim_end_matches('>')).collect()
}

/// The file that a target names; `None` for a web address, a place in the same document, or an item of Rust.
fn path_of(target: &str) -> Option<&str> {
    let path = target.split(['#', '?']).next().unwrap_or_default();
    let is_address = path.contains(':');
    let is_item = path.chars().all(|char| char.is_alphanumeric() || "_!()@".contains(char));
    (!is_address && !is_item).then_some(path)
}

/// `path` from the workspace's folder, for a link in `folder`; `None` when it leaves the workspace.
fn resolve(folder: &Path, path: &str) -> Option<PathBuf> {
    // A leading slash stands for the repository, as where it is hosted.
    let joined = path.strip_prefix('/').map_or_else(|| folder.join(path), PathBuf::from);
    let mut resolved = PathBuf::new();
    for component in joined.components() {
        match component {
            Component::ParentDir if !resolved.pop() => return None,
            Component::Normal(name) => resolved.push(name),
            _ => {}
        }
    }
    Some(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> Vec<String> {
        let file = TextFile { path: "docs/adr/a.md".into(), text: text.into() };
        let exists = |path: &Path| ["docs/adr/b.md", "docs/c", "README.md"].contains(&path.to_str().unwrap());
        check(&file, exists).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_no_findings() {
        let text = "[b](b.md) [b](./b.md#part) ![c](../c \"title\") [r](../../README.md) [r](/README.md)\n\
                    [web](https://example.org/x.md) [here](#part) [item](crate::Options) [item](Options)\n\
                    `[code](x.md)`\n```\n[fenced](x.md)\n```\n[b]: b.md\n[item]: crate::Plan\n";
        assert!(broken(text).is_empty(), "{:?}", broken(text));
    }

    #[test]
    fn links_that_lead_nowhere_are_found_with_their_line() {
        let found = broken("\n[x](x.md) and [b](b.md), [y](../y/)\n[z]: z.md\n[out](../../../README.md)\n");
        let places: Vec<_> = found.iter().map(|line| line.split(": the").next().unwrap()).collect();
        assert_eq!(places, ["docs/adr/a.md:2", "docs/adr/a.md:2", "docs/adr/a.md:3", "docs/adr/a.md:4"]);
        assert!(found[0].contains("`x.md`"));
    }
}
