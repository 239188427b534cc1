//! Vector times matrix, for asking a network one step at a time.
//!
//! In: a matrix of weights, packed once, and one vector, or a few. Out: vector · matrix, added to what stands in the
//! result. Works on one thread.
//!
//! One symbol at a time, every weight is used once and memory is the limit: so weights are laid out in the order they are
//! read, as f32 or as whole numbers of 16 or 8 bits.

use super::lanes::Lanes;
use super::{LINE, Level, Line, for_each_level};
use std::ops::Range;

/// Columns of a panel, in which a matrix is read: eight AVX-512 vectors of sums, enough to hide the latency of the
/// multiply-add.
pub(crate) const PANEL: usize = 128;
/// Inputs that a panel is multiplied with at once: their sums fill 24 of the 32 registers of AVX-512.
pub(crate) const INPUTS_AT_ONCE: usize = 3;

/// See [`Storage::input_max`].
const INT8_INPUT_MAX: f32 = 127.0;
const INT16_INPUT_MAX: f32 = 4096.0;

/// How the weights are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// As they are.
    F32,
    /// Whole numbers of 16 bits with a scale a column: about 12 bits of each weight and 13 of each input, as many as
    /// their exact 32-bit sum has room for.
    Int16,
    /// Rounded to 8 bits with a scale a column; inputs are rounded to 8 bits too, and sums are exact integers. The
    /// default: two (folk) or three times (article) as fast as f32, and it costs either network less than .001 bits
    /// a decision (`ceilid eval`).
    #[default]
    Int8,
}

impl Storage {
    /// Inputs that a 32-bit word holds, and a 32-bit lane multiplies at a time.
    pub const fn inputs_a_word(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Int16 => 2,
            Self::Int8 => 4,
        }
    }

    /// What an input of 1 becomes: outputs of an LSTM lie within ±1.
    const fn input_max(self) -> f32 {
        match self {
            Self::F32 => 1.0,
            Self::Int16 => INT16_INPUT_MAX,
            Self::Int8 => INT8_INPUT_MAX,
        }
    }
}

/// A `(depth, columns)` matrix for [`Self::add_panel`].
#[derive(Clone, Debug)]
pub(crate) struct ColumnMatrix {
    level: Level,
    storage: Storage,
    /// Words of an input.
    words: usize,
    /// `(panel, words, PANEL)` words, zero beyond the last column.
    weights: Vec<Line>,
    /// What a whole number of one in the sum of a column stands for.
    scales: Vec<f32>,
    /// What the whole numbers of a column's sum begin with: see [`is_shifted`].
    offsets: Vec<i32>,
}

impl ColumnMatrix {
    /// Packs a matrix given value by value as `at(row of the depth, column)`.
    pub(crate) fn new(
        level: Level,
        storage: Storage,
        depth: usize,
        columns: usize,
        at: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let group = storage.inputs_a_word();
        let words = depth.div_ceil(group);
        let padded = columns.next_multiple_of(PANEL);
        let mut weights = vec![Line([0; LINE]); padded * words / LINE];
        let (mut scales, mut offsets) = (vec![0.0; padded], vec![0; padded]);
        let bits_each = u32::BITS / group as u32;
        let mask = u32::MAX >> (u32::BITS - bits_each);
        for n in 0..columns {
            let factor = factor(storage, depth, |k| at(k, n));
            let whole = |k: usize| (at(k, n) * factor).round() as i32;
            for word in 0..words {
                let place = (n / PANEL * words + word) * PANEL + n % PANEL;
                let inputs = word * group..depth.min((word + 1) * group);
                weights[place / LINE].0[place % LINE] = match storage {
                    Storage::F32 => at(word, n).to_bits(),
                    // The first input in the lowest bits.
                    _ => inputs.rev().fold(0, |bits, k| {
                        (bits << bits_each) | (whole(k).cast_unsigned() & mask)
                    }),
                };
            }
            scales[n] = 1.0 / factor / storage.input_max();
            if is_shifted(level, storage) {
                offsets[n] = -128 * (0..depth).map(whole).sum::<i32>();
            }
        }
        Self {
            level,
            storage,
            words,
            weights,
            scales,
            offsets,
        }
    }

    /// Words of an input.
    pub(crate) fn words(&self) -> usize {
        self.words
    }

    /// How many panels of columns there are.
    pub(crate) fn panels(&self) -> usize {
        self.weights.len() * LINE / (self.words * PANEL)
    }

    /// Writes inputs as the products take them, `inputs_a_word` to a word, the first in the lowest bits: f32 as they
    /// are, others rounded to the nearest whole number; inputs beyond ±1 (never, of an LSTM) as ±1.
    ///
    /// # Panics
    /// When `words` are not as many as the inputs fill.
    pub(crate) fn encode(&self, inputs: &[f32], words: &mut [u32]) {
        let (level, count) = (self.level, inputs.len());
        assert_eq!(words.len(), count.div_ceil(self.storage.inputs_a_word()));
        let (from, to) = (inputs.as_ptr(), words.as_mut_ptr());
        // SAFETY: the words have room for as many values as there are inputs; the level was detected.
        unsafe {
            match self.storage {
                Storage::F32 => words
                    .iter_mut()
                    .zip(inputs)
                    .for_each(|(word, input)| *word = input.to_bits()),
                Storage::Int16 => round_int16(level, from, count, to.cast()),
                Storage::Int8 => round_int8(level, from, count, to.cast()),
            }
        }
        if is_shifted(level, self.storage) {
            words.iter_mut().for_each(|word| *word ^= 0x8080_8080);
        }
    }

    /// `result (PANEL)` += the panel · `input`, for each of a few inputs that [`Self::encode`] made: with many, one
    /// panel after the other for all of them, the weights stay in the cache.
    ///
    /// Each sum runs over the depth in order, so the bits are those of [`super::product`] and the same on every
    /// level and for any number of inputs; sums of whole numbers are exact.
    ///
    /// # Panics
    /// When there is no such panel, or inputs and results are not as many or more than [`INPUTS_AT_ONCE`].
    pub(crate) fn add_panel(&self, panel: usize, inputs: &[&[u32]], results: &mut [[f32; PANEL]]) {
        assert!(panel < self.panels() && inputs.len() == results.len());
        assert!(inputs.iter().all(|input| input.len() == self.words));
        let columns = panel * PANEL..(panel + 1) * PANEL;
        match (inputs, results) {
            ([], []) => {}
            (&[a], [x]) => self.add(columns, [a], [x]),
            (&[a, b], [x, y]) => self.add(columns, [a, b], [x, y]),
            (&[a, b, c], [x, y, z]) => self.add(columns, [a, b, c], [x, y, z]),
            _ => panic!("{} inputs at once", inputs.len()),
        }
    }

    fn add<const N: usize>(
        &self,
        columns: Range<usize>,
        inputs: [&[u32]; N],
        results: [&mut [f32; PANEL]; N],
    ) {
        let (level, words) = (self.level, self.words);
        let weights = self.weights[columns.start * words / LINE..][..PANEL * words / LINE].as_ptr();
        let pointers = inputs.map(<[u32]>::as_ptr);
        if self.storage == Storage::F32 {
            let results = results.map(|result| result.as_mut_ptr());
            // SAFETY: a panel of `words` rows, inputs of as many, whole results; the level was detected.
            unsafe {
                add_f32(
                    level,
                    weights.cast(),
                    words,
                    pointers.as_ptr().cast(),
                    results.as_ptr(),
                    N,
                )
            };
            return;
        }
        let (scales, offsets) = (&self.scales[columns.clone()], &self.offsets[columns]);
        let mut sums: [[i32; PANEL]; N] =
            [offsets.try_into().expect("the offsets of one panel"); N];
        // SAFETY: as above; the words are what [`Self::encode`] makes for this level.
        unsafe {
            match (level, self.storage) {
                #[cfg(target_arch = "x86_64")]
                (level, Storage::Int8) if level.has_vnni() => {
                    x86::sum_int8_vnni(weights.cast(), inputs, &mut sums)
                }
                #[cfg(target_arch = "x86_64")]
                (level, _) if level.has_vnni() => {
                    x86::sum_int16_vnni(weights.cast(), inputs, &mut sums)
                }
                #[cfg(target_arch = "x86_64")]
                (Level::Avx2 | Level::Avx512, Storage::Int8) => {
                    x86::sum_int8_avx2(weights.cast(), inputs, &mut sums)
                }
                #[cfg(target_arch = "x86_64")]
                (Level::Avx2 | Level::Avx512, _) => {
                    x86::sum_int16_avx2(weights.cast(), inputs, &mut sums)
                }
                (_, Storage::Int8) => sum_portable::<i8, 4>(weights.cast(), &inputs, &mut sums),
                _ => sum_portable::<i16, 2>(weights.cast(), &inputs, &mut sums),
            }
        }
        for (result, sums) in results.into_iter().zip(&sums) {
            // SAFETY: whole panels of all three; the level was detected.
            unsafe { add_scaled(level, sums.as_ptr(), scales.as_ptr(), result.as_mut_ptr()) };
        }
    }
}

/// VNNI multiplies unsigned by signed numbers of 8 bits, so inputs are moved up by 128 (which flips the top bit) and
/// sums begin with −128 · Σ w.
fn is_shifted(level: Level, storage: Storage) -> bool {
    level.has_vnni() && storage == Storage::Int8
}

/// What a column's weights are multiplied with before they are rounded, as large as fits.
fn factor(storage: Storage, depth: usize, column: impl Fn(usize) -> f32) -> f32 {
    let sizes = || (0..depth).map(|k| column(k).abs());
    let largest = sizes().fold(0.0, f32::max);
    if largest == 0.0 {
        return 1.0;
    }
    match storage {
        Storage::F32 => 1.0,
        Storage::Int8 => f32::from(i8::MAX) / largest,
        Storage::Int16 => {
            // However large the inputs, no sum leaves 31 bits, what rounding adds included.
            let room = i32::MAX as f32 / INT16_INPUT_MAX - depth as f32;
            (f32::from(i16::MAX) / largest).min(room / sizes().sum::<f32>())
        }
    }
}

for_each_level! {
    fn round_int8(input: *const f32, count: usize, rounded: *mut i8) = round_int8_body
}

for_each_level! {
    fn round_int16(input: *const f32, count: usize, rounded: *mut i16) = round_int16_body
}

#[inline(always)]
unsafe fn round_int8_body<L: Lanes>(input: *const f32, count: usize, rounded: *mut i8) {
    for k in 0..count {
        // SAFETY: the caller promises `count` values of both.
        unsafe { *rounded.add(k) = round(*input.add(k), INT8_INPUT_MAX) as i8 };
    }
}

#[inline(always)]
unsafe fn round_int16_body<L: Lanes>(input: *const f32, count: usize, rounded: *mut i16) {
    for k in 0..count {
        // SAFETY: the caller promises `count` values of both.
        unsafe { *rounded.add(k) = round(*input.add(k), INT16_INPUT_MAX) as i16 };
    }
}

/// `value · factor` to the nearest whole number, halves to the even one, in the low bits.
#[inline(always)]
fn round(value: f32, factor: f32) -> u32 {
    // Adding 1.5·2²³ rounds, and leaves the number in the low 22 bits.
    (value.clamp(-1.0, 1.0) * factor + 12_582_912.0).to_bits()
}

for_each_level! {
    /// # Safety
    /// `sums`, `scales` and `result` are valid for a panel.
    fn add_scaled(sums: *const i32, scales: *const f32, result: *mut f32) = add_scaled_body
}

/// `result` += sum · scale. Sums beyond 2²⁴ are rounded once: those of 16 bits, and of 8 bits beyond 1040 inputs.
#[inline(always)]
unsafe fn add_scaled_body<L: Lanes>(sums: *const i32, scales: *const f32, result: *mut f32) {
    for n in 0..PANEL {
        // SAFETY: the caller's promise.
        unsafe { *result.add(n) += *sums.add(n) as f32 * *scales.add(n) };
    }
}

for_each_level! {
    /// # Safety
    /// `panel` holds `depth` rows; `count` inputs (1 to 3) of `depth` values, and as many results of a panel.
    fn add_f32(panel: *const f32, depth: usize, inputs: *const *const f32, results: *const *mut f32, count: usize) = add_f32_body
}

#[inline(always)]
unsafe fn add_f32_body<L: Lanes>(
    panel: *const f32,
    depth: usize,
    inputs: *const *const f32,
    results: *const *mut f32,
    count: usize,
) {
    // SAFETY: the caller's promise. AVX2 has half the registers, each half as wide.
    unsafe {
        match (count, L::WIDTH) {
            (1, _) => add_f32_tiles::<L, 1, 8>(panel, depth, inputs, results),
            (2, 16) => add_f32_tiles::<L, 2, 8>(panel, depth, inputs, results),
            (2, _) => add_f32_tiles::<L, 2, 4>(panel, depth, inputs, results),
            (_, 16) => add_f32_tiles::<L, 3, 8>(panel, depth, inputs, results),
            (_, _) => add_f32_tiles::<L, 3, 4>(panel, depth, inputs, results),
        }
    }
}

/// Tiles of `VECTORS` vectors of columns for `N` inputs.
#[inline(always)]
unsafe fn add_f32_tiles<L: Lanes, const N: usize, const VECTORS: usize>(
    panel: *const f32,
    depth: usize,
    inputs: *const *const f32,
    results: *const *mut f32,
) {
    for first in (0..PANEL).step_by(VECTORS * L::WIDTH) {
        // SAFETY: the caller's promise; `VECTORS` vectors divide a panel.
        unsafe {
            let inputs: [*const f32; N] = std::array::from_fn(|n| *inputs.add(n));
            let results: [*mut f32; N] = std::array::from_fn(|n| (*results.add(n)).add(first));
            let mut sums = [[L::splat(0.0); VECTORS]; N];
            for (sums, result) in sums.iter_mut().zip(results) {
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = L::load(result.add(vector * L::WIDTH));
                }
            }
            for k in 0..depth {
                let row = panel.add(k * PANEL + first);
                let values = inputs.map(|input| L::splat(*input.add(k)));
                for vector in 0..VECTORS {
                    let weights = L::load(row.add(vector * L::WIDTH));
                    for (sums, value) in sums.iter_mut().zip(values) {
                        sums[vector] = L::mul_add(value, weights, sums[vector]);
                    }
                }
            }
            for (sums, result) in sums.iter().zip(results) {
                for (vector, sum) in sums.iter().enumerate() {
                    L::store(result.add(vector * L::WIDTH), *sum);
                }
            }
        }
    }
}

/// # Safety
/// `weights` holds a panel of as many rows as there are words of each input, which hold `GROUP` values each.
unsafe fn sum_portable<T: Copy + Into<i32>, const GROUP: usize>(
    weights: *const [[T; GROUP]; PANEL],
    inputs: &[&[u32]],
    sums: &mut [[i32; PANEL]],
) {
    for (input, sums) in inputs.iter().zip(sums) {
        for (row, word) in input.iter().enumerate() {
            // SAFETY: the caller's promise.
            let (weights, input) = unsafe {
                (
                    &*weights.add(row),
                    &*std::ptr::from_ref(word).cast::<[T; GROUP]>(),
                )
            };
            for (sum, weights) in sums.iter_mut().zip(weights) {
                for (&w, &x) in weights.iter().zip(input) {
                    *sum += w.into() * x.into();
                }
            }
        }
    }
}

/// Each function: every input's `sums` += one panel · the input.
///
/// # Safety
/// Of each: the instruction set is there; `weights` holds a panel of as many rows as there are words of each input,
/// and the inputs are as long as each other.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::PANEL;
    use std::arch::x86_64::*;

    /// |x| · (w · sign x): unsigned times signed as the instruction wants it. No pair reaches 2¹⁵: 2 · 127 · 127 =
    /// 32,258.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn sum_int8_avx2<const N: usize>(
        weights: *const __m256i,
        inputs: [&[u32]; N],
        sums: &mut [[i32; PANEL]; N],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            sum_avx2(weights, inputs, sums, |x, w| {
                let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(w, x));
                _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
            });
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn sum_int16_avx2<const N: usize>(
        weights: *const __m256i,
        inputs: [&[u32]; N],
        sums: &mut [[i32; PANEL]; N],
    ) {
        // SAFETY: the caller's promise.
        unsafe { sum_avx2(weights, inputs, sums, |x, w| _mm256_madd_epi16(x, w)) };
    }

    /// `products`: of one word of input, in every lane, and as many of weights.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn sum_avx2<const N: usize>(
        weights: *const __m256i,
        inputs: [&[u32]; N],
        sums: &mut [[i32; PANEL]; N],
        products: impl Fn(__m256i, __m256i) -> __m256i,
    ) {
        const LANES: usize = 8;
        /// Half a panel: with all of it there would be no register left for the weights.
        const VECTORS: usize = PANEL / LANES / 2;
        for (input, sums) in inputs.iter().zip(sums) {
            for half in 0..2 {
                // SAFETY: the caller's promise; `sums` is two halves of `VECTORS` vectors.
                unsafe {
                    let sums = sums.as_mut_ptr().cast::<__m256i>().add(half * VECTORS);
                    let mut totals: [_; VECTORS] =
                        std::array::from_fn(|vector| _mm256_loadu_si256(sums.add(vector)));
                    for (row, &word) in input.iter().enumerate() {
                        let x = _mm256_set1_epi32(word.cast_signed());
                        let row = weights.add((2 * row + half) * VECTORS);
                        for (vector, total) in totals.iter_mut().enumerate() {
                            let w = _mm256_load_si256(row.add(vector));
                            *total = _mm256_add_epi32(*total, products(x, w));
                        }
                    }
                    for (vector, total) in totals.iter().enumerate() {
                        _mm256_storeu_si256(sums.add(vector), *total);
                    }
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) unsafe fn sum_int8_vnni<const N: usize>(
        weights: *const __m512i,
        inputs: [&[u32]; N],
        sums: &mut [[i32; PANEL]; N],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            sum_vnni(weights, inputs, sums, |total, x, w| {
                _mm512_dpbusd_epi32(total, x, w)
            })
        };
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) unsafe fn sum_int16_vnni<const N: usize>(
        weights: *const __m512i,
        inputs: [&[u32]; N],
        sums: &mut [[i32; PANEL]; N],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            sum_vnni(weights, inputs, sums, |total, x, w| {
                _mm512_dpwssd_epi32(total, x, w)
            })
        };
    }

    /// `add`: to a total the products of one word of input, in every lane, and as many of weights.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    unsafe fn sum_vnni<const N: usize>(
        weights: *const __m512i,
        inputs: [&[u32]; N],
        sums: &mut [[i32; PANEL]; N],
        add: impl Fn(__m512i, __m512i, __m512i) -> __m512i,
    ) {
        const LANES: usize = 16;
        const VECTORS: usize = PANEL / LANES;
        // SAFETY: the caller's promise; each of `sums` is `VECTORS` vectors.
        unsafe {
            let mut totals = [[_mm512_setzero_si512(); VECTORS]; N];
            for (totals, sums) in totals.iter_mut().zip(sums.iter()) {
                for (vector, total) in totals.iter_mut().enumerate() {
                    *total = _mm512_loadu_si512(sums.as_ptr().add(vector * LANES).cast());
                }
            }
            for row in 0..inputs.first().map_or(0, |input| input.len()) {
                let x =
                    inputs.map(|input| _mm512_set1_epi32(input.get_unchecked(row).cast_signed()));
                let row = weights.add(row * VECTORS);
                for vector in 0..VECTORS {
                    let w = _mm512_load_si512(row.add(vector));
                    for (totals, x) in totals.iter_mut().zip(x) {
                        totals[vector] = add(totals[vector], x, w);
                    }
                }
            }
            for (totals, sums) in totals.iter().zip(sums) {
                for (vector, total) in totals.iter().enumerate() {
                    _mm512_storeu_si512(sums.as_mut_ptr().add(vector * LANES).cast(), *total);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `start` + `input` · `matrix` of each input, all columns.
    fn products(matrix: &ColumnMatrix, inputs: &[Vec<f32>], start: f32) -> Vec<Vec<f32>> {
        let words: Vec<Vec<u32>> = inputs
            .iter()
            .map(|input| {
                let mut words = vec![0; matrix.words()];
                matrix.encode(input, &mut words);
                words
            })
            .collect();
        let words: Vec<&[u32]> = words.iter().map(Vec::as_slice).collect();
        let mut all = vec![Vec::new(); inputs.len()];
        for panel in 0..matrix.panels() {
            let mut results = vec![[start; PANEL]; inputs.len()];
            matrix.add_panel(panel, &words, &mut results);
            all.iter_mut()
                .zip(results)
                .for_each(|(all, result)| all.extend(result));
        }
        all
    }

    #[test]
    fn a_product_is_the_sum_it_should_be_with_the_same_bits_on_every_level() {
        for (depth, columns) in [(1, 1), (30, 93), (256, 200)] {
            let weight = |k: usize, n: usize| ((k * 31 + n * 17) % 101) as f32 / 101.0 - 0.5;
            let input = |seed: usize| -> Vec<f32> {
                (0..depth)
                    .map(|k| (((k + seed) * 7919 % 1009) as f32 - 504.0) / 505.0)
                    .collect()
            };
            let inputs: Vec<Vec<f32>> = (0..INPUTS_AT_ONCE).map(input).collect();
            for (storage, tolerance) in [
                (Storage::F32, 1e-5),
                (Storage::Int16, 1e-2),
                (Storage::Int8, 8e-2),
            ] {
                let mut first_bits: Option<Vec<u32>> = None;
                for level in Level::available() {
                    let matrix = ColumnMatrix::new(level, storage, depth, columns, weight);
                    let together = products(&matrix, &inputs, 0.25);
                    for (input, found) in inputs.iter().zip(&together) {
                        assert_eq!(
                            found,
                            &products(&matrix, std::slice::from_ref(input), 0.25)[0],
                            "{storage:?} {level:?}: alone as among others"
                        );
                        for (n, found) in found.iter().take(columns).enumerate() {
                            let exact: f32 =
                                0.25 + (0..depth).map(|k| input[k] * weight(k, n)).sum::<f32>();
                            assert!(
                                (found - exact).abs() < tolerance,
                                "{storage:?} {level:?} column {n}: {found} for {exact}"
                            );
                        }
                    }
                    let bits: Vec<u32> = together.concat().iter().map(|x| x.to_bits()).collect();
                    assert_eq!(
                        *first_bits.get_or_insert(bits.clone()),
                        bits,
                        "{storage:?} {level:?} gives the bits of the others"
                    );
                }
            }
        }
    }

    #[test]
    fn the_largest_values_do_not_overflow() {
        let depth = 1024;
        for level in Level::available() {
            for storage in [Storage::Int16, Storage::Int8] {
                let matrix = ColumnMatrix::new(level, storage, depth, 70, |_, n| {
                    if n % 2 == 0 { 1.0 } else { -1.0 }
                });
                let found = products(&matrix, &[vec![-1.0; depth]], 0.0);
                for (found, exact) in found[0].iter().zip([-1024.0, 1024.0]) {
                    assert!(
                        (found - exact).abs() < 0.5,
                        "{storage:?} {level:?}: {found}"
                    );
                }
            }
        }
    }
}
