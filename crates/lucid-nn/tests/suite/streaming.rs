//! Whatever the chunks, a stream's outputs are those of all samples at once.

use lucid_nn::{
    Conv1d, ConvTranspose1d, Dropout, Elu, Error, Forward, Gelu, LeakyRelu, Module, Padding, Relu, Result,
    Sequential, Sigmoid, Silu, Softmax, Softplus, Stream, Sum, Tanh, Tensor, Var,
};
use ndarray::{Array2, ArrayView2, s};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// A layer to be made once the channels that arrive are known.
#[derive(Clone, Debug)]
enum Layer {
    Conv {
        out: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        padding: (usize, usize),
        grouped: bool,
    },
    Up {
        out: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        padding: (usize, usize),
        added: usize,
        grouped: bool,
    },
    Same {
        kernel: usize,
        dilation: usize,
    },
    SameUp {
        kernel: usize,
        stride: usize,
    },
    /// A body that keeps the length, with this much look-ahead.
    Residual {
        kernel: usize,
        dilation: usize,
        ahead: usize,
    },
    Mean {
        kernels: [usize; 2],
    },
    Activation(u8),
}

fn layer() -> impl Strategy<Value = Layer> {
    let sizes = (1..4usize, 1..6usize, 1..5usize, 1..4usize);
    let up = (sizes.clone(), (0..4usize, 0..4usize), 0..3usize, any::<bool>());
    prop_oneof![
        3 => (sizes, (0..9usize, 0..9usize), any::<bool>()).prop_map(
            |((out, kernel, stride, dilation), padding, grouped)| {
                Layer::Conv { out, kernel, stride, dilation, padding, grouped }
            }
        ),
        3 => up.prop_map(|((out, kernel, stride, dilation), padding, added, grouped)| {
            let added = added.min(stride.max(dilation) - 1);
            Layer::Up { out, kernel, stride, dilation, padding, added, grouped }
        }),
        1 => (1..6usize, 1..4usize).prop_map(|(kernel, dilation)| Layer::Same { kernel, dilation }),
        1 => (1..6usize, 1..5usize).prop_map(|(kernel, stride)| Layer::SameUp { kernel, stride }),
        2 => (1..5usize, 1..4usize, any::<prop::sample::Index>()).prop_map(|(kernel, dilation, ahead)| {
            Layer::Residual { kernel, dilation, ahead: ahead.index((kernel - 1) * dilation + 1) }
        }),
        1 => [1..6usize, 1..6usize].prop_map(|kernels| Layer::Mean { kernels }),
        1 => (0..8u8).prop_map(Layer::Activation),
    ]
}

fn activation(number: u8, model: Sequential<f64>) -> Sequential<f64> {
    match number {
        0 => model.with(Relu),
        1 => model.with(LeakyRelu { slope: 0.1 }),
        2 => model.with(Tanh),
        3 => model.with(Sigmoid),
        4 => model.with(Silu),
        5 => model.with(Gelu { tanh: false }).with(Gelu { tanh: true }),
        6 => model.with(Elu { alpha: 0.7 }),
        _ => model.with(Softplus { beta: 2.0 }),
    }
}

/// The model of some layers, for `channels` in.
fn model(layers: &[Layer], mut channels: usize) -> Result<Sequential<f64>> {
    use lucid_nn::{ConvBuilder, ConvTransposeBuilder};
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut model = Sequential::new();
    for layer in layers {
        model = match *layer {
            Layer::Conv { out, kernel, stride, dilation, padding, grouped } => {
                let (from, groups) = (channels, if grouped { channels } else { 1 });
                channels = out * groups;
                let conv =
                    ConvBuilder::<1, f64>::new(from, channels, kernel).stride(stride).dilation(dilation);
                model.with(conv.padding([padding]).groups(groups).build_with(&mut rng)?)
            }
            Layer::Up { out, kernel, stride, dilation, padding, added, grouped } => {
                let (from, groups) = (channels, if grouped { channels } else { 1 });
                channels = out * groups;
                let up = ConvTransposeBuilder::<1, f64>::new(from, channels, kernel).stride(stride);
                let up = up.dilation(dilation).padding([padding]).output_padding(added).groups(groups);
                model.with(up.build_with(&mut rng)?)
            }
            Layer::Same { kernel, dilation } => {
                let conv = ConvBuilder::<1, f64>::new(channels, channels, kernel).dilation(dilation);
                model.with(conv.padding(Padding::Same).build_with(&mut rng)?)
            }
            Layer::SameUp { kernel, stride } => {
                let up = ConvTransposeBuilder::<1, f64>::new(channels, channels, kernel).stride(stride);
                model.with(up.padding(Padding::Same).build_with(&mut rng)?)
            }
            Layer::Residual { kernel, dilation, ahead } => {
                let conv = ConvBuilder::<1, f64>::new(channels, channels, kernel).dilation(dilation);
                let conv = conv.padding([((kernel - 1) * dilation - ahead, ahead)]).build_with(&mut rng)?;
                model.with(Sum::residual(Sequential::new().with(Relu).with(conv)))
            }
            Layer::Mean { kernels } => {
                let mut sum = Sum::new();
                for kernel in kernels {
                    let conv = ConvBuilder::<1, f64>::new(channels, channels, kernel);
                    sum = sum.with(conv.padding(Padding::Same).build_with(&mut rng)?);
                }
                model.with(sum.mean())
            }
            Layer::Activation(number) => activation(number, model),
        };
    }
    Ok(model)
}

fn signal(channels: usize, len: usize) -> Array2<f64> {
    Array2::from_shape_fn((channels, len), |(c, l)| ((c * 31 + l * 17) % 23) as f64 / 11.0 - 1.0)
}

/// The outputs of chunks that end at `ends`, and of the rest.
fn streamed(stream: &mut Stream<f64>, x: &Array2<f64>, ends: &[usize]) -> Result<Array2<f64>> {
    let mut outputs: Vec<Array2<f64>> = Vec::new();
    let mut start = 0;
    for &end in ends.iter().chain([&x.ncols()]) {
        outputs.push(stream.push(x.slice(s![.., start..end]))?.to_owned());
        start = end;
    }
    outputs.push(stream.flush()?.to_owned());
    let views: Vec<ArrayView2<'_, f64>> =
        outputs.iter().map(|y| y.view()).filter(|y| y.ncols() > 0).collect();
    let channels = outputs.last().expect("the sizes of the test are valid").nrows();
    Ok(if views.is_empty() {
        Array2::zeros((channels, 0))
    } else {
        ndarray::concatenate(ndarray::Axis(1), &views).expect("the sizes of the test are valid")
    })
}

/// All samples at once.
fn at_once(model: &Sequential<f64>, x: &Array2<f64>) -> Result<Array2<f64>> {
    let y = model.forward(&Var::constant(x.clone().into_dyn().into()))?.value();
    Ok(y.into_array().into_dimensionality().expect("the sizes of the test are valid"))
}

/// Where the one-shot plan sums in another order than a stream, the two differ by rounding: of so many products and sums
/// as the model has numbers, at most, of operands around 1.
fn close(y: &Array2<f64>, expected: &Array2<f64>, num_parameters: usize) -> bool {
    let bound = 4.0 * f64::EPSILON * num_parameters as f64;
    let mut pairs = y.iter().zip(expected);
    y.dim() == expected.dim()
        && pairs.all(|(y, expected)| (y - expected).abs() <= bound * (1.0 + expected.abs()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_chunks_give_what_all_samples_give(
        layers in prop::collection::vec(layer(), 1..5),
        channels in 1..4usize,
        len in 1..70usize,
        ends in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let model = model(&layers, channels).unwrap();
        let x = signal(channels, len);
        let mut ends: Vec<usize> = ends.into_iter().map(|end| end.index(len + 1)).collect();
        ends.sort_unstable();
        let mut stream = model.stream().unwrap();
        match at_once(&model, &x) {
            Ok(expected) => {
                let whole = streamed(&mut stream, &x, &[]).unwrap();
                prop_assert!(close(&whole, &expected, model.num_parameters()), "{:?} {:?}", whole.dim(), expected.dim());
                // In chunks of any size, and one by one, to the last bit the same.
                stream.reset();
                prop_assert_eq!(&streamed(&mut stream, &x, &ends).unwrap(), &whole);
                stream.reset();
                let every: Vec<usize> = (0..len).collect();
                prop_assert_eq!(&streamed(&mut stream, &x, &every).unwrap(), &whole);
            }
            // Too short for some layer: an error either way.
            Err(_) => prop_assert!(streamed(&mut stream, &x, &ends).is_err()),
        }
    }

    /// The latency is the largest number of samples that an output waits for, and no larger.
    #[test]
    fn latency_is_what_it_says(layers in prop::collection::vec(layer(), 1..4), len in 40..70usize) {
        let model = model(&layers, 2).unwrap();
        let mut stream = model.stream().unwrap();
        let (latency, rate) = (stream.latency(), stream.rate());
        let (mut out, mut most) = (0, 0);
        for pushed in 1..=len {
            let come = stream.push(signal(2, 1).view()).unwrap().ncols();
            for output in out..out + come {
                // Beside this sample; the last one that was pushed is number `pushed - 1`.
                most = most.max((pushed - 1).saturating_sub(output * rate.down / rate.up));
            }
            out += come;
            // Whatever stands `latency` samples back is there.
            let due = (pushed.saturating_sub(latency) * rate.up).div_ceil(rate.down);
            prop_assert!(out >= due, "{out} of {due} outputs after {pushed} samples, latency {latency}");
        }
        prop_assert!(most <= latency, "{most} > {latency}");
        if out >= rate.up {
            prop_assert_eq!(most, latency);
        }
    }
}

/// Layers large enough for the polyphase kernels in one shot, with too few channels for minimal filtering: equal to the last
/// bit, in `f32` too.
#[test]
fn a_vocoder_s_layers_are_equal_to_the_last_bit() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let block = |kernel: usize, dilation: usize, rng: &mut ChaCha8Rng| {
        let pad = (kernel - 1) * dilation / 2;
        let conv = Conv1d::builder(24, 24, kernel).dilation(dilation).padding(pad).build_with(rng).unwrap();
        Sum::residual(Sequential::new().with(LeakyRelu { slope: 0.1 }).with(conv))
    };
    let model = Sequential::new()
        .with(Conv1d::builder(20, 30, 7).padding(3).build_with(&mut rng).unwrap())
        .with(LeakyRelu { slope: 0.1 })
        .with(ConvTranspose1d::builder(30, 24, 16).stride(8).padding(4).build_with(&mut rng).unwrap())
        .with(Sum::new().with(block(3, 1, &mut rng)).with(block(7, 5, &mut rng)).mean())
        .with(Conv1d::builder(24, 1, 7).padding(3).build_with(&mut rng).unwrap())
        .with(Tanh);
    let x = signal(20, 40).mapv(|x| x as f32);
    let expected = model.forward(&Var::constant(x.clone().into_dyn().into())).unwrap().value();
    for size in [1, 3, 40] {
        let mut stream = model.stream().unwrap();
        let mut y: Vec<f32> = Vec::new();
        for start in (0..40).step_by(size) {
            y.extend(stream.push(x.slice(s![.., start..(start + size).min(40)])).unwrap());
        }
        y.extend(stream.flush().unwrap());
        assert_eq!(Tensor::from_vec([1, 320], y).unwrap(), expected, "chunks of {size}");
    }
}

#[test]
fn a_causal_stack_has_no_latency_and_a_symmetric_one_its_look_ahead() {
    let causal = Conv1d::builder(1, 1, 5).dilation(3).padding([(12, 0)]).build().unwrap();
    assert_eq!(causal.stream().unwrap().latency(), 0);
    let symmetric = || Conv1d::builder(1, 1, 5).dilation(3).padding(6).build().unwrap();
    assert_eq!(symmetric().stream().unwrap().latency(), 6);
    let both = Sequential::new().with(Sum::residual(symmetric())).with(Sum::residual(symmetric()));
    assert_eq!(both.stream().unwrap().latency(), 12);
    // Four inputs wait for the fifth.
    let down = Conv1d::builder(1, 1, 4).stride(4).build().unwrap();
    assert_eq!(down.stream().unwrap().latency(), 3);
}

#[test]
fn a_stream_keeps_its_weights() {
    let conv = Conv1d::builder(1, 1, 1).build().unwrap();
    let set = |value| conv.weight.set_value(Tensor::full([1, 1, 1], value).unwrap()).unwrap();
    conv.bias.as_ref().unwrap().set_value(Tensor::zeros([1]).unwrap()).unwrap();
    set(2.0);
    let mut stream = conv.stream().unwrap();
    set(3.0);
    let x = Array2::ones((1, 2));
    assert_eq!(stream.push(x.view()).unwrap(), ndarray::array![[2.0, 2.0]]);
    assert_eq!(conv.stream().unwrap().push(x.view()).unwrap(), ndarray::array![[3.0, 3.0]]);
}

#[test]
fn misuse_is_refused() {
    let conv = || Conv1d::builder(2, 2, 3).padding(1).build().unwrap();
    let mut stream = conv().stream().unwrap();
    let x = |channels| Array2::<f32>::ones((channels, 4));
    assert!(matches!(stream.push(x(3).view()), Err(Error::Chunk { given: [3, 4], channels: 2 })));
    // The stream is as it was.
    assert_eq!(stream.push(x(2).view()).unwrap().ncols(), 3);
    assert_eq!(stream.flush().unwrap().ncols(), 1);
    assert!(matches!(stream.push(x(2).view()), Err(Error::StreamEnded { .. })));
    assert!(matches!(stream.flush(), Err(Error::StreamEnded { .. })));
    stream.reset();
    assert_eq!(stream.flush().unwrap().dim(), (2, 0));

    // Too few samples for one output: the same error as at once, and then the stream has to be reset.
    let valid = Conv1d::builder(2, 2, 3).build().unwrap();
    let mut stream = valid.stream().unwrap();
    assert_eq!(stream.push(x(2).slice(s![.., ..1])).unwrap().ncols(), 0);
    assert!(matches!(stream.flush(), Err(Error::Autograd(_))));
    assert!(matches!(stream.push(x(2).view()), Err(Error::StreamEnded { .. })));

    // Without a layer that knows its channels, the first chunk decides.
    let mut stream = Sequential::<f32>::new().with(Relu).stream().unwrap();
    assert_eq!(stream.push(x(5).view()).unwrap().dim(), (5, 4));
    assert!(matches!(stream.push(x(4).view()), Err(Error::Chunk { .. })));
}

#[test]
fn what_cannot_be_streamed_says_why() {
    fn refusal<M: Forward>(module: M) -> String {
        module.stream().unwrap_err().to_string()
    }
    let conv = |kernel: usize| Conv1d::builder(2, 2, kernel);
    let message = refusal(conv(3).stride(2).padding(Padding::Same).build().unwrap());
    assert!(message.contains("\"same\" with a stride"), "{message}");
    let message = refusal(conv(3).padding(1).padding_mode(lucid_nn::PaddingMode::Reflect).build().unwrap());
    assert!(message.contains("Reflect"), "{message}");
    let message = refusal(lucid_nn::Conv2d::builder(2, 2, 3).build().unwrap());
    assert!(message.contains("conv2d can't be streamed"), "{message}");
    let message = refusal(Sequential::new().with(Relu).with(Softmax::default()));
    assert!(message.contains("layer 1") && message.contains("Softmax"), "{message}");
    let message = refusal(
        Sequential::new().with(conv(1).build().unwrap()).with(Conv1d::builder(3, 1, 1).build().unwrap()),
    );
    assert!(message.contains("2 channels arrive, where accepted are 3"), "{message}");
    let message = refusal(Sum::<f32>::new());
    assert!(message.contains("no branches"), "{message}");
    let message = refusal(Sum::residual(conv(2).stride(2).build().unwrap()));
    assert!(message.contains("strides"), "{message}");
    let message = refusal(Sum::residual(Conv1d::builder(2, 1, 1).build().unwrap()));
    assert!(message.contains("channels of its branches differ"), "{message}");
    let message = refusal(Sequential::new().with(Dropout::new(0.5, 0).unwrap()));
    assert!(message.contains("evaluation"), "{message}");
    let mut evaluated = Sequential::<f32>::new().with(Dropout::new(0.5, 0).unwrap());
    evaluated.eval();
    assert_eq!(
        evaluated.stream().unwrap().push(Array2::ones((1, 3)).view()).unwrap(),
        Array2::<f32>::ones((1, 3))
    );
    // A stride of more samples than a period may have.
    let message = refusal(ConvTranspose1d::builder(1, 1, 1).stride(1 << 20).build().unwrap());
    assert!(message.contains("65536"), "{message}");
    // A residual that changes the length is found out at its end.
    let mut stream = Sum::residual(conv(3).build().unwrap()).stream().unwrap();
    stream.push(Array2::ones((2, 9)).view()).unwrap();
    assert!(stream.flush().unwrap_err().to_string().contains("differ in length by 2"));
}
