//! Where the workspace is, and how a file of it is written: whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// Writes `contents` to a temporary name beside `path` and renames it, so that whoever reads `path` finds the old file
/// or the new one, never half of it.
pub(crate) fn write(path: &Path, contents: &str) -> Result<()> {
    let name = path.file_name().ok_or_else(|| Error::Unexpected {
        what: path.display().to_string(),
        reason: "has no file name to write to".into(),
    })?;
    let temporary = path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
    let written = fs::write(&temporary, contents).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Nobody is helped by a second error about the same folder.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(Error::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, "old").unwrap();
        write(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("a.json");
        assert!(write(&path, "").unwrap_err().to_string().contains("a.json"));
    }
}
