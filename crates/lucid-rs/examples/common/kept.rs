//! Files that a run reads are not those that it writes.

use std::path::Path;

use crate::error::Result;

/// Refuses an output, a file or the folder of several, that would take the place of an input.
pub(crate) fn keep(input: &Path, output: &Path) -> Result<()> {
    // What does not exist can't be lost.
    let (Ok(read), Ok(written)) = (input.canonicalize(), output.canonicalize()) else { return Ok(()) };
    if read == written || read.parent() == Some(&written) {
        return Err(format!(
            "{} could be written over, with {} for output: accepted is another place",
            input.display(),
            output.display()
        )
        .into());
    }
    Ok(())
}
