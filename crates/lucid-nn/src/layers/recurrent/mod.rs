//! Recurrent layers: `Gru` and `Lstm`, two cells under one walk over time (`scan.rs`).

mod config;
mod gates;
mod gru;
mod lstm;
mod plain;
mod scan;

use lucid_autograd::{Element, Var};

pub use config::{GateWeights, RecurrentConfig};
pub use gru::Gru;
pub use lstm::{Lstm, LstmState};

/// The shape of the state that goes with `x`.
fn state_shape<T: Element>(config: &RecurrentConfig, x: &Var<T>) -> Vec<usize> {
    let first = config.num_layers.saturating_mul(config.num_directions());
    match *x.shape() {
        [batch, _, _] if config.batch_first => vec![first, batch, config.hidden_size],
        [_, batch, _] => vec![first, batch, config.hidden_size],
        _ => vec![first, config.hidden_size],
    }
}
