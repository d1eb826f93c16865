//! The rate of fused multiply-adds that one core reaches when nothing else holds it up.
//!
//! A benchmark that only compares programs can't tell whether any of them is good. This measures the machine's
//! own ceiling in the same run, as multiply-adds between registers, with enough independent chains to hide
//! their latency.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::element::{Element, sealed::Peak};
use crate::isa::Isa;

/// Independent chains. A multiply-add takes 4 cycles on the cores this was tested on and two start per cycle,
/// so 8 chains would do; 12 leave room for a latency of 6.
const CHAINS: usize = 12;

/// How long one measurement lasts, and how many are made.
const WINDOW: Duration = Duration::from_millis(4);
const WINDOWS: usize = 8;

/// Floating-point operations per second that the calling thread's core reaches on multiply-adds held in registers
/// (a multiplication and an addition count as one each): the best of several windows of a few milliseconds.
///
/// Falls back to [`Isa::Portable`] where this machine lacks `isa`; that loop multiplies and adds separately.
pub fn fma_peak<T: Element>(isa: Isa) -> f64 {
    let isa = if isa.is_available() { isa } else { Isa::Portable };
    let mut best = 0.0_f64;
    for _ in 0..WINDOWS {
        let start = Instant::now();
        let mut flops = 0.0;
        while start.elapsed() < WINDOW {
            flops += T::multiply_adds(isa, 4096);
        }
        best = best.max(flops / start.elapsed().as_secs_f64());
    }
    best
}

/// The loop that a compiler vectorises for the target's baseline.
fn portable<T: Element, const LANES: usize>(rounds: usize) -> f64 {
    let (a, b) = (black_box(T::one()), black_box(T::zero()));
    let mut acc = [[T::one(); LANES]; CHAINS];
    for _ in 0..rounds {
        for chain in &mut acc {
            for x in chain {
                *x = *x * a + b;
            }
        }
    }
    black_box(acc);
    (rounds * CHAINS * LANES * 2) as f64
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{CHAINS, black_box};
    use std::arch::x86_64::*;

    macro_rules! fma_loop {
        ($name:ident, $feature:literal, $scalar:ty, $lanes:literal, $splat:ident, $fmadd:ident) => {
            #[target_feature(enable = $feature)]
            pub(super) fn $name(rounds: usize) -> f64 {
                let one: $scalar = black_box(1.0);
                let zero: $scalar = black_box(0.0);
                let (a, b) = ($splat(one), $splat(zero));
                let mut acc = [$splat(one); CHAINS];
                for _ in 0..rounds {
                    for chain in &mut acc {
                        *chain = $fmadd(*chain, a, b);
                    }
                }
                black_box(acc);
                (rounds * CHAINS * $lanes * 2) as f64
            }
        };
    }

    fma_loop!(avx2_f32, "avx2,fma", f32, 8, _mm256_set1_ps, _mm256_fmadd_ps);
    fma_loop!(avx2_f64, "avx2,fma", f64, 4, _mm256_set1_pd, _mm256_fmadd_pd);
    fma_loop!(avx512_f32, "avx512f", f32, 16, _mm512_set1_ps, _mm512_fmadd_ps);
    fma_loop!(avx512_f64, "avx512f", f64, 8, _mm512_set1_pd, _mm512_fmadd_pd);
}

macro_rules! impl_peak {
    ($scalar:ty, $lanes:literal, $avx2:ident, $avx512:ident) => {
        impl Peak for $scalar {
            fn multiply_adds(isa: Isa, rounds: usize) -> f64 {
                match isa {
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 if isa.is_available() => {
                        // SAFETY: the guard has just found AVX2 and FMA on this machine, which is all that the
                        // function asks for.
                        unsafe { x86::$avx2(rounds) }
                    }
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 if isa.is_available() => {
                        // SAFETY: the guard has just found AVX-512 F on this machine, which is all that the
                        // function asks for.
                        unsafe { x86::$avx512(rounds) }
                    }
                    _ => portable::<$scalar, $lanes>(rounds),
                }
            }
        }
    };
}

impl_peak!(f32, 4, avx2_f32, avx512_f32);
impl_peak!(f64, 2, avx2_f64, avx512_f64);

#[cfg(test)]
mod tests {
    use super::*;

    fn counts_what_it_does<T: Element>(lanes: [usize; 3]) {
        for (isa, lanes) in Isa::ALL.into_iter().zip(lanes) {
            if isa.is_available() {
                assert_eq!(T::multiply_adds(isa, 10), (10 * CHAINS * lanes * 2) as f64, "{isa}");
            }
            let peak = fma_peak::<T>(isa);
            assert!(peak.is_finite() && peak > 0.0, "{isa}: {peak}");
        }
    }

    #[test]
    fn every_instruction_set_counts_its_operations() {
        counts_what_it_does::<f32>([4, 8, 16]);
        counts_what_it_does::<f64>([2, 4, 8]);
    }
}
