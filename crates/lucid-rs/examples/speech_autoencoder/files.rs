//! Files that are there as a whole or not at all.
//!
//! Every output is written under a temporary name beside its own, reaches the disk, and only then takes its name: a run
//! that is interrupted leaves the files of the run before.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};

/// Makes what `write` writes to the path it is given the content of the file at `path`.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let action = || format!("writing {}", path.display());
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    // Encoders choose the format by the extension.
    let extension = path.extension().map_or(String::new(), |extension| format!(".{}", extension.display()));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(&extension);
    #[cfg(unix)]
    {
        // What a newly created file has, less what the umask takes away; a temporary one would be private.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let temporary = builder.tempfile_in(folder).with_context(action)?.into_temp_path();
    write(&temporary).with_context(action)?;
    File::open(&temporary).and_then(|file| file.sync_all()).with_context(action)?;
    temporary.persist(path).with_context(action)
}

/// As [`replace`], for text.
pub(crate) fn replace_text(path: &Path, text: &str) -> Result<()> {
    replace(path, |temporary| Ok(std::fs::write(temporary, text)?))
}
