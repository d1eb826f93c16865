//! Lines for whoever started the program, who may not want all of them.

use std::io::{self, Write};

/// Passes on what is printed until its reader is gone, as `head` is after its last line, and then takes the rest all the
/// same: what a program writes to files is not to be lost with it. Any other failure is one.
pub(crate) struct Console<W>(pub(crate) W);

impl<W: Write> Write for Console<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_gone(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_gone(self.0.flush(), ())
    }
}

fn unless_gone<T>(result: io::Result<T>, otherwise: T) -> io::Result<T> {
    result.or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(otherwise),
        kind => Err(io::Error::new(kind, format!("writing to standard output: {error}"))),
    })
}
