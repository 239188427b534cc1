//! The LSTM's arithmetic, vectorised for the processor it runs on.
//!
//! In: slices of f32. Out: the same. Does not know tensors, files or text.
//!
//! Nearly all `unsafe` of the crate is in this folder; the rest launches kernels on cards (`model/cuda`), asks Linux for a thread's
//! turns (`output/system.rs`) and fills in a trait of JACK's (`output/jack_port.rs`). Each public function checks its lengths,
//! picks the instruction set once ([`Level`]) and hands raw pointers to a body written once for all of them ([`lanes::Lanes`]).

#![allow(
    unsafe_code,
    reason = "vector instructions are reached through pointers; every public function checks its lengths first"
)]

pub(super) mod column;
mod gates;
mod lanes;
pub(super) mod lstm;
pub(super) mod product;
pub(super) mod softmax;

/// Which instruction set the kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(dead_code, reason = "other processors run plain Rust")
)]
pub(super) enum Level {
    /// Plain Rust.
    Portable,
    /// AVX2 with FMA (x86-64 since 2013).
    Avx2,
    /// AVX-512F (x86-64 servers since 2017).
    Avx512,
    /// AVX-512F with the whole-number dot products of VNNI (since 2019).
    Avx512Vnni,
    /// The same with the dot products of bf16 (AMD since 2022, Intel servers since 2020).
    Avx512Bf16,
}

impl Level {
    /// The best that this processor has.
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            // The standard library remembers the answers, so asking is cheap.
            let has_avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if has_avx2 && is_x86_feature_detected!("avx512f") {
                let has_vnni =
                    is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vnni");
                return match has_vnni {
                    true if is_x86_feature_detected!("avx512bf16") => Self::Avx512Bf16,
                    true => Self::Avx512Vnni,
                    false => Self::Avx512,
                };
            }
            if has_avx2 {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// All that this processor has, for tests that hold them against each other.
    #[cfg(test)]
    pub(super) fn available() -> Vec<Self> {
        let all = [
            Self::Portable,
            Self::Avx2,
            Self::Avx512,
            Self::Avx512Vnni,
            Self::Avx512Bf16,
        ];
        let best = all
            .iter()
            .position(|&level| level == Self::detect())
            .expect("one of all");
        all[..=best].to_vec()
    }

    /// f32 values a vector.
    fn width(self) -> usize {
        match self {
            Self::Portable | Self::Avx2 => 8,
            Self::Avx512 | Self::Avx512Vnni | Self::Avx512Bf16 => 16,
        }
    }

    fn has_vnni(self) -> bool {
        matches!(self, Self::Avx512Vnni | Self::Avx512Bf16)
    }
}

/// A cache line of 32-bit words, so that no vector of packed weights crosses one.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
struct Line([u32; LINE]);
const LINE: usize = 16;

/// Makes `fn NAME(level, arguments…)` out of a body that is generic over [`lanes::Lanes`]: one copy compiled for each
/// instruction set, chosen by `level`.
///
/// # Safety
/// Of the function made: `level` came from [`Level::detect`] (or [`Level::available`]), and the body's own conditions
/// hold.
macro_rules! for_each_level {
    ($(#[$doc:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) = $body:ident) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments, reason = "strides and lengths of raw matrices")]
        pub(super) unsafe fn $name(level: $crate::model::kernel::Level, $($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($argument: $type),*) {
                // SAFETY: compiled for AVX2 and FMA; the rest is the caller's promise.
                unsafe { $body::<$crate::model::kernel::lanes::Avx2>($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            unsafe fn avx512($($argument: $type),*) {
                // SAFETY: compiled for AVX-512F; the rest is the caller's promise.
                unsafe { $body::<$crate::model::kernel::lanes::Avx512>($($argument),*) }
            }
            // SAFETY: the caller promises that `level` is present.
            unsafe {
                match level {
                    #[cfg(target_arch = "x86_64")]
                    $crate::model::kernel::Level::Avx2 => avx2($($argument),*),
                    #[cfg(target_arch = "x86_64")]
                    level if level.width() == 16 => avx512($($argument),*),
                    _ => $body::<$crate::model::kernel::lanes::Portable>($($argument),*),
                }
            }
        }
    };
}
use for_each_level;

/// One step of one stream's cell: `gates (4·hidden)` come in as pre-activations, `cell` and `output (hidden)` leave
/// new.
///
/// # Panics
/// When lengths do not fit.
pub(super) fn step_gates(
    level: Level,
    gates: &mut [f32],
    cell: &mut [f32],
    cell_tanh: &mut [f32],
    output: &mut [f32],
) {
    let hidden = cell.len();
    assert!(gates.len() == 4 * hidden && cell_tanh.len() == hidden && output.len() == hidden);
    let cell = cell.as_mut_ptr();
    // SAFETY: the lengths were checked just above, and the level was detected.
    unsafe {
        gates::forward(
            level,
            hidden,
            gates.as_mut_ptr(),
            cell,
            cell,
            cell_tanh.as_mut_ptr(),
            output.as_mut_ptr(),
        )
    };
}
