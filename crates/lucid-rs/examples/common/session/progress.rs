//! The progress bar: what the losses are, how fast it goes and how long it will take.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const TEMPLATE: &str = "{bar:30} {pos}/{len} steps  {msg}  {per_sec}, {eta} left";

/// A bar at step `first` of `num_steps`. It shows itself only on a terminal.
pub(crate) fn bar(first: u64, num_steps: u64) -> ProgressBar {
    // A template that can't be read would only look plainer.
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    let style =
        style.with_key("per_sec", |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
            // Nothing can be done about a terminal that takes no text.
            let _ = write!(out, "{:.1} steps/s", state.per_sec());
        });
    let bar = ProgressBar::new(num_steps).with_style(style).with_position(first);
    bar.reset_eta();
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// One step further.
pub(crate) fn advance(bar: &ProgressBar, message: String) {
    bar.set_message(message);
    bar.inc(1);
}
