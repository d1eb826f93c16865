//! How near a reconstruction is to the original.

/// The scale-invariant signal-to-noise ratio in dB (Le Roux et al. 2019, "SDR - half-baked or well done?").
///
/// With both signals freed of their means, `t = <estimate, target> / <target, target> target` is the part of the estimate
/// that is the target, and the ratio is `10 log10(|t|^2 / |estimate - t|^2)`: turning the volume up or down changes
/// nothing. The sums are in float64. The two have the same length.
pub(crate) fn si_snr(estimate: &[f32], target: &[f32]) -> f64 {
    let (estimate, target) = (centred(estimate), centred(target));
    let scale = dot(&estimate, &target) / dot(&target, &target);
    let noise: Vec<f64> = estimate.iter().zip(&target).map(|(e, t)| e - scale * t).collect();
    10.0 * (scale * scale * dot(&target, &target) / dot(&noise, &noise)).log10()
}

fn centred(signal: &[f32]) -> Vec<f64> {
    let mean = signal.iter().map(|&x| f64::from(x)).sum::<f64>() / signal.len() as f64;
    signal.iter().map(|&x| f64::from(x) - mean).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
