//! What a trainer promises of a folder that holds a run already.

use std::fs;
use std::path::Path;

use crate::error::Result;

/// Runs a trainer with flags, over and over, into `folder`: it starts anew only where nothing is lost.
pub(crate) fn check(folder: &Path, run: impl Fn(&[&str]) -> Result<()>) {
    run(&["--steps", "2"]).unwrap();
    let path = folder.join("checkpoint.safetensors");
    let checkpoint = fs::read(&path).unwrap();
    // The same run, complete: the same bytes again.
    run(&["--steps", "2"]).unwrap();
    let refused = |flags: &[&str]| {
        let before = fs::read(&path).unwrap();
        let message = run(flags).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{} is the checkpoint", path.display())), "{message}");
        assert!(message.contains("by --resume, give another --output, or remove it"), "{message}");
        assert_eq!(fs::read(&path).unwrap(), before);
    };
    // One that was stopped before its third step, one of more steps than asked for, and another one.
    for flags in
        [["--steps", "3", "--seed", "0"], ["--steps", "1", "--seed", "0"], ["--steps", "2", "--seed", "1"]]
    {
        refused(&flags);
    }
    assert!(fs::read(&path).unwrap() == checkpoint);
    // Who knows what this was.
    fs::write(&path, b"damaged").unwrap();
    refused(&["--steps", "2"]);
    fs::remove_file(&path).unwrap();
    run(&["--steps", "2"]).unwrap();
    assert!(fs::read(&path).unwrap() == checkpoint);
}
