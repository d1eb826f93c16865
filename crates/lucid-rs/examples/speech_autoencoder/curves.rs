//! The loss curves: every step faintly, and a running mean that shows where it goes.

use std::path::Path;

use plotters::prelude::*;

use crate::error::Result;
use crate::plot::{FONT, TEXT_SIZE, TITLE_SIZE, write};
use crate::train::Losses;

/// Draws both losses over the steps, on a logarithmic scale.
pub(crate) fn losses(path: &Path, log: &[Losses]) -> Result<()> {
    let curves = [
        ("waveform: |y - x| / |x|", BLUE, log.iter().map(|losses| losses.time).collect::<Vec<_>>()),
        ("spectra: convergence + |Δ ln magnitude|", RED, log.iter().map(|losses| losses.spectral).collect()),
    ];
    let drawable = |loss: &&f32| loss.is_finite() && **loss > 0.0;
    let all = || curves.iter().flat_map(|(.., curve)| curve).filter(drawable);
    let low = all().copied().fold(1.0_f32, f32::min);
    let high = all().copied().fold(low, f32::max);
    write(path, (1000, 600), |canvas| {
        let mut chart = ChartBuilder::on(canvas)
            .caption("Training loss", (FONT, TITLE_SIZE))
            .margin(16)
            .x_label_area_size(50)
            .y_label_area_size(70)
            .build_cartesian_2d(0..log.len().max(2), (low * 0.9..high * 1.1).log_scale())?;
        chart
            .configure_mesh()
            .x_desc("step")
            .y_desc("loss (no unit)")
            .y_label_formatter(&|loss| format!("{loss:.2}"))
            .label_style((FONT, TEXT_SIZE))
            .light_line_style(WHITE)
            .draw()?;
        for (name, colour, curve) in &curves {
            let points = |curve: &[f32]| (1..).zip(curve.to_vec()).collect::<Vec<_>>();
            chart.draw_series(LineSeries::new(points(curve), colour.mix(0.25)))?;
            let mean = LineSeries::new(points(&running_mean(curve)), colour.stroke_width(2));
            let key = |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2));
            chart.draw_series(mean)?.label(*name).legend(key);
        }
        chart
            .configure_series_labels()
            .label_font((FONT, TEXT_SIZE))
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .position(SeriesLabelPosition::UpperRight)
            .draw()?;
        Ok(())
    })
}

/// The mean of each step and of those before it, up to a fiftieth of the run.
fn running_mean(curve: &[f32]) -> Vec<f32> {
    let width = (curve.len() / 50).max(1);
    let windows = (0..curve.len()).map(|last| &curve[(last + 1).saturating_sub(width)..=last]);
    windows.map(|window| window.iter().sum::<f32>() / window.len() as f32).collect()
}
