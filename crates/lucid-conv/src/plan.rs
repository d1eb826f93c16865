//! How a geometry is computed: which algorithm per pass, and in what portions.
//!
//! A plan is plain data that depends on nothing but the geometry and the machine's instruction set, so a test can assert
//! it and a benchmark can force another one.

use std::fmt;
use std::str::FromStr;

use lucid_kernels::Isa;

use crate::depthwise;
use crate::error::{Error, Result};
use crate::geometry::{Geometry, Side};
use crate::polyphase::{self, Filtering, Form, GradientSchedule, PanelShape, Schedule};

/// One of the three functions that serve convolutions, transposed convolutions and the derivatives of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Fine grid and weight to coarse grid: a convolution, or the input gradient of a transposed one.
    Forward,
    /// Coarse grid and weight to fine grid: a transposed convolution, or the input gradient of a plain one.
    BackwardData,
    /// Both grids to the weight's gradient.
    BackwardWeight,
}

/// A way to compute a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// Copies what each tap reads into the rows of a matrix, then multiplies it with the weight.
    Im2col,
    /// Multiplies the weight with the coarse side, then adds the rows of the product to where their taps write.
    Col2im,
    /// One sum over shifted rows per phase of the stride, in register tiles: see the crate's `polyphase` module.
    Polyphase,
    /// As [`Polyphase`](Algorithm::Polyphase), with products that neighbouring outputs share, or neighbouring positions of a
    /// gradient of the weight (Winograd's F(4, r)): about half as many, for a rounding error that is somewhat larger.
    Minimal,
    /// Filters along the rows of the last axis, for channels that do not mix: see the crate's `depthwise` module.
    Depthwise,
    /// Adds up tap by tap, without a matrix: computes anything, slowly.
    Direct,
}

impl Pass {
    /// All three.
    pub const ALL: [Pass; 3] = [Pass::Forward, Pass::BackwardData, Pass::BackwardWeight];

    /// What a pass onto a grid reads: the other grid.
    pub(crate) fn source(self) -> Side {
        if self == Pass::BackwardData { Side::Coarse } else { Side::Fine }
    }

    /// The grid that it writes.
    pub(crate) fn result(self) -> Side {
        if self == Pass::BackwardData { Side::Fine } else { Side::Coarse }
    }
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Algorithm; 6] = [
        Algorithm::Im2col,
        Algorithm::Col2im,
        Algorithm::Polyphase,
        Algorithm::Minimal,
        Algorithm::Depthwise,
        Algorithm::Direct,
    ];

    /// How the polyphase form filters, if it is one.
    pub(crate) fn filtering(self) -> Option<Filtering> {
        match self {
            Algorithm::Polyphase => Some(Filtering::Plain),
            Algorithm::Minimal => Some(Filtering::Minimal),
            _ => None,
        }
    }

    /// The polyphase form that filters so.
    pub(crate) fn of(filtering: Filtering) -> Algorithm {
        match filtering {
            Filtering::Plain => Algorithm::Polyphase,
            Filtering::Minimal => Algorithm::Minimal,
        }
    }

    /// Whether the algorithm runs on lucid's own kernels, which there are for every [`Isa`]; the others leave the choice
    /// of instructions to the matrix product and the compiler.
    pub fn has_kernels(self) -> bool {
        matches!(self, Algorithm::Polyphase | Algorithm::Minimal | Algorithm::Depthwise)
    }

    /// Whether the algorithm computes `pass`.
    pub fn computes(self, pass: Pass) -> bool {
        match self {
            Algorithm::Im2col => matches!(pass, Pass::Forward | Pass::BackwardWeight),
            Algorithm::Col2im => pass == Pass::BackwardData,
            Algorithm::Polyphase | Algorithm::Minimal | Algorithm::Depthwise | Algorithm::Direct => true,
        }
    }
}

/// How far a result may be from the exact one.
///
/// Both are reproducible: the same bits for any number of threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Accuracy {
    /// The root mean square error is at most 4 times that of the sum of the definition, term by term in the element type.
    #[default]
    Standard,
    /// Only sums of the products of the definition, in some order: no minimal filtering.
    Strict,
}

/// How one pass is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recipe<const N: usize> {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The instruction set of its kernels, where the algorithm [has any](Algorithm::has_kernels); the others leave the choice
    /// to the matrix product and the compiler.
    pub isa: Isa,
    /// Positions handled at a time, per axis: of the coarse grid, and always one stretch of it in row-major order, as
    /// only one axis is cut and those before it are 1. For [`Algorithm::Polyphase`] and [`Algorithm::Minimal`], positions of
    /// a phase, with only the first axis cut; for [`Algorithm::Depthwise`], positions of a phase and rows.
    pub block: [usize; N],
    /// Channels of the result per task: coarse ones for [`Pass::Forward`], fine ones otherwise.
    pub channels: usize,
    /// Fine channels summed over at a time, for [`Pass::Forward`].
    pub reduction: usize,
    /// Elements of workspace per thread, beside what the matrix product packs for itself.
    pub workspace_len: usize,
    /// How a weight is packed for it, in polyphase form onto either grid.
    pub(crate) panels: Option<PanelShape>,
}

/// How all three passes of a geometry are computed.
///
/// ```
/// use lucid_conv::{Algorithm, Options, Pass, Plan, Shapes};
///
/// let options = Options::<1>::conv_transpose().stride(2).padding(1);
/// let plan = Plan::new(options.resolve(Shapes { x: &[1, 64, 100], w: &[64, 32, 4] })?);
/// assert_eq!(plan.recipe(Pass::BackwardData).algorithm, Algorithm::Minimal);
///
/// let forced = plan.with_algorithm(Pass::BackwardData, Algorithm::Direct)?;
/// assert_ne!(plan, forced);
/// # Ok::<(), lucid_conv::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan<const N: usize> {
    geometry: Geometry<N>,
    recipes: [Recipe<N>; 3],
}

/// Elements of a column matrix: what stays in a core's second-level cache beside the packed operands.
const COLUMNS_LEN: usize = 128 * 1024;
/// Coarse positions per block: enough columns for the matrix product to reuse what it packs.
const BLOCK_LEN: usize = 256;
/// Coarse positions per block of the direct sums: they stay in a core's first-level cache for all taps.
const DIRECT_BLOCK_LEN: usize = 4096;
/// Tasks to make where one result is large enough, so that several threads share it evenly.
const TASKS: usize = 16;
/// Elements of workspace that a thread may take: 4 MiB of `f32`. A channel with hundreds of phases, as of an inverse
/// short-time Fourier transform, would take more in polyphase form, where a matrix product is as fast.
const MAX_WORKSPACE_LEN: usize = 1 << 20;
/// Multiplications below which cutting a pass into panels takes longer than a small matrix product.
const FEW_MULTIPLICATIONS: f64 = 20_000.0;
/// Rows of a matrix product below which splitting it further costs more than it gains.
const MIN_ROWS: usize = 32;
/// The same where every part gathers the same columns again: gathering an element takes as long as some tens of rows.
const MIN_GATHERED_ROWS: usize = 128;

impl<const N: usize> Plan<N> {
    /// The plan that the planner believes fastest.
    ///
    /// Resolving and planning took 11 to 27 microseconds for six layers, of one axis and of two, on one core of a shared Intel virtual
    /// machine, and 0.4 milliseconds for a kernel of 1024 taps: a new length costs so much and no more, so plans are not cached.
    pub fn new(geometry: Geometry<N>) -> Self {
        let recipes = Pass::ALL.map(|pass| choose(&geometry, pass));
        Plan { geometry, recipes }
    }

    /// The same plan with another algorithm for one pass.
    ///
    /// # Errors
    /// [`Error::Algorithm`] when the algorithm does not compute that pass, or not of this geometry, whose taps reach too far or are too
    /// many for it.
    pub fn with_algorithm(mut self, pass: Pass, algorithm: Algorithm) -> Result<Self> {
        let g = &self.geometry;
        let is_minimal_gradient = |other| other == Algorithm::Minimal && pass == Pass::BackwardWeight;
        let is_accepted = |other: Algorithm| {
            other.computes(pass)
                && (other.filtering().is_none() || polyphase::accepts(g, pass))
                && (!is_minimal_gradient(other) || GradientSchedule::<f32, N>::can_share(g, Isa::best()))
                && (other != Algorithm::Depthwise || depthwise::accepts(&self.geometry, pass))
        };
        if !is_accepted(algorithm) {
            let accepted = Algorithm::ALL.into_iter().filter(|&other| is_accepted(other));
            let accepted = accepted.map(|other| other.to_string()).collect::<Vec<_>>().join(", ");
            return Err(Error::Algorithm { algorithm, pass, accepted });
        }
        let isa = self.recipes[pass as usize].isa;
        self.recipes[pass as usize] = Recipe { isa, ..Recipe::new(&self.geometry, pass, algorithm) };
        Ok(self)
    }

    /// The same plan with the passes whose algorithm is not as accurate planned anew.
    ///
    /// ```
    /// use lucid_conv::{Accuracy, Algorithm, Options, Pass, Plan, Shapes};
    ///
    /// let options = Options::<1>::conv_transpose().stride(8).padding(4);
    /// let plan = Plan::new(options.resolve(Shapes { x: &[1, 256, 700], w: &[256, 128, 16] })?);
    /// assert_eq!(plan.recipe(Pass::BackwardData).algorithm, Algorithm::Minimal);
    /// let strict = plan.with_accuracy(Accuracy::Strict);
    /// assert_eq!(strict.recipe(Pass::BackwardData).algorithm, Algorithm::Polyphase);
    /// # Ok::<(), lucid_conv::Error>(())
    /// ```
    #[must_use]
    pub fn with_accuracy(mut self, accuracy: Accuracy) -> Self {
        for pass in Pass::ALL {
            let recipe = &mut self.recipes[pass as usize];
            if accuracy == Accuracy::Strict && recipe.algorithm == Algorithm::Minimal {
                *recipe =
                    Recipe { isa: recipe.isa, ..Recipe::new(&self.geometry, pass, Algorithm::Polyphase) };
            }
        }
        self
    }

    /// The same plan with the kernels of another instruction set; algorithms stay as they are.
    ///
    /// # Errors
    /// [`Error::Name`] when this machine lacks it.
    pub fn with_isa(mut self, isa: Isa) -> Result<Self> {
        if !isa.is_available() {
            let accepted = Isa::available().iter().map(Isa::to_string).collect::<Vec<_>>().join(", ");
            return Err(Error::Name {
                what: "instruction set on this machine",
                given: isa.to_string(),
                accepted,
            });
        }
        for recipe in &mut self.recipes {
            recipe.isa = isa;
        }
        Ok(self)
    }

    /// What is computed.
    pub fn geometry(&self) -> &Geometry<N> {
        &self.geometry
    }

    /// How `pass` is computed.
    pub fn recipe(&self, pass: Pass) -> &Recipe<N> {
        &self.recipes[pass as usize]
    }

    /// Multiplications that the sums of `pass` need: fewer than [the definition's](Geometry::multiplications) where neighbours share
    /// products or positions have no result, and more where rows are filled up with columns that nobody reads, which may be twice
    /// as many of a few positions. Not in it are what tiles add as they round columns up to whole vectors, a few hundredths of longer rows,
    /// and the transforms of shared products. Other algorithms have those of the definition. The output's pass is
    /// [`Pass::Forward`] of a convolution and [`Pass::BackwardData`] of a transposed one.
    ///
    /// ```
    /// use lucid_conv::{Options, Pass, Plan, Shapes};
    ///
    /// let options = Options::<1>::conv_transpose().stride(8).padding(4);
    /// let plan = Plan::new(options.resolve(Shapes { x: &[1, 256, 688], w: &[256, 128, 16] })?);
    /// // Five for eight.
    /// let share = plan.multiplications(Pass::BackwardData) / plan.geometry().multiplications();
    /// assert!((0.62..0.64).contains(&share));
    /// # Ok::<(), lucid_conv::Error>(())
    /// ```
    pub fn multiplications(&self, pass: Pass) -> f64 {
        let (g, recipe) = (&self.geometry, self.recipe(pass));
        let of_channels = match (recipe.algorithm.filtering(), recipe.panels) {
            (Some(filtering), None) => Form::of_gradient(g, filtering).multiplications_by_row(),
            (Some(filtering), Some(shape)) => {
                Form::with_phases(g, pass, filtering, shape.is_trimmed).multiplications()
            }
            (None, _) => return g.multiplications(),
        };
        let channels = g.fine_per_group() as f64 * g.coarse_per_group() as f64 * g.groups as f64;
        of_channels * channels * g.batch() as f64
    }

    /// Bytes of workspace that `pass` takes per thread for elements of type `T`, beside what a matrix product packs for
    /// itself. It is bounded, whatever the batch and the length of the signal, though short signals and small batches take less. Matrix products take at most 128 Ki
    /// elements, or one channel's taps where those are more; the polyphase form buffers some positions of all channels
    /// of a group, their sums and, where they were not prepared, some weights: less than 4 MiB of `f32` wherever the
    /// planner chooses it. Filters of channels that do not mix buffer 8 Ki elements, or what the taps of 32 positions reach
    /// where that is more; signals of one axis that need no de-interleaving are read in place, without.
    pub fn workspace_bytes<T>(&self, pass: Pass) -> usize {
        self.recipe(pass).workspace_len * size_of::<T>()
    }
}

/// The recipe that is likely to be the fastest.
fn choose<const N: usize>(geometry: &Geometry<N>, pass: Pass) -> Recipe<N> {
    let mixes = geometry.fine_per_group() * geometry.coarse_per_group() > 2;
    if depthwise::accepts(geometry, pass) {
        return Recipe::new(geometry, pass, Algorithm::Depthwise);
    }
    if !mixes {
        // Of taps that reach too far, or strides with too many phases.
        return Recipe::direct(geometry);
    }
    if geometry.multiplications() >= FEW_MULTIPLICATIONS && polyphase::accepts(geometry, pass) {
        let recipe = match pass {
            Pass::BackwardWeight => {
                let (filtering, schedule) = GradientSchedule::<f32, N>::best(geometry, Isa::best());
                Recipe::of_gradient(geometry, filtering, &schedule)
            }
            Pass::Forward | Pass::BackwardData => by_form(geometry, pass),
        };
        if recipe.workspace_len <= MAX_WORKSPACE_LEN {
            return recipe;
        }
    }
    let algorithm = match pass {
        Pass::BackwardData => Algorithm::Col2im,
        Pass::Forward | Pass::BackwardWeight => Algorithm::Im2col,
    };
    Recipe::new(geometry, pass, algorithm)
}

/// That of minimal filtering where it is likely to be faster and fits, else that of plain sums.
fn by_form<const N: usize>(geometry: &Geometry<N>, pass: Pass) -> Recipe<N> {
    let plain = Form::new(geometry, pass, Filtering::Plain);
    if plain.may_be_outdone() {
        let minimal = Form::new(geometry, pass, Filtering::Minimal);
        // Weights of gradients learn: nobody prepares them.
        let tiling = PanelShape::of(geometry, &minimal, Isa::best()).tiling;
        if minimal.outdoes(&plain, tiling, pass == geometry.output_pass()) {
            let recipe = Recipe::of_form(geometry, Filtering::Minimal, minimal);
            if recipe.workspace_len <= MAX_WORKSPACE_LEN {
                return recipe;
            }
        }
    }
    Recipe::of_form(geometry, Filtering::Plain, plain)
}

impl<const N: usize> Recipe<N> {
    pub(crate) fn direct(geometry: &Geometry<N>) -> Self {
        let block = block_of(DIRECT_BLOCK_LEN, geometry.coarse());
        Recipe {
            algorithm: Algorithm::Direct,
            isa: Isa::best(),
            block,
            channels: 1,
            reduction: 1,
            workspace_len: 0,
            panels: None,
        }
    }

    fn of_form(geometry: &Geometry<N>, filtering: Filtering, form: Form<N>) -> Self {
        let isa = Isa::best();
        let panels = PanelShape::of(geometry, &form, isa);
        let schedule = Schedule::<f32, N>::new(geometry, form, isa, panels.tiling, false);
        let mut block = schedule.form.axes.each_ref().map(|axis| axis.len);
        block[0] = schedule.portions.rows;
        Recipe {
            algorithm: Algorithm::of(filtering),
            isa,
            block,
            channels: schedule.portions.channels,
            reduction: schedule.reduction,
            workspace_len: schedule.workspace_len(),
            panels: Some(panels),
        }
    }

    fn of_gradient(g: &Geometry<N>, filtering: Filtering, schedule: &GradientSchedule<f32, N>) -> Self {
        Recipe {
            algorithm: Algorithm::of(filtering),
            isa: Isa::best(),
            block: schedule.block,
            channels: schedule.columns.div_ceil(g.num_taps()),
            reduction: 0,
            workspace_len: schedule.workspace_len,
            panels: None,
        }
    }

    fn new(geometry: &Geometry<N>, pass: Pass, algorithm: Algorithm) -> Self {
        let (coarse, fine) = (geometry.coarse_per_group(), geometry.fine_per_group());
        let taps = geometry.num_taps();
        if algorithm == Algorithm::Direct {
            return Recipe::direct(geometry);
        }
        let isa = Isa::best();
        if algorithm == Algorithm::Depthwise {
            let form = depthwise::Form::new(geometry, pass);
            let block = form.chunk_size();
            let (reduction, workspace_len) = (form.source_channels, form.workspace_len());
            return Recipe { algorithm, isa, block, channels: 1, reduction, workspace_len, panels: None };
        }
        if let (Some(filtering), Pass::BackwardWeight) = (algorithm.filtering(), pass) {
            let schedule = GradientSchedule::<f32, N>::new(geometry, isa, filtering);
            return Recipe::of_gradient(geometry, filtering, &schedule);
        }
        if let Some(filtering) = algorithm.filtering() {
            return Recipe::of_form(geometry, filtering, Form::new(geometry, pass, filtering));
        }
        // What is split without splitting channels: the weight's gradient is a sum over the batch.
        let independent = match pass {
            Pass::BackwardWeight => geometry.groups,
            _ => geometry.batch().max(1).saturating_mul(geometry.groups),
        };
        let block_len = (COLUMNS_LEN / taps).clamp(1, BLOCK_LEN);
        let block = block_of(block_len, geometry.coarse());
        let positions: usize = block.iter().product();
        // As many fine channels as the columns hold, at least one.
        let fitting = (COLUMNS_LEN / (taps * positions)).max(1);
        match pass {
            Pass::Forward => {
                let blocks: usize =
                    geometry.coarse().iter().zip(block).map(|(size, block)| size.div_ceil(block)).product();
                let channels = share(coarse, independent.saturating_mul(blocks), MIN_GATHERED_ROWS);
                let reduction = fitting.min(fine);
                let workspace_len = reduction * taps * positions;
                Recipe { algorithm, isa, block, channels, reduction, workspace_len, panels: None }
            }
            Pass::BackwardData | Pass::BackwardWeight => {
                let channels = share(fine, independent, MIN_ROWS.div_ceil(taps)).min(fitting);
                let workspace_len = channels * taps * positions;
                Recipe { algorithm, isa, block, channels, reduction: 0, workspace_len, panels: None }
            }
        }
    }
}

/// Channels per task when `independent` tasks exist already: all of them, or as few as make [`TASKS`] tasks.
fn share(channels: usize, independent: usize, least: usize) -> usize {
    channels.div_ceil(TASKS.div_ceil(independent)).max(least).min(channels)
}

/// A box of at most `len` positions that cuts a grid into parts as equal as can be, whole rows first.
///
/// An axis of more than `left` positions is cut into n >= 2 parts of more than left (n - 1) / n >= left / 2 positions
/// => `left / block[axis]` is 1 => all axes before it have 1 => the box is one stretch of the grid.
pub(crate) fn block_of<const N: usize>(len: usize, size: [usize; N]) -> [usize; N] {
    let (mut block, mut left) = (size, len.max(1));
    for axis in (0..N).rev() {
        let parts = size[axis].div_ceil(left);
        block[axis] = size[axis].div_ceil(parts);
        left /= block[axis];
    }
    block
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Pass::Forward => "forward",
            Pass::BackwardData => "backward_data",
            Pass::BackwardWeight => "backward_weight",
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Algorithm::Im2col => "im2col",
            Algorithm::Col2im => "col2im",
            Algorithm::Polyphase => "polyphase",
            Algorithm::Minimal => "minimal",
            Algorithm::Depthwise => "depthwise",
            Algorithm::Direct => "direct",
        })
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.to_string() == name).ok_or_else(|| {
            let accepted = Algorithm::ALL.map(|algorithm| algorithm.to_string()).join(", ");
            Error::Name { what: "algorithm", given: name.into(), accepted }
        })
    }
}
