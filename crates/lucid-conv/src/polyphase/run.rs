//! Running a form, task by task.
//!
//! A task buffers the source of its place (unless the thread's last task was for the same one), then goes through its
//! rows in panels: packs their weights, and sweeps tiles of positions whose sums stay in registers from the first term
//! to the last.

use std::sync::atomic::{AtomicBool, Ordering};

use lucid_kernels::{Element, Isa, SignalLayout, Terms};

use super::form::{Class, Form, flatten};
use super::panels::{Row, choose_kernel, pack_panels};
use super::portions::{PANELS_LEN, Portions};
use super::result::{Place, Region, Task, tasks};
use super::source::fill_buffer;
use crate::geometry::Geometry;
use crate::plan::Pass;
use crate::tasks::{run_all, threads_for};

/// Multiplications above which threads share a pass.
const SHARED: f64 = 200_000.0;

/// The source, the weight and the bias of a pass.
pub(crate) struct Operands<'a, T> {
    pub(crate) source: &'a [T],
    pub(crate) weight: &'a [T],
    pub(crate) bias: Option<&'a [T]>,
}

/// A thread's own workspace.
struct Scratch<T> {
    buffer: Vec<T>,
    holds: Option<Place>,
    panels: Vec<T>,
    sums: Vec<T>,
    /// Whether every weight packed so far is finite.
    finite: bool,
}

/// `result = bias + the pass of source and weight`; returns whether every weight is finite. Where one is not, terms that
/// do not exist count as NaN instead of nothing, and the result is void.
pub(crate) fn pass<T: Element, const N: usize>(
    g: &Geometry<N>,
    pass: Pass,
    isa: Isa,
    operands: &Operands<'_, T>,
    result: &mut [T],
) -> bool {
    let form = Form::new(g, pass);
    let tasks = tasks(&form, Portions::new(g, &form), result);
    let scratch =
        || Scratch { buffer: Vec::new(), holds: None, panels: Vec::new(), sums: Vec::new(), finite: true };
    let all_finite = AtomicBool::new(true);
    run_all(tasks, threads_for(g.multiplications(), SHARED), scratch, |scratch, mut task| {
        if scratch.holds != Some(task.place) {
            fill_buffer(&form, task.place, operands.source, &mut scratch.buffer);
            scratch.holds = Some(task.place);
        }
        let group = task.place.item % g.groups;
        for class in &form.classes {
            class_of_task(&form, class, group, isa, operands, &mut task, scratch);
        }
        if !scratch.finite {
            all_finite.store(false, Ordering::Relaxed);
        }
    });
    all_finite.into_inner()
}

/// The phases of one class, for the channels of a task: panel by panel.
fn class_of_task<T: Element, const N: usize>(
    form: &Form<N>,
    class: &Class<N>,
    group: usize,
    isa: Isa,
    operands: &Operands<'_, T>,
    task: &mut Task<'_, T, N>,
    scratch: &mut Scratch<T>,
) {
    let region = Region::new(form, task.place);
    let slot_len = region.extents.iter().product::<usize>();
    let offsets: Vec<usize> = class
        .shifts
        .iter()
        .map(|&(slot, offset)| slot * slot_len + flatten(offset, region.extents))
        .collect();
    let layout = SignalLayout {
        offsets: &offsets,
        channel_stride: form.slots.len() * slot_len,
        num_channels: form.source_channels,
    };
    let rows: Vec<Row<'_, N>> = (0..task.planes.len())
        .flat_map(|channel| class.phases.iter().map(move |phase| Row { channel, phase }))
        .collect();
    let kernel = choose_kernel::<T>(isa, rows.len(), class.phases.len());
    // Tiles may reach beyond the box; what they read there belongs to sums that are dropped.
    let slack = kernel.max_vectors() * kernel.lanes();
    scratch.buffer.resize(form.buffer_len(task.place.rows) + slack, T::zero());

    let end = region.end();
    let panel_len = form.source_channels * offsets.len() * kernel.rows();
    let panels_at_once = (PANELS_LEN / panel_len.max(1)).max(1);
    for rows in rows.chunks(kernel.rows() * panels_at_once) {
        let Scratch { buffer, panels, sums, finite, .. } = scratch;
        *finite &= pack_panels(form, group, task.channel, rows, &kernel, operands.weight, panels);
        for (number, rows) in rows.chunks(kernel.rows()).enumerate() {
            let panel = &panels[number * panel_len..][..panel_len];
            let terms = Terms::new(panel, kernel.rows(), buffer, layout).expect(
                "the panel has a weight per term and row, and the buffer every entry that a tap reads",
            );
            let mut position = 0;
            while position < end {
                let vectors = (end - position).div_ceil(kernel.lanes()).min(kernel.max_vectors());
                let width = vectors * kernel.lanes();
                sums.resize(kernel.rows() * width, T::zero());
                kernel.run(&terms, position, vectors, sums);
                for (row, sums) in rows.iter().zip(sums.chunks(width)) {
                    let channel = group * form.result_channels + task.channel + row.channel;
                    let bias = operands.bias.map_or(T::zero(), |bias| bias[channel]);
                    let plane = &mut *task.planes[row.channel];
                    region.store(row.phase, position, sums, bias, plane);
                }
                position += width;
            }
        }
    }
}
