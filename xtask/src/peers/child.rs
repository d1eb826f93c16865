//! A peer as a child process: lines through its standard input and output, its standard error kept for the case that
//! it ends.
//!
//! While one program is timed all others have to sleep, so the libraries' threads are told not to spin between runs.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::client::Transport;
use super::{Library, installed, sources};

const SET_UP: &str = "run `cargo xtask peers setup`, or leave it out of --peers";
/// Variables from which libraries take their number of threads.
const NUM_THREADS: [&str; 5] =
    ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RTEN_NUM_THREADS"];
/// Threads of OpenMP sleep at once when they have nothing to do.
const NO_SPINNING: [(&str, &str); 2] = [("OMP_WAIT_POLICY", "PASSIVE"), ("KMP_BLOCKTIME", "0")];
/// How long an answer may take: the slowest library prepares the largest layer in some seconds.
const PATIENCE: Duration = Duration::from_secs(300);
/// Lines of standard error that are shown of a program that ended.
const SHOWN_LINES: usize = 5;

pub(super) struct Child {
    process: std::process::Child,
    /// Closing it is how the program is told to end.
    requests: Option<ChildStdin>,
    /// Its lines, as a thread of their own reads them: reading a pipe can't be given up.
    answers: Receiver<String>,
    patience: Duration,
    errors: File,
}

impl Child {
    /// Starts the program of a library.
    pub(super) fn start(library: Library, python: &Path, threads: usize) -> Result<Self, String> {
        if library.is_python() {
            let script = sources().join(format!("{library}_peer.py"));
            return Self::python(python, &script, threads);
        }
        let name = format!("lucid-peer-{library}{}", std::env::consts::EXE_SUFFIX);
        let path = installed().join("rust/release").join(name);
        if !path.is_file() {
            return Err(format!("there is no {}: {SET_UP}", path.display()));
        }
        Self::spawn(&mut Command::new(path), threads)
    }

    /// Starts a script.
    pub(super) fn python(python: &Path, script: &Path, threads: usize) -> Result<Self, String> {
        if !python.is_file() {
            return Err(format!("there is no Python at {}: {SET_UP}", python.display()));
        }
        let mut command = Command::new(python);
        // Nothing is left between the sources.
        Self::spawn(command.arg(script).env("PYTHONDONTWRITEBYTECODE", "1"), threads)
    }

    fn spawn(command: &mut Command, threads: usize) -> Result<Self, String> {
        let text = |error: std::io::Error| error.to_string();
        let errors = tempfile::tempfile().map_err(text)?;
        let mut process = command
            .envs(NUM_THREADS.map(|name| (name, threads.to_string())))
            .envs(NO_SPINNING)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone().map_err(text)?)
            .spawn()
            .map_err(|error| format!("{:?}: {error}", command.get_program()))?;
        let requests = process.stdin.take();
        let answers = process.stdout.take().ok_or("it has no standard output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(answers).lines().map_while(Result::ok);
            for line in lines {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Child { process, requests, answers: lines, patience: PATIENCE, errors })
    }

    /// Why there was no answer.
    fn end(&mut self) -> String {
        self.requests = None;
        let status = self.process.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        let mut text = Vec::new();
        // Without its words the status has to do.
        let _ = self.errors.seek(SeekFrom::Start(0)).and_then(|_| self.errors.read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let shown = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
        format!("it ended ({status}), its last words are\n{shown}\nIf a library is missing, {SET_UP}")
    }
}

impl Transport for Child {
    fn exchange(&mut self, line: &str) -> Result<String, String> {
        let sent = self.requests.as_mut().map(|requests| writeln!(requests, "{line}"));
        if !matches!(sent, Some(Ok(()))) {
            return Err(self.end());
        }
        match self.answers.recv_timeout(self.patience) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Disconnected) => Err(self.end()),
            Err(RecvTimeoutError::Timeout) => {
                // What is ended can't be asked again.
                let _ = self.process.kill();
                let end = self.end();
                Err(format!("there was no answer in {:?}; {end}", self.patience))
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.requests = None;
        // It ends by itself, but perhaps only after a long iteration; if it has ended there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_up_is_named_with_the_way_to_set_it_up() {
        let error = Child::start(Library::Torch, Path::new("no/python"), 1).err().unwrap();
        assert!(error.contains("no/python") && error.contains("cargo xtask peers setup"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn lines_go_through_a_process_and_its_end_is_told_with_its_words() {
        let mut echo = Child::spawn(&mut Command::new("cat"), 1).unwrap();
        assert_eq!(echo.exchange("{}").unwrap(), "{}");
        let mut broken =
            Child::spawn(Command::new("sh").args(["-c", "echo no torch >&2; exit 3"]), 1).unwrap();
        let error = broken.exchange("{}").unwrap_err();
        assert!(error.contains("no torch") && error.contains('3'), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_peer_that_hangs_is_ended() {
        let mut hanging = Child::spawn(Command::new("sleep").arg("1000"), 1).unwrap();
        hanging.patience = Duration::from_millis(20);
        let error = hanging.exchange("{}").unwrap_err();
        assert!(error.contains("no answer in 20ms"), "{error}");
    }
}
