//! Vectors of the processor under one name for each instruction set.
//!
//! In: pointers to f32. Out: vectors of 8 or 16 of them, and the few operations the kernels need, once for AVX2,
//! AVX-512 and portable Rust. Does not choose between them (that is [`super::Level`]) and knows nothing of networks.
//!
//! Every operation is lane by lane and rounds once, so all three give the same bits.

#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each block is one instruction; what `Lanes` asks of its callers is the proof of all"
)]

/// A vector of [`Lanes::WIDTH`] f32 values in one instruction set.
///
/// # Safety
/// Every function may be called only where the instruction set is present, from a function compiled for it
/// (`#[target_feature]`), and pointers must be valid for `WIDTH` values. They need no alignment.
pub(super) trait Lanes: Copy {
    /// Values a vector.
    const WIDTH: usize;
    type Vector: Copy;

    unsafe fn splat(value: f32) -> Self::Vector;
    unsafe fn load(from: *const f32) -> Self::Vector;
    unsafe fn store(to: *mut f32, vector: Self::Vector);
    /// `a · b + c`, rounded once.
    unsafe fn mul_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn mul(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn div(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The lower 16 bits of each value, moved up: of two bf16 in a word, the lower as f32.
    unsafe fn low_half(words: Self::Vector) -> Self::Vector;
    /// The upper 16 bits of each value: of two bf16 in a word, the upper as f32.
    unsafe fn high_half(words: Self::Vector) -> Self::Vector;
    /// 2ⁿ where n stands in the low bits of each value, as adding 1.5·2²³ leaves it there (see [`exp`]).
    unsafe fn power_of_two(biased: Self::Vector) -> Self::Vector;
}

/// eˣ, lane by lane, to about 2 units in the last place; arguments are clamped to ±87, where f32 ends.
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2, eˣ = 2ⁿ · p(r) with the polynomial of Cephes `expf` (S. Moshier).
#[inline(always)]
pub(super) unsafe fn exp<L: Lanes>(x: L::Vector) -> L::Vector {
    // SAFETY: the caller promises that the instruction set is there.
    unsafe {
        let x = L::max(L::min(x, L::splat(87.0)), L::splat(-87.0));
        // Adding 1.5·2²³ rounds to an integer and leaves that integer in the low bits.
        let magic = L::splat(12_582_912.0);
        let biased = L::mul_add(x, L::splat(std::f32::consts::LOG2_E), magic);
        let n = L::sub(biased, magic);
        // ln 2 in two parts, so that n · ln 2 keeps all its bits.
        let r = L::mul_add(n, L::splat(-0.693_359_4), x);
        let r = L::mul_add(n, L::splat(2.121_944_4e-4), r);
        let mut p = L::splat(1.987_569_1e-4);
        for coefficient in [
            1.398_199_9e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            1.666_666_5e-1,
            0.5,
        ] {
            p = L::mul_add(p, r, L::splat(coefficient));
        }
        let p = L::mul_add(p, L::mul(r, r), L::add(r, L::splat(1.0)));
        L::mul(p, L::power_of_two(biased))
    }
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(super) unsafe fn sigmoid<L: Lanes>(x: L::Vector) -> L::Vector {
    // SAFETY: the caller promises that the instruction set is there.
    unsafe {
        let one = L::splat(1.0);
        L::div(one, L::add(one, exp::<L>(L::sub(L::splat(0.0), x))))
    }
}

/// (1 − e⁻²ˣ) / (1 + e⁻²ˣ): exact to 1e-7, which near zero is not a small fraction of the value; the gates do not mind.
#[inline(always)]
pub(super) unsafe fn tanh<L: Lanes>(x: L::Vector) -> L::Vector {
    // SAFETY: the caller promises that the instruction set is there.
    unsafe {
        let one = L::splat(1.0);
        let e = exp::<L>(L::mul(L::splat(-2.0), x));
        L::div(L::sub(one, e), L::add(one, e))
    }
}

/// Plain Rust, for every processor.
#[derive(Clone, Copy)]
pub(super) struct Portable;

impl Lanes for Portable {
    const WIDTH: usize = 8;
    type Vector = [f32; 8];

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; 8] {
        [value; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 8] {
        // SAFETY: the caller promises 8 readable values.
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: [f32; 8]) {
        // SAFETY: the caller promises 8 writable values.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(vector) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn add(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn div(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] / b[i])
    }
    // As the x86 instructions: the second operand where the two do not compare (NaN).
    #[inline(always)]
    unsafe fn min(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn max(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn low_half(words: [f32; 8]) -> [f32; 8] {
        words.map(|word| f32::from_bits(word.to_bits() << 16))
    }
    #[inline(always)]
    unsafe fn high_half(words: [f32; 8]) -> [f32; 8] {
        words.map(|word| f32::from_bits(word.to_bits() & 0xFFFF_0000))
    }
    #[inline(always)]
    unsafe fn power_of_two(biased: [f32; 8]) -> [f32; 8] {
        biased.map(|value| f32::from_bits((value.to_bits() << 23).wrapping_add(1.0_f32.to_bits())))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    /// AVX2 with FMA.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2;

    impl Lanes for Avx2 {
        const WIDTH: usize = 8;
        type Vector = __m256;

        #[inline(always)]
        unsafe fn splat(value: f32) -> __m256 {
            unsafe { _mm256_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m256 {
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, vector: __m256) {
            unsafe { _mm256_storeu_ps(to, vector) }
        }
        #[inline(always)]
        unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn add(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn div(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_div_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn min(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_min_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn max(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn low_half(words: __m256) -> __m256 {
            unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_castps_si256(words))) }
        }
        #[inline(always)]
        unsafe fn high_half(words: __m256) -> __m256 {
            unsafe { _mm256_and_ps(words, _mm256_castsi256_ps(_mm256_set1_epi32(!0xFFFF))) }
        }
        #[inline(always)]
        unsafe fn power_of_two(biased: __m256) -> __m256 {
            unsafe {
                let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(biased));
                _mm256_castsi256_ps(_mm256_add_epi32(
                    exponent,
                    _mm256_castps_si256(_mm256_set1_ps(1.0)),
                ))
            }
        }
    }

    /// AVX-512F.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512;

    impl Lanes for Avx512 {
        const WIDTH: usize = 16;
        type Vector = __m512;

        #[inline(always)]
        unsafe fn splat(value: f32) -> __m512 {
            unsafe { _mm512_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m512 {
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, vector: __m512) {
            unsafe { _mm512_storeu_ps(to, vector) }
        }
        #[inline(always)]
        unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn div(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_div_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn min(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_min_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn max(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn low_half(words: __m512) -> __m512 {
            unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_castps_si512(words))) }
        }
        #[inline(always)]
        unsafe fn high_half(words: __m512) -> __m512 {
            unsafe {
                _mm512_castsi512_ps(_mm512_and_si512(
                    _mm512_castps_si512(words),
                    _mm512_set1_epi32(!0xFFFF),
                ))
            }
        }
        #[inline(always)]
        unsafe fn power_of_two(biased: __m512) -> __m512 {
            unsafe {
                let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(biased));
                _mm512_castsi512_ps(_mm512_add_epi32(
                    exponent,
                    _mm512_castps_si512(_mm512_set1_ps(1.0)),
                ))
            }
        }
    }
}
