//! The file of layers: one `[[layer]]` table each, with PyTorch's parameter names and defaults.
//!
//! A layer is checked completely as the file is read, its sizes included, so a mistake shows before the first
//! measurement rather than minutes later, and its message names the layer.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use lucid_check::Op;
use lucid_conv::{Axes, Channels, Geometry, Shapes};
use serde::Deserialize;

use crate::convolution::{Convolution, per_axis};
use crate::error::{Error, Result};
use crate::peers::LayerRequest;

/// A layer of a model, with the size of what it is applied to.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) name: String,
    pub(crate) op: Op,
    pub(crate) has_bias: bool,
    table: Table,
}

/// What a `[[layer]]` table may hold. A list has one number per spatial axis.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: String,
    op: String,
    #[serde(default = "one")]
    batch: usize,
    in_channels: usize,
    out_channels: usize,
    input: Vec<usize>,
    kernel: Vec<usize>,
    stride: Option<Vec<usize>>,
    padding: Option<Vec<usize>>,
    output_padding: Option<Vec<usize>>,
    dilation: Option<Vec<usize>>,
    #[serde(default = "one")]
    groups: usize,
    #[serde(default = "yes")]
    bias: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    layer: Vec<toml::Table>,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

impl Layer {
    /// Reads all layers of a file.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Layers`] for text that is not such a file, an unknown or missing key, a name used twice,
    /// or a layer that lucid-conv refuses.
    pub(crate) fn read(path: &Path) -> Result<Vec<Layer>> {
        let text = fs::read_to_string(path).map_err(Error::io(path))?;
        Self::parse(&text).map_err(|reason| Error::Layers { path: path.to_owned(), reason })
    }

    fn parse(text: &str) -> Result<Vec<Layer>, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut names = HashSet::new();
        let mut layers = Vec::with_capacity(file.layer.len());
        for (index, table) in file.layer.into_iter().enumerate() {
            let name = table.get("name").and_then(toml::Value::as_str);
            let shown = name.map_or_else(|| format!("number {}", index + 1), |name| format!("{name:?}"));
            let layer = Layer::from_table(table).map_err(|reason| format!("layer {shown}: {reason}"))?;
            if !names.insert(layer.name.clone()) {
                return Err(format!("layer {shown}: the name is used twice"));
            }
            layers.push(layer);
        }
        if layers.is_empty() { Err("no [[layer]] in it".into()) } else { Ok(layers) }
    }

    fn from_table(table: toml::Table) -> Result<Layer, String> {
        let table: Table = table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
        let layer = Layer { name: table.name.clone(), op: table.op.parse()?, has_bias: table.bias, table };
        let checked = match layer.op.rank() {
            1 => layer.geometry::<1>().map(drop),
            2 => layer.geometry::<2>().map(drop),
            _ => layer.geometry::<3>().map(drop),
        };
        checked.map_err(|error| error.to_string())?;
        Ok(layer)
    }

    /// The geometry, which has the shapes of all arrays.
    ///
    /// # Errors
    /// [`Error::NumAxes`] or [`Error::Conv`]; never for a layer that came from [`read`](Self::read) with `N` its rank.
    pub(crate) fn geometry<const N: usize>(&self) -> Result<Geometry<N>> {
        let Table { stride, padding, dilation, output_padding, kernel, input, groups, .. } = &self.table;
        let (ones, zeros) = ([1; N], [0; N]);
        let padding = padding.as_deref().unwrap_or(&zeros);
        let options = Convolution {
            op: self.op,
            stride: stride.as_deref().unwrap_or(&ones),
            padding,
            padding_after: padding,
            dilation: dilation.as_deref().unwrap_or(&ones),
            output_padding: output_padding.as_deref().unwrap_or(&zeros),
            groups: *groups,
        }
        .options::<N>()?;
        let channels = Channels { input: self.table.in_channels, output: self.table.out_channels };
        let w = options.weight_shape(channels, Axes(per_axis("kernel", kernel)?))?;
        let x: Vec<usize> =
            [self.table.batch, channels.input].into_iter().chain(per_axis::<N>("input", input)?).collect();
        Ok(options.resolve(Shapes { x: &x, w: &w })?)
    }

    /// The layer as a peer is told of it; `N` is its rank.
    ///
    /// # Errors
    /// As [`geometry`](Self::geometry).
    pub(crate) fn request<const N: usize>(&self) -> Result<LayerRequest> {
        let table = self.table.clone();
        Ok(LayerRequest {
            name: table.name,
            op: table.op,
            batch: table.batch,
            in_channels: table.in_channels,
            out_channels: table.out_channels,
            groups: table.groups,
            input: table.input,
            output: self.geometry::<N>()?.y_shape()[2..].to_vec(),
            kernel: table.kernel,
            stride: table.stride.unwrap_or_else(|| vec![1; N]),
            padding: table.padding.unwrap_or_else(|| vec![0; N]),
            output_padding: table.output_padding.unwrap_or_else(|| vec![0; N]),
            dilation: table.dilation.unwrap_or_else(|| vec![1; N]),
            bias: table.bias,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "[[layer]]
        name = 'up'
        op = 'conv_transpose1d'
        in_channels = 4
        out_channels = 2
        input = [5]
        kernel = [3]
        ";

    fn refusal(text: &str) -> String {
        Layer::parse(text).err().unwrap()
    }

    #[test]
    fn what_is_left_out_has_pytorchs_default() {
        let layers = Layer::parse(LEAST).unwrap();
        let geometry = layers[0].geometry::<1>().unwrap();
        assert_eq!((geometry.x_shape(), geometry.y_shape()), (vec![1, 4, 5], vec![1, 2, 7]));
        assert!(layers[0].has_bias);
        let request = layers[0].request::<1>().unwrap();
        assert_eq!((request.output, request.stride, request.padding), (vec![7], vec![1], vec![0]));
    }

    #[test]
    fn every_key_is_used() {
        let more = "stride = [2]\npadding = [1]\noutput_padding = [1]\ndilation = [2]\nbatch = 3\ngroups = 2\nbias = false";
        let layers = Layer::parse(&format!("{LEAST}{more}")).unwrap();
        let geometry = layers[0].geometry::<1>().unwrap();
        // (5 - 1) * 2 - 2 * 1 + 2 * (3 - 1) + 1 + 1 = 12
        assert_eq!((geometry.y_shape(), geometry.weight_shape()), (vec![3, 2, 12], vec![4, 1, 3]));
        assert!(!layers[0].has_bias);
    }

    #[test]
    fn mistakes_name_the_layer_and_what_is_wrong() {
        for (more, said) in [
            ("strid = [2]", "strid"),
            ("stride = 2", "expected a sequence"),
            ("stride = [2, 2]", "stride = [2, 2] is refused: accepted is a list of 1"),
            ("stride = [0]", "stride[0] = 0 is refused"),
            ("groups = 3", "in_channels = 4 is refused"),
            ("groups = -1", "-1"),
            ("padding = [9]", "no output is left"),
        ] {
            let error = refusal(&format!("{LEAST}{more}"));
            assert!(error.starts_with("layer \"up\": ") && error.contains(said), "{error}");
        }
        let error = refusal(&LEAST.replace("conv_transpose1d", "conv4d"));
        assert!(error.starts_with("layer \"up\": op \"conv4d\""), "{error}");
        let error = refusal(&LEAST.replace("kernel = [3]", ""));
        assert!(error.contains("layer \"up\": missing field `kernel`"), "{error}");
        let error = refusal("[[layer]]\nop = 'conv1d'");
        assert!(error.contains("layer number 1: missing field `name`"), "{error}");
        assert!(refusal(&LEAST.repeat(2)).contains("layer \"up\": the name is used twice"));
        assert!(refusal("layer = []").contains("no [[layer]]"));
        assert!(refusal("[[layers]]").contains("layers"));
    }

    #[test]
    fn the_projects_own_file_is_accepted() {
        let layers = Layer::read(&crate::files::root().join("xtask/layers.toml")).unwrap();
        assert!(layers.iter().any(|layer| layer.name == "seed.decoder"));
    }

    #[test]
    fn a_missing_file_is_named() {
        assert!(Layer::read(Path::new("nowhere.toml")).unwrap_err().to_string().contains("nowhere.toml"));
    }
}
