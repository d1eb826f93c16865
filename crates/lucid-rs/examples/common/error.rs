//! What goes wrong: text for whoever started the program, who can do no more than read it.

/// The result of everything here that can fail. An error's text names its cause, so printing it is all there is to do.
pub(crate) type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;
