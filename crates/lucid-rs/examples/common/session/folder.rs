//! The folder that a run writes to, and text in it.

use std::path::Path;

use crate::error::Result;
use crate::files;

/// Makes the folder unless it is there.
pub(crate) fn create(folder: &Path) -> Result<()> {
    Ok(std::fs::create_dir_all(folder)
        .map_err(|error| format!("making the folder {}: {error}", folder.display()))?)
}

/// Makes `text` the content of the file at `path`.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    files::replace(path, |temporary| Ok(std::fs::write(temporary, text)?))
}
