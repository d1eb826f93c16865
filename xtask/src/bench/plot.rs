//! A bar per layer: the fastest peer's time over lucid's, from the line at 1 to the right where lucid is faster and to
//! the left where it isn't. The axis is logarithmic, so that twice as fast is as long as half as fast.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::record::Row;
use super::summary::Summary;
use crate::error::{Error, Result};

const WIDTH: i32 = 900;
/// Of a layer.
const ROW_HEIGHT: i32 = 18;
const BAR_HEIGHT: i32 = 12;
/// Left of the bars, for names.
const NAMES_WIDTH: i32 = 190;
/// Right of the bars, for ratios.
const RATIOS_WIDTH: i32 = 110;
/// Above the bars, for the title and the marks.
const TOP: i32 = 52;
const BOTTOM: i32 = 14;
/// Ratios that a line is drawn at, where they are in range.
const MARKS: [f64; 11] = [0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0, 16.0, 32.0];
const FASTER: RGBColor = RGBColor(0x2a, 0x78, 0x8e);
const SLOWER: RGBColor = RGBColor(0xc8, 0x55, 0x3d);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);

/// From ratios to pixels.
struct Scale {
    /// Logarithms of the ratios at both ends.
    low: f64,
    high: f64,
}

impl Scale {
    fn of(ratios: impl Iterator<Item = f64>) -> Self {
        // From half to twice at least: a few percent shall not fill the plot.
        let (low, high) =
            ratios.fold((0.5, 2.0), |(low, high): (f64, f64), ratio| (low.min(ratio), high.max(ratio)));
        Scale { low: low.ln(), high: high.ln() }
    }

    fn x(&self, ratio: f64) -> i32 {
        let share = (ratio.ln() - self.low) / (self.high - self.low);
        NAMES_WIDTH + (share * f64::from(WIDTH - NAMES_WIDTH - RATIOS_WIDTH)).round() as i32
    }
}

/// The plot of a summary, as text.
pub(super) fn svg(summary: &Summary<'_>) -> Result<String> {
    let mut text = String::new();
    let drawn = draw(summary, &mut text);
    drawn.map_err(|reason| Error::Unexpected { what: "a plot".into(), reason })?;
    Ok(text)
}

fn draw(summary: &Summary<'_>, text: &mut String) -> Result<(), String> {
    let rows: Vec<(&Row, f64)> = summary.ratios().collect();
    let num_rows = i32::try_from(rows.len()).map_err(|error| error.to_string())?;
    let height = TOP + ROW_HEIGHT * num_rows + BOTTOM;
    let area =
        SVGBackend::with_string(text, (WIDTH.unsigned_abs(), height.unsigned_abs())).into_drawing_area();
    let failed = |error: DrawingAreaErrorKind<_>| error.to_string();
    area.fill(&WHITE).map_err(failed)?;

    let anchored = |size: i32, horizontal| {
        TextStyle::from(("sans-serif", size)).color(&BLACK).pos(Pos::new(horizontal, VPos::Center))
    };
    let title = format!(
        "{} on {} thread(s): time of the fastest other library / lucid's",
        summary.pass.name(),
        summary.threads
    );
    area.draw(&Text::new(title, (WIDTH / 2, 16), anchored(18, HPos::Center))).map_err(failed)?;
    let scale = Scale::of(rows.iter().map(|(_, ratio)| *ratio));
    for mark in MARKS.into_iter().filter(|mark| (scale.low..=scale.high).contains(&mark.ln())) {
        let x = scale.x(mark);
        let color = if mark == 1.0 { BLACK } else { GRID };
        area.draw(&PathElement::new([(x, TOP - 6), (x, height - BOTTOM)], color)).map_err(failed)?;
        area.draw(&Text::new(mark.to_string(), (x, TOP - 16), anchored(15, HPos::Center))).map_err(failed)?;
    }
    for (index, (row, ratio)) in (0..).zip(&rows) {
        let y = TOP + ROW_HEIGHT * index + ROW_HEIGHT / 2;
        let (from, to) = (scale.x(ratio.min(1.0)), scale.x(ratio.max(1.0)));
        let color = if *ratio < 1.0 { SLOWER } else { FASTER };
        let corners = [(from, y - BAR_HEIGHT / 2), (to, y + BAR_HEIGHT / 2)];
        area.draw(&Rectangle::new(corners, color.filled())).map_err(failed)?;
        area.draw(&Text::new(row.layer.clone(), (NAMES_WIDTH - 8, y), anchored(15, HPos::Right)))
            .map_err(failed)?;
        let peer = row.fastest().map_or("", |(name, _)| name);
        let label = format!("{ratio:.2} {peer}");
        area.draw(&Text::new(label, (WIDTH - RATIOS_WIDTH + 8, y), anchored(15, HPos::Left)))
            .map_err(failed)?;
    }
    area.present().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{record, row, took};
    use super::*;

    #[test]
    fn every_layer_has_a_bar_on_its_side_of_the_line() {
        let record = record();
        let text = svg(&Summary::all(&record)[0]).unwrap();
        let bars =
            |color: &str| text.lines().filter(|line| line.contains("<rect") && line.contains(color)).count();
        assert_eq!((bars("#2A788E"), bars("#C8553D")), (1, 1), "{text}");
        for said in ["first", "second", "2.00 torch", "0.50 torch"] {
            assert!(text.contains(said), "{said} is not in\n{text}");
        }
    }

    #[test]
    fn no_layer_and_a_far_ratio_can_be_drawn() {
        let mut record = record();
        record.rows = vec![row("alone", 1.0, &[])];
        svg(&Summary::all(&record)[0]).unwrap();
        record.rows = vec![row("far", 1.0, &[("torch", took(1000.0))])];
        assert!(svg(&Summary::all(&record)[0]).unwrap().contains("1000.00"));
        let scale = Scale::of([0.25, 4.0].into_iter());
        assert_eq!(scale.x(1.0) - scale.x(0.25), scale.x(4.0) - scale.x(1.0));
    }
}
