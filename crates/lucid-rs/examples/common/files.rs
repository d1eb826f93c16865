//! Files that are there as a whole or not at all.
//!
//! Every output is written under a temporary name beside its own, reaches the disk, and only then takes its name: a run
//! that is interrupted leaves the files of the run before.

use std::fs::File;
use std::path::Path;

use crate::error::Result;

/// Makes what `write` writes to the path it is given the content of the file at `path`.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    try_replace(path, write).map_err(|error| format!("writing {}: {error}", path.display()).into())
}

fn try_replace(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
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
    let temporary = builder.tempfile_in(folder)?.into_temp_path();
    write(&temporary)?;
    File::open(&temporary)?.sync_all()?;
    Ok(temporary.persist(path).map_err(|error| error.error)?)
}
