//! Replacing a file as a whole: whoever opens it sees the old content or the new one, also after a crash.
//!
//! The new content goes to a temporary file in the same folder, reaches the disk, and takes the old file's name, which a
//! file system does in one step. When anything fails before that, the temporary file is removed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::Builder;

use crate::error::{Error, Result};

/// Makes what `write` writes the content of the file at `path`, through symbolic links.
///
/// An existing file keeps its permissions; one that is read-only, or not a regular file, is left alone.
///
/// # Errors
/// [`Error::Io`], with the file as it was.
pub(super) fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> Result<()> {
    try_replace(path, write).map_err(|source| Error::Io {
        action: "writing",
        path: path.to_path_buf(),
        source,
    })
}

fn try_replace(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    // A rename would replace a link rather than what it points to.
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_path_buf(),
        Err(error) => return Err(error),
    };
    let existing = existing_permissions(&target)?;
    let mut builder = Builder::new();
    builder.prefix(".lucid-").suffix(".tmp");
    #[cfg(unix)]
    {
        // What a newly created file has, less what the umask takes away; a temporary one would be private.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    // Dropped on every way out before `persist`, and removed by that.
    let file = builder.tempfile_in(folder_of(&target))?;
    let mut writer = BufWriter::new(file.as_file());
    write(&mut writer)?;
    writer.flush()?;
    drop(writer);
    if let Some(permissions) = existing {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    file.persist(&target).map_err(|error| error.error)?;
    // The new name is in the folder, which has to reach the disk too. Where it can't be asked to (its permissions, or the
    // kind of file system), a power cut may bring the old file back, but it is whole, and the new one is in place now.
    #[cfg(unix)]
    if let Ok(folder) = File::open(folder_of(&target)) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// The folder that a file is in. The parent of a bare name is the empty path, which is no folder.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// The permissions of the file that would be replaced, if there is one.
fn existing_permissions(target: &Path) -> io::Result<Option<fs::Permissions>> {
    let metadata = match fs::metadata(target) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let refuse = |kind, reason| Err(io::Error::new(kind, reason));
    if metadata.is_dir() {
        return refuse(io::ErrorKind::IsADirectory, "it is a folder: accepted is the path of a file");
    }
    if !metadata.is_file() {
        return refuse(io::ErrorKind::InvalidInput, "it is not a regular file, and would be replaced by one");
    }
    if metadata.permissions().readonly() {
        return refuse(io::ErrorKind::PermissionDenied, "the existing file is read-only");
    }
    Ok(Some(metadata.permissions()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_write_that_fails_halfway_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        fs::write(&path, "old").unwrap();
        let error = replace(&path, |file| {
            file.write_all(&[0; 100_000])?;
            assert_eq!(names_in(folder.path()).len(), 2, "the temporary file is in the same folder");
            Err(io::Error::new(io::ErrorKind::StorageFull, "disk full"))
        })
        .unwrap_err();
        let message = error.to_string();
        assert!(message.contains("model") && message.contains("disk full"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names_in(folder.path()), ["model"]);
    }

    #[test]
    fn the_old_content_is_seen_until_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        fs::write(&path, "old").unwrap();
        replace(&path, |file| {
            file.write_all(b"new")?;
            file.flush()?;
            assert_eq!(fs::read(&path).unwrap(), b"old");
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names_in(folder.path()), ["model"]);
    }

    #[test]
    fn folders_and_read_only_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, locked) = (folder.path().join("inner"), folder.path().join("locked"));
        fs::create_dir(&inner).unwrap();
        fs::write(&locked, "old").unwrap();
        let mut permissions = fs::metadata(&locked).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&locked, permissions).unwrap();
        for (path, reason) in [(&inner, "folder"), (&locked, "read-only")] {
            let message = replace(path, |_| panic!("must not begin to write")).unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
        }
        assert_eq!(fs::read(&locked).unwrap(), b"old");
        assert_eq!(names_in(folder.path()).len(), 2);
        assert!(replace(&folder.path().join("no/such/folder"), |_| Ok(())).is_err());
    }

    #[test]
    fn a_bare_name_is_in_the_current_folder() {
        assert_eq!(folder_of(Path::new("model")), Path::new("."));
        assert_eq!(folder_of(Path::new("runs/model")), Path::new("runs"));
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_survive() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("model"), folder.path().join("latest"));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&path, &link).unwrap();
        replace(&link, |file| file.write_all(b"new")).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);

        // A new file is as any other program would make it.
        let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
        replace(&ours, |file| file.write_all(b"new")).unwrap();
        fs::write(&theirs, "new").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&theirs));
    }
}
