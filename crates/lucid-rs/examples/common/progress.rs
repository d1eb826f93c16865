//! How far a run is: a bar on a terminal, and elsewhere, as in a log, a line for every tenth of the way.

use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// What is over sooner needs no lines.
const SILENCE: Duration = Duration::from_secs(1);

/// The progress of a run that goes up to a number of steps, tiles, ...
pub(crate) struct Progress {
    bar: ProgressBar,
    unit: &'static str,
    tenths: Tenths,
}

impl Progress {
    /// At `first` of `count`, which are called `unit`.
    pub(crate) fn new(unit: &'static str, first: u64, count: u64) -> Self {
        // A template that can't be read would only look plainer.
        let template = format!("{{bar:30}} {{pos}}/{{len}} {unit}  {{msg}}{{rate}}, {{eta}} left");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let style = style.with_key("rate", move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // Nothing can be done about a terminal that takes no text.
            let _ = write!(out, "{:.1} {unit}/s", state.per_sec());
        });
        let bar = ProgressBar::new(count).with_style(style).with_position(first);
        bar.reset_eta();
        bar.enable_steady_tick(Duration::from_millis(500));
        Progress { bar, unit, tenths: Tenths::new(first, count) }
    }

    /// One further; `message` says more about it, where there is more to say.
    pub(crate) fn advance(&mut self, message: &str) {
        let message = if message.is_empty() { String::new() } else { format!("{message}  ") };
        self.bar.set_message(message.clone());
        self.bar.inc(1);
        let position = self.bar.position();
        // A bar is hidden where there is no terminal.
        if self.bar.is_hidden() && self.bar.elapsed() > SILENCE && self.tenths.advance(position) {
            let (count, unit, left) = (self.tenths.count, self.unit, self.bar.eta().as_secs());
            // Whoever closed the error stream does not want to know.
            let _ = writeln!(std::io::stderr(), "{position}/{count} {unit}  {message}{left} s left");
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// Which tenths of a way have been passed.
pub(crate) struct Tenths {
    count: u64,
    last: u64,
}

impl Tenths {
    /// At `first` of `count`.
    pub(crate) fn new(first: u64, count: u64) -> Self {
        Tenths { count, last: tenth(first, count) }
    }

    /// Whether `position` is in a later tenth than the one before, and not the end, which speaks for itself.
    pub(crate) fn advance(&mut self, position: u64) -> bool {
        let tenth = tenth(position, self.count);
        let is_later = tenth > self.last;
        self.last = tenth;
        is_later && position < self.count
    }
}

fn tenth(position: u64, count: u64) -> u64 {
    position.saturating_mul(10) / count.max(1)
}
