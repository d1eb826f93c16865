//! Loss curves: every step faintly, and a running mean that shows where it goes.

use std::ops::Range;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use crate::error::Result;
use crate::plot::{Canvas, FONT, TEXT_SIZE, TITLE_SIZE};

/// One loss over the steps.
pub(crate) struct Curve<'a> {
    pub(crate) name: &'a str,
    pub(crate) colour: RGBColor,
    pub(crate) losses: Vec<f32>,
}

/// The least and the greatest of the losses that `is_drawable`.
pub(crate) fn extent(curves: &[Curve<'_>], is_drawable: impl Fn(f32) -> bool) -> Option<Range<f32>> {
    let drawable = curves.iter().flat_map(|curve| &curve.losses).copied().filter(|&loss| is_drawable(loss));
    drawable.fold(None, |extent, loss| match extent {
        None => Some(loss..loss),
        Some(Range { start, end }) => Some(start.min(loss)..end.max(loss)),
    })
}

/// Draws curves of one length, with `scale` the scale of the losses.
pub(crate) fn draw<S>(area: &Canvas<'_>, title: &str, curves: &[Curve<'_>], scale: S) -> Result<()>
where
    S: AsRangedCoord<Value = f32>,
    S::CoordDescType: Ranged<ValueType = f32> + ValueFormatter<f32>,
{
    let num_steps = curves.iter().map(|curve| curve.losses.len()).max().unwrap_or(0);
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, TITLE_SIZE))
        .margin(16)
        .x_label_area_size(50)
        .y_label_area_size(70)
        .build_cartesian_2d(0..num_steps.max(2), scale)?;
    chart
        .configure_mesh()
        .x_desc("step")
        .y_desc("loss (no unit)")
        .y_label_formatter(&|loss| format!("{loss:.2}"))
        .label_style((FONT, TEXT_SIZE))
        .light_line_style(WHITE)
        .draw()?;
    for Curve { name, colour, losses } in curves {
        let points = |curve: &[f32]| (1..).zip(curve.to_vec()).collect::<Vec<_>>();
        chart.draw_series(LineSeries::new(points(losses), colour.mix(0.25)))?;
        let mean = LineSeries::new(points(&running_mean(losses)), colour.stroke_width(2));
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
}

/// The mean of each step and of those before it, up to a fiftieth of the run.
fn running_mean(curve: &[f32]) -> Vec<f32> {
    let width = (curve.len() / 50).max(1);
    let windows = (0..curve.len()).map(|last| &curve[(last + 1).saturating_sub(width)..=last]);
    windows.map(|window| window.iter().sum::<f32>() / window.len() as f32).collect()
}
