//! Which vector instructions a kernel may use, found out once, when a kernel is chosen.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// A family of kernels, by the instructions that they need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Isa {
    /// What the target's baseline offers; on x86-64 that is SSE2.
    Portable,
    /// AVX2 with fused multiply-add: 256-bit vectors.
    Avx2,
    /// AVX-512 F: 512-bit vectors.
    Avx512,
}

impl Isa {
    /// Every family, narrowest first.
    pub const ALL: [Isa; 3] = [Isa::Portable, Isa::Avx2, Isa::Avx512];

    /// Whether this machine has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => false,
        }
    }

    /// The families that this machine has, narrowest first.
    pub fn available() -> Vec<Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// The widest family that this machine has, or the one that the environment variable `LUCID_ISA` names, if this machine
    /// has it: read once, for measuring and for tests of whole programs.
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| {
            let named = std::env::var("LUCID_ISA").ok().and_then(|name| name.parse().ok());
            named
                .filter(|isa: &Isa| isa.is_available())
                .or_else(|| Isa::ALL.into_iter().rfind(|isa| isa.is_available()))
                .unwrap_or(Isa::Portable)
        })
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Isa::Portable => "portable",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        })
    }
}

impl FromStr for Isa {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Isa::ALL
            .into_iter()
            .find(|isa| isa.to_string() == name)
            .ok_or_else(|| format!("unknown instruction set {name:?}: accepted are portable, avx2, avx512"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_refused() {
        for isa in Isa::ALL {
            assert_eq!(isa.to_string().parse::<Isa>().unwrap(), isa);
        }
        assert!("sse9".parse::<Isa>().unwrap_err().contains("sse9"));
    }

    #[test]
    fn best_is_available() {
        assert!(Isa::best().is_available());
        if std::env::var_os("LUCID_ISA").is_none() {
            assert_eq!(Isa::available().last(), Some(&Isa::best()));
        }
    }
}
