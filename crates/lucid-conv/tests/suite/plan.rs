//! Which algorithm the planner chooses for the layers of real models, and that its workspace is small and bounded.
//!
//! The layers are those that the project is measured by: vocoders, codecs, generators and U-Nets. The expectations say
//! what the choice rests on: channels that do not mix go to the direct sums, all others to matrix products.

use crate::support::Setup;
use lucid_conv::{Algorithm, Error, Isa, Options, Pass, Plan};

const MIB: usize = 1 << 20;

/// Signals: about a second of audio each.
fn signals() -> Vec<(&'static str, Setup<1>)> {
    let (up, down) = (Options::<1>::conv_transpose, Options::<1>::conv);
    vec![
        ("hifigan-v1.up0", Setup::new(up().stride(8).padding(4), [512, 256], [86], [16])),
        ("hifigan-v1.up1", Setup::new(up().stride(8).padding(4), [256, 128], [688], [16])),
        ("hifigan-v1.up2", Setup::new(up().stride(2).padding(1), [128, 64], [5504], [4])),
        ("hifigan-v1.up3", Setup::new(up().stride(2).padding(1), [64, 32], [11008], [4])),
        ("piper.up2", Setup::new(up().stride(4).padding(2), [64, 32], [5504], [8])),
        ("bigvgan-24k.up0", Setup::new(up().stride(4).padding(2), [1536, 768], [94], [8])),
        ("bigvgan-24k.last", Setup::new(up().stride(2).padding(1), [48, 24], [12032], [4])),
        ("bigvgan.antialias-768", Setup::new(up().stride(2).groups(768), [768, 768], [376], [12])),
        ("bigvgan.antialias-24", Setup::new(up().stride(2).groups(24), [24, 24], [24064], [12])),
        ("dac-44k.up0", Setup::new(up().stride(8).padding(4), [1536, 768], [87], [16])),
        ("dac-44k.up1", Setup::new(up().stride(8).padding(4), [768, 384], [696], [16])),
        ("dac-44k.up3", Setup::new(up().stride(2).padding(1), [192, 96], [22272], [4])),
        ("snac-44k.up0", Setup::new(up().stride(7).padding(4).output_padding(1), [1536, 768], [100], [14])),
        ("encodec.up0", Setup::new(up().stride(8), [512, 256], [75], [16])),
        ("encodec.up1", Setup::new(up().stride(5), [256, 128], [600], [10])),
        ("encodec.up3", Setup::new(up().stride(2), [64, 32], [12000], [4])),
        ("mimi.step-1024", Setup::new(up().stride(8), [1024, 512], [2], [16])),
        ("mimi.step-256", Setup::new(up().stride(5), [256, 128], [96], [10])),
        (
            "kokoro.pool",
            Setup::new(up().stride(2).padding(1).output_padding(1).groups(1090), [1090, 1090], [40], [3]),
        ),
        ("istftnet.up0", Setup::new(up().stride(10).padding(5), [512, 256], [80], [20])),
        ("htdemucs.time", Setup::new(up().stride(4), [384, 192], [1723], [8])),
        (
            "wavegan.up0-b16",
            Setup::new(up().stride(4).padding(11).output_padding(1), [1024, 512], [16], [25]).batch(Some(16)),
        ),
        (
            "wavegan.last-b16",
            Setup::new(up().stride(4).padding(11).output_padding(1), [64, 1], [4096], [25]).batch(Some(16)),
        ),
        ("istft.pytorch-120982", Setup::new(up().stride(256), [1026, 1], [224], [1024])),
        ("dilated-s1", Setup::new(up().padding(2).dilation(2), [64, 64], [1000], [3]).batch(Some(4))),
        ("dilated-s2", Setup::new(up().stride(2).dilation(3), [64, 64], [1000], [5]).batch(Some(4))),
        (
            "grouped-4",
            Setup::new(up().stride(4).padding(2).groups(4), [256, 128], [1000], [8]).batch(Some(2)),
        ),
        ("seed.decoder", Setup::new(up().stride(2).padding(1).output_padding(1), [4, 2], [5], [3])),
        ("hifigan.res-k3", Setup::new(down().padding(1), [128, 128], [5504], [3])),
        ("hifigan.res-k7-d3", Setup::new(down().padding(9).dilation(3), [64, 64], [11008], [7])),
        ("hifigan.res-k11-d5", Setup::new(down().padding(25).dilation(5), [32, 32], [22016], [11])),
        ("encodec.down", Setup::new(down().stride(4).padding(2), [128, 256], [3000], [8])),
    ]
}

/// Images.
fn planes() -> Vec<(&'static str, Setup<2>)> {
    let (up, down) = (Options::<2>::conv_transpose, Options::<2>::conv);
    vec![
        ("dcgan.last-b64", Setup::new(up().stride(2).padding(1), [64, 3], [32, 32], [4, 4]).batch(Some(64))),
        ("dcgan.mid-b64", Setup::new(up().stride(2).padding(1), [256, 128], [8, 8], [4, 4]).batch(Some(64))),
        ("unet.up", Setup::new(up().stride(2), [512, 256], [64, 64], [2, 2])),
        ("sam.up1", Setup::new(up().stride(2), [64, 32], [128, 128], [2, 2])),
        ("resnet.3x3", Setup::new(down().padding(1), [128, 128], [28, 28], [3, 3])),
        ("waifu2x.up", Setup::new(up().stride(2).padding(3), [256, 3], [128, 128], [4, 4])),
    ]
}

/// Volumes.
fn volumes() -> Vec<(&'static str, Setup<3>)> {
    let up = Options::<3>::conv_transpose;
    vec![("unet3d.up", Setup::new(up().stride(2), [128, 64], [8, 16, 16], [2, 2, 2]))]
}

fn algorithms<const N: usize>(plan: &Plan<N>) -> [Algorithm; 3] {
    Pass::ALL.map(|pass| plan.recipe(pass).algorithm)
}

fn for_each_layer(mut visit: impl FnMut(&str, [Algorithm; 3], [usize; 3])) {
    fn look<const N: usize>(
        layers: &[(&str, Setup<N>)],
        visit: &mut impl FnMut(&str, [Algorithm; 3], [usize; 3]),
    ) {
        for (name, setup) in layers {
            let plan = setup.plan();
            visit(name, algorithms(&plan), Pass::ALL.map(|pass| plan.workspace_bytes::<f32>(pass)));
        }
    }
    look(&signals(), &mut visit);
    look(&planes(), &mut visit);
    look(&volumes(), &mut visit);
}

/// Algorithms of forward, backward_data and backward_weight.
const PHASES: [Algorithm; 3] = [Algorithm::Polyphase; 3];
const SHARED: [Algorithm; 3] = [Algorithm::Minimal; 3];
const PRODUCTS: [Algorithm; 3] = [Algorithm::Im2col, Algorithm::Col2im, Algorithm::Im2col];
const FILTERS: [Algorithm; 3] = [Algorithm::Depthwise; 3];

/// Channels that do not mix are filtered; neighbouring outputs share products where channels and positions are many; tiny
/// problems, and those that would take too much workspace, go to matrix products; and all others to register tiles. What depends on the
/// tiles is known for the widest vectors only.
#[test]
fn every_layer_goes_where_it_is_fast() {
    let filtered = ["bigvgan.antialias-768", "bigvgan.antialias-24", "kokoro.pool"];
    let sharing = [
        "hifigan-v1.up0",
        "bigvgan-24k.up0",
        "encodec.up0",
        "istftnet.up0",
        "mimi.step-256",
        "hifigan-v1.up1",
        "hifigan-v1.up2",
        "hifigan-v1.up3",
        "piper.up2",
        "dac-44k.up3",
        "encodec.up1",
        "encodec.up3",
        "htdemucs.time",
        "dilated-s1",
        "grouped-4",
        "hifigan.res-k3",
        "hifigan.res-k7-d3",
        "hifigan.res-k11-d5",
        "encodec.down",
        "resnet.3x3",
        // Small images, whose batch items are abreast.
        "dcgan.mid-b64",
    ];
    let gradients_share =
        ["hifigan.res-k3", "hifigan.res-k7-d3", "hifigan.res-k11-d5", "resnet.3x3", "dcgan.mid-b64"];
    // One tap per phase, few positions, or a single channel.
    let gradients_do_not = [
        "unet.up",
        "sam.up1",
        "unet3d.up",
        "mimi.step-1024",
        "hifigan-v1.up0",
        "istft.pytorch-120982",
        "wavegan.last-b16",
    ];
    let is_wide = Isa::best() == Isa::Avx512;
    let mut counts = [0; 4];
    for_each_layer(|name, chosen, _| {
        let (kind, expected) = match name {
            _ if filtered.contains(&name) => (0, FILTERS),
            _ if sharing.contains(&name) => (1, SHARED),
            "seed.decoder" => (2, PRODUCTS),
            // Its gradient reads 384 or more channels of 7 or 8 phases: with wide vectors, too many weights at a time for shared
            // products.
            "dac-44k.up0" | "snac-44k.up0" | "dac-44k.up1" => {
                (1, [Algorithm::Polyphase, Algorithm::Minimal, Algorithm::Minimal])
            }
            // Its gradient has 24 channels on one side.
            "bigvgan-24k.last" => (1, [Algorithm::Polyphase, Algorithm::Minimal, Algorithm::Minimal]),
            _ => (3, PHASES),
        };
        counts[kind] += 1;
        let of_tiles = ["dac-44k.up0", "snac-44k.up0", "dac-44k.up1", "dcgan.mid-b64"];
        let unknown = usize::from(!is_wide && of_tiles.contains(&name));
        assert_eq!(chosen[unknown..2], expected[unknown..2], "{name}");
        match chosen[2] {
            Algorithm::Minimal => assert!(!is_wide || !gradients_do_not.contains(&name), "{name}"),
            Algorithm::Polyphase => assert!(!is_wide || !gradients_share.contains(&name), "{name}"),
            other => assert_eq!(other, expected[2], "{name}"),
        }
    });
    assert_eq!(counts[..3], [filtered.len(), sharing.len() + 4, 1]);
    assert!(counts[3] >= 10);
}

/// Up to eight channels for one: beyond that, and where channels mix, packing pays.
#[test]
fn channels_that_do_not_mix_are_filtered() {
    let down = Options::<1>::conv().groups(6);
    for (channels, is_filtered) in
        [([6, 6], true), ([6, 48], true), ([48, 6], true), ([6, 54], false), ([12, 12], false)]
    {
        let plan = Setup::new(down, channels, [1000], [3]).plan();
        assert_eq!(algorithms(&plan) == FILTERS, is_filtered, "{channels:?}");
        for pass in Pass::ALL {
            assert_eq!(plan.with_algorithm(pass, Algorithm::Depthwise).is_ok(), is_filtered, "{channels:?}");
        }
    }
    // Taps too far apart to buffer what is between them.
    let far = Setup::new(Options::<1>::conv().dilation(5000), [1, 1], [20_000], [3]);
    assert_eq!(algorithms(&far.plan()), [Algorithm::Direct; 3]);
}

/// The four outputs that share products are a dilation apart, so 100 positions are half of what is computed.
#[test]
fn outputs_share_products_where_enough_of_them_exist() {
    for (len, algorithm) in [(100, Algorithm::Polyphase), (1000, Algorithm::Minimal)] {
        let options = Options::<1>::conv().dilation(50).padding(50);
        let plan = Setup::new(options, [128, 128], [len], [3]).plan();
        assert_eq!(plan.recipe(Pass::Forward).algorithm, algorithm, "{len}");
    }
}

/// Two to six taps per phase: five or six for eight to twelve, and a few columns more than there are.
#[test]
fn shared_products_are_fewer_in_every_pass() {
    fn check<const N: usize>(name: &str, setup: &Setup<N>) {
        let plan = setup.plan();
        let all = plan.geometry().multiplications();
        for pass in Pass::ALL {
            let share = plan.multiplications(pass) / all;
            let expected = match plan.recipe(pass).algorithm {
                Algorithm::Minimal => 0.5..0.8,
                Algorithm::Polyphase => 0.9..1.6,
                _ => 1.0..1.1,
            };
            assert!(expected.contains(&share), "{name} {pass}: {share}");
        }
    }
    signals().iter().for_each(|(name, setup)| check(name, setup));
    planes().iter().for_each(|(name, setup)| check(name, setup));
    volumes().iter().for_each(|(name, setup)| check(name, setup));
}

#[test]
fn the_workspace_of_every_layer_is_small() {
    for_each_layer(|name, _, bytes| {
        assert!(bytes.iter().all(|&bytes| bytes < 4 * MIB), "{name}: {bytes:?} bytes");
    });
}

#[test]
fn direct_sums_and_signals_that_are_read_in_place_need_no_workspace() {
    for (name, setup) in signals() {
        for pass in Pass::ALL {
            let recipe = *setup.plan().recipe(pass);
            // Onto the fine grid, with the stride of two that the layers of this algorithm have.
            let in_place = recipe.algorithm == Algorithm::Depthwise && pass == Pass::BackwardData;
            let needs_none = in_place || recipe.algorithm == Algorithm::Direct;
            assert_eq!(recipe.workspace_len == 0, needs_none, "{name} {pass}");
        }
    }
}

/// The bound that [`Plan::workspace_bytes`] documents, however long the signal and large the batch, and that the workspace
/// stops growing.
#[test]
fn the_workspace_of_long_signals_grows_neither_with_the_length_nor_with_the_batch() {
    let most = 1024 * 1024;
    let mut largest = 0;
    for (name, setup) in signals() {
        let stride = setup.options.stride[0];
        let len = |length: usize, batch| {
            let setup = Setup { length: [length * stride], ..setup.clone() }.batch(batch);
            Pass::ALL.map(|pass| setup.plan().recipe(pass).workspace_len)
        };
        let one_item = len(1 << 17, None);
        for length in [1 << 18, 1 << 20, 1 << 24] {
            let longer = len(length, None);
            let equal = longer.iter().zip(one_item).all(|(&len, one)| len.abs_diff(one) <= one / 4);
            assert!(equal, "{name}: {one_item:?}, and {longer:?} for {length} positions");
            for batch in [1, 7, 64] {
                let longest = len(length, Some(batch)).into_iter().max().unwrap();
                assert!(longest <= most, "{name}: {longest} for {length} positions and batch {batch}");
                largest = longest.max(largest);
            }
        }
    }
    assert!(largest > most / 2, "{largest}");
}

/// A kernel of more taps than a block of columns holds needs one column per channel, and no more.
#[test]
fn the_workspace_of_a_long_kernel_is_the_kernel() {
    let taps = 1_000_000;
    let setup = Setup::new(Options::<1>::conv(), [64, 64], [2 * taps], [taps]);
    for pass in Pass::ALL {
        assert_eq!(setup.plan().recipe(pass).workspace_len, taps, "{pass}");
    }
}

/// Every block is one stretch of the grid, which the passes rely on: only one axis is cut, and those before it are 1.
#[test]
fn blocks_are_stretches() {
    for size in [[1, 1, 1], [2, 5, 270], [7, 300, 2], [300, 2, 2], [10, 20, 30], [3, 16, 16], [5, 257, 1]] {
        let setup = Setup::new(Options::<3>::conv(), [3, 3], size, [1, 1, 1]);
        for pass in Pass::ALL {
            let block = setup.plan().recipe(pass).block;
            let cut = (0..3).find(|&axis| block[axis] > 1).unwrap_or(2);
            assert_eq!(block[cut + 1..], size[cut + 1..], "{block:?} of {size:?}");
        }
    }
}

/// Two parts of nearly one size, rather than a full block and a rest of one position.
#[test]
fn blocks_share_a_length_evenly() {
    let setup = Setup::new(Options::<1>::conv_transpose(), [64, 64], [257], [3]);
    let plan = setup.plan().with_algorithm(Pass::BackwardData, Algorithm::Col2im).unwrap();
    assert_eq!(plan.recipe(Pass::BackwardData).block, [129]);
}

#[test]
fn results_of_one_item_are_split_into_tasks() {
    let setup = Setup::new(Options::<1>::conv_transpose().stride(8).padding(4), [512, 256], [86], [16]);
    let recipe = *setup.plan().recipe(Pass::BackwardData);
    assert!(recipe.channels <= 256 / 4, "{recipe:?}");
    let recipe = *setup.plan().recipe(Pass::Forward);
    assert!(recipe.channels <= 512 / 4, "{recipe:?}");
}

#[test]
fn an_algorithm_of_another_pass_is_refused() {
    let (_, setup) = &signals()[0];
    let plan = setup.plan();
    for (pass, algorithm, accepted) in [
        (Pass::BackwardData, Algorithm::Im2col, "col2im, polyphase, minimal, direct"),
        (Pass::Forward, Algorithm::Col2im, "im2col, polyphase, minimal, direct"),
        (Pass::BackwardWeight, Algorithm::Col2im, "im2col, polyphase, minimal, direct"),
    ] {
        let error = plan.with_algorithm(pass, algorithm).unwrap_err();
        let message =
            format!("algorithm {algorithm} does not compute the {pass} pass: accepted is {accepted}");
        assert_eq!(error.to_string(), message);
        assert!(matches!(error, Error::Algorithm { .. }));
    }
}

#[test]
fn algorithms_are_read_by_name() {
    for algorithm in Algorithm::ALL {
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
    }
    let error = "winograd".parse::<Algorithm>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown algorithm \"winograd\": accepted is im2col, col2im, polyphase, minimal, depthwise, direct"
    );
}

#[test]
fn equal_geometries_have_equal_plans() {
    for (name, setup) in signals() {
        assert_eq!(setup.plan(), setup.plan(), "{name}");
        let longer = Setup { length: [setup.length[0] + 1], ..setup.clone() };
        assert_ne!(setup.plan(), longer.plan(), "{name}");
    }
    // The padding after and the output padding are in the sizes only.
    let up = Options::<1>::conv_transpose().stride(2);
    let setups =
        [up.padding([(1, 0)]), up.padding(1).output_padding(1), up.padding([(1, 1)]).output_size(17)]
            .map(|options| Setup::new(options, [2, 2], [9], [2]));
    assert_eq!(setups[0].plan(), setups[1].plan());
    assert_eq!(setups[0].plan(), setups[2].plan());
    let forced = setups[0].plan().with_algorithm(Pass::Forward, Algorithm::Direct).unwrap();
    assert_ne!(forced, setups[0].plan());
    assert_eq!(forced.with_algorithm(Pass::Forward, Algorithm::Im2col), Ok(setups[0].plan()));
}

#[test]
fn an_instruction_set_is_chosen_and_can_be_forced() {
    let (_, setup) = &signals()[1];
    assert_eq!(setup.plan().recipe(Pass::BackwardData).isa, Isa::best());
    for isa in Isa::ALL {
        let forced = setup.plan().with_isa(isa);
        assert_eq!(forced.is_ok(), isa.is_available(), "{isa}");
        if let Ok(plan) = forced {
            let plan = plan.with_algorithm(Pass::Forward, Algorithm::Polyphase).unwrap();
            assert!(Pass::ALL.iter().all(|&pass| plan.recipe(pass).isa == isa));
        }
    }
}

/// A stride with more phases than are worth a table each.
#[test]
fn a_huge_stride_has_no_polyphase_form() {
    let setup = Setup::new(Options::<1>::conv_transpose().stride(1 << 20), [2, 2], [2], [2]);
    let error = setup.plan().with_algorithm(Pass::BackwardData, Algorithm::Polyphase).unwrap_err();
    assert!(error.to_string().ends_with("accepted is col2im, direct"), "{error}");
}
