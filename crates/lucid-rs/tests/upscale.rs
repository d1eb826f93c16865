//! The upscaler: its network beside ONNX Runtime, its tiles beside the whole, and what it refuses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

#[path = "../examples/upscale/args.rs"]
mod args;
#[path = "../examples/upscale/model.rs"]
mod model;
#[path = "../examples/upscale/picture.rs"]
mod picture;
#[path = "../examples/upscale/run.rs"]
mod run;
#[path = "../examples/upscale/tiles.rs"]
mod tiles;

#[path = "../examples/common/error.rs"]
mod error;
#[path = "../examples/common/files.rs"]
mod files;
#[path = "../examples/common/kept.rs"]
mod kept;
#[path = "../examples/common/progress.rs"]
mod progress;
#[path = "../examples/common/threads.rs"]
mod threads;

use std::fs;
use std::io::{self, Cursor};
use std::path::Path;

use clap::Parser;
use lucid::{Forward, StateDict, Tensor, no_grad};

use args::Args;
use model::UpConv7;
use picture::{Format, Picture};
use tiles::{Tile, pieces, upscale, upscale_tile};

/// What single precision leaves after seven layers, each of sums of up to 1152 products, of numbers of the order of 1. A seam
/// would be off by a hundred times as much.
const ROUNDING: f32 = 1e-5;

fn largest_difference(a: &Tensor<f32>, b: &Tensor<f32>) -> f32 {
    a.sub(b).unwrap().map(f32::abs).max(&[0, 1, 2, 3], false).unwrap().item().unwrap()
}

/// A picture of the built-in one's upper left corner.
fn corner(width: usize, height: usize, num_channels: usize) -> Picture {
    let whole = Picture::built_in().unwrap();
    let pixel = |row: usize, column: usize| {
        let at = (row * whole.width + column) * 3;
        let opacity = (row * 7 + column * 3) as u8;
        [whole.pixels[at], whole.pixels[at + 1], whole.pixels[at + 2], opacity]
    };
    let pixels = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
    let pixels = pixels.flat_map(|(row, column)| pixel(row, column)[..num_channels].to_vec()).collect();
    Picture { name: "a corner".into(), width, height, num_channels, pixels }
}

#[test]
fn the_network_computes_what_onnx_runtime_does() {
    let model = UpConv7::trained().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/upscale/reference.safetensors");
    let reference = StateDict::load(path).unwrap();
    let (x, y) = (reference.get("x").unwrap(), reference.get("y").unwrap());
    let computed = no_grad(|| model.forward(&x.clone().into())).unwrap().value();
    assert_eq!(
        (computed.shape(), y.max(&[0, 1, 2, 3], false).unwrap().item().unwrap() > 0.9),
        (y.shape(), true)
    );
    let difference = largest_difference(&computed, y);
    assert!(difference < ROUNDING, "{difference}");
}

#[test]
fn tiles_are_parts_of_the_whole() {
    let model = UpConv7::trained().unwrap();
    for num_channels in [3, 4] {
        let picture = corner(37, 29, num_channels);
        let whole =
            upscale_tile(&model, &picture, &Tile { rows: 0..picture.height, columns: 0..picture.width })
                .unwrap();
        assert_eq!(whole.shape(), [num_channels - 2, 3, 58, 74]);
        for size in [11, 16] {
            for rows in pieces(picture.height, size) {
                for columns in pieces(picture.width, size) {
                    let tile = Tile { rows: rows.clone(), columns };
                    let part = whole.slice(2, 2 * tile.rows.start..2 * tile.rows.end).unwrap();
                    let part = part.slice(3, 2 * tile.columns.start..2 * tile.columns.end).unwrap();
                    let difference =
                        largest_difference(&upscale_tile(&model, &picture, &tile).unwrap(), &part);
                    assert!(difference < ROUNDING, "{size} {tile:?}: {difference}");
                }
            }
        }
    }
}

#[test]
fn the_bytes_of_a_tiled_picture_are_those_of_the_whole() {
    let model = UpConv7::trained().unwrap();
    let picture = corner(33, 21, 4);
    let bytes = |size| {
        let mut bytes = Vec::new();
        let mut num_tiles = 0;
        let write = |band: &[u8]| {
            bytes.extend_from_slice(band);
            Ok(())
        };
        upscale(&model, &picture, size, write, || num_tiles += 1).unwrap();
        assert_eq!(num_tiles, 33_usize.div_ceil(size) * 21_usize.div_ceil(size));
        bytes
    };
    let (whole, tiled) = (bytes(40), bytes(10));
    assert_eq!((whole.len(), tiled.len()), (66 * 42 * 4, 66 * 42 * 4));
    // A number on the edge between two bytes may be rounded to either.
    assert!(whole.iter().zip(&tiled).all(|(a, b)| a.abs_diff(*b) <= 1));
    assert!(whole.iter().zip(&tiled).filter(|(a, b)| a != b).count() < whole.len() / 1000);
    // A pixel of the input is about the mean of the four that it becomes, in every channel.
    for (at, &expected) in picture.pixels.iter().enumerate() {
        let (row, column, channel) = (at / (33 * 4), at / 4 % 33, at % 4);
        let of = |dy, dx| f32::from(whole[((2 * row + dy) * 66 + 2 * column + dx) * 4 + channel]);
        let mean = (of(0, 0) + of(0, 1) + of(1, 0) + of(1, 1)) / 4.0;
        assert!((mean - f32::from(expected)).abs() < 40.0, "{at}: {mean} {expected}");
    }
}

/// Runs the example with `flags`.
fn run_with(flags: &[&str]) -> error::Result<()> {
    run::run(&Args::try_parse_from([&["upscale"], flags].concat())?, &mut io::sink())
}

#[test]
fn a_file_becomes_one_of_twice_the_size() {
    let folder = tempfile::tempdir().unwrap();
    let small = corner(12, 9, 4);
    let [input, output] = ["in.png", "new/out.png"].map(|name| folder.path().join(name));
    let format = Format { width: 12, height: 9, num_channels: 4 };
    picture::write(&input, format, |rows| rows(&small.pixels)).unwrap();
    assert_eq!(Picture::open(&input).unwrap().pixels, small.pixels);
    let flags = ["--input", input.to_str().unwrap(), "--output", output.to_str().unwrap(), "--tile", "5"];
    run_with(&flags).unwrap();
    let upscaled = Picture::open(&output).unwrap();
    assert_eq!((upscaled.width, upscaled.height, upscaled.num_channels), (24, 18, 4));
    let names: Vec<_> =
        fs::read_dir(folder.path().join("new")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["out.png"]);
}

#[test]
fn what_is_no_picture_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.png");
    let refusal = |bytes: &[u8]| {
        let input = folder.path().join("in.png");
        fs::write(&input, bytes).unwrap();
        let flags = ["--input", input.to_str().unwrap(), "--output", output.to_str().unwrap()];
        let error = run_with(&flags).unwrap_err().to_string();
        assert!(error.contains("in.png") && !output.exists(), "{error}");
        error
    };
    let png = include_bytes!("../examples/upscale/picture.png");
    assert!(refusal(b"").contains("accepted are PNG and JPEG"));
    assert!(refusal(b"GIF89a and more").contains("accepted are PNG and JPEG"));
    refusal(&png[..png.len() / 2]);
    refusal(b"\xff\xd8\xff\xe0 no more of a JPEG");
    // A header of 2^31 - 1 times 2^31 - 1 pixels, with its checksum.
    let mut huge = png.to_vec();
    huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    refusal(&huge);
    let error = run_with(&["--input", "absent.png"]).unwrap_err().to_string();
    assert!(error.starts_with("opening absent.png: "), "{error}");
    assert!(Picture::read(Cursor::new([0; 64]), "zeros").is_err());
    for flags in [["--tile", "0"], ["--tile", "2000"], ["--threads", "0"]] {
        assert!(run_with(&flags).unwrap_err().to_string().contains(flags[0]));
    }
}
