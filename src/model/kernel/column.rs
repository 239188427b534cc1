//! In: a matrix of weights, packed once, and one vector. Out: vector · matrix, added to what stands in the result.
//! Works on one thread.
//!
//! For asking the network one character at a time, where every weight is used once and memory is the limit: weights
//! are laid out in the order they are read, as f32, f16 or int8.

use super::lanes::Lanes;
use super::{Level, for_each_level};

/// Vectors of sums kept in registers at once: enough to hide the latency of the multiply-add.
const VECTORS: usize = 8;
/// Columns of an int8 panel: eight vectors of eight 32-bit sums.
const INT8_COLUMNS: usize = 64;
/// Inputs that one 32-bit lane takes at a time.
const INT8_GROUP: usize = 4;
/// What an int8 input of 127 stands for: outputs of an LSTM lie within ±1.
const INT8_INPUT_MAX: f32 = 127.0;

/// How the weights are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// As they are.
    F32,
    /// Rounded to 16 bits; sums are still f32.
    F16,
    /// Rounded to 8 bits with a scale a column; inputs are rounded to 8 bits too, and sums are exact integers. The
    /// default: three times as fast as f32, and it costs the article's network less than .001 bits a character
    /// (`ceilid eval`).
    #[default]
    Int8,
}

/// A `(depth, columns)` matrix for [`Self::add_product`].
#[derive(Clone, Debug)]
pub struct ColumnMatrix {
    level: Level,
    depth: usize,
    columns: usize,
    weights: Stored,
}

/// `(panel, depth, panel width)`, zero-padded at the end.
#[derive(Clone, Debug)]
enum Stored {
    F32(Lines<f32>),
    F16(Lines<u16>),
    /// `(panel, depth / 4, panel width, 4)`, and what a sum of one stands for, a column.
    Int8 {
        weights: Lines<i8>,
        scales: Vec<f32>,
    },
}

/// A list that starts on a cache line.
#[derive(Clone, Debug)]
struct Lines<T> {
    lines: Vec<Line>,
    kind: std::marker::PhantomData<T>,
}

#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
struct Line([u8; 64]);

impl<T: Copy> Lines<T> {
    /// `T` is one of f32, u16 and i8, for which any bits are a value.
    fn zero(length: usize) -> Self {
        Self {
            lines: vec![Line([0; 64]); (length * size_of::<T>()).div_ceil(64)],
            kind: std::marker::PhantomData,
        }
    }

    fn values_mut(&mut self) -> &mut [T] {
        // SAFETY: the lines are initialised bytes, aligned to 64, and any bits are a value of `T`.
        unsafe {
            std::slice::from_raw_parts_mut(
                self.lines.as_mut_ptr().cast(),
                self.lines.len() * 64 / size_of::<T>(),
            )
        }
    }

    fn pointer(&self) -> *const T {
        self.lines.as_ptr().cast()
    }
}

impl ColumnMatrix {
    /// Packs a matrix given value by value as `at(row of the depth, column)`.
    pub fn new(
        level: Level,
        storage: Storage,
        depth: usize,
        columns: usize,
        at: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let width = level.width() * VECTORS;
        let padded = columns.div_ceil(width) * width * depth;
        let place = |k: usize, n: usize| (n / width * depth + k) * width + n % width;
        let weights = match storage {
            Storage::F32 => {
                let mut lines = Lines::<f32>::zero(padded);
                let values = lines.values_mut();
                for n in 0..columns {
                    (0..depth).for_each(|k| values[place(k, n)] = at(k, n));
                }
                Stored::F32(lines)
            }
            Storage::F16 => {
                let mut lines = Lines::<u16>::zero(padded);
                let values = lines.values_mut();
                for n in 0..columns {
                    (0..depth).for_each(|k| {
                        values[place(k, n)] = half::f16::from_f32(at(k, n)).to_bits()
                    });
                }
                Stored::F16(lines)
            }
            Storage::Int8 => pack_int8(depth, columns, at),
        };
        Self {
            level,
            depth,
            columns,
            weights,
        }
    }

    /// Rows of the matrix: values of an input.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Bytes that a product reads.
    pub fn bytes(&self) -> usize {
        match &self.weights {
            Stored::F32(lines) => lines.lines.len() * 64,
            Stored::F16(lines) => lines.lines.len() * 64,
            Stored::Int8 { weights, .. } => weights.lines.len() * 64,
        }
    }

    /// `result (columns)` += `input (depth)` · self.
    ///
    /// Each sum runs over the depth in order, so the bits are those of [`super::product`] and the same on every
    /// level; int8 sums are exact.
    pub fn add_product(&self, input: &[f32], result: &mut [f32], rounded: &mut RoundedInput) {
        self.round(input, rounded);
        for panel in 0..self.panels() {
            self.add_panel(panel, input, result, rounded);
        }
    }

    /// Fills `rounded` for [`Self::add_panel`], if the weights are int8.
    pub fn round(&self, input: &[f32], rounded: &mut RoundedInput) {
        if let Stored::Int8 { .. } = self.weights {
            rounded.fill(input);
        }
    }

    /// How many panels of columns there are.
    pub fn panels(&self) -> usize {
        self.columns.div_ceil(self.panel_columns())
    }

    /// Adds the columns of one panel: with many inputs, one panel after the other for all of them, the weights stay
    /// in the cache.
    pub fn add_panel(
        &self,
        panel: usize,
        input: &[f32],
        result: &mut [f32],
        rounded: &RoundedInput,
    ) {
        assert!(panel < self.panels() && input.len() == self.depth && result.len() == self.columns);
        let (level, depth, width) = (self.level, self.depth, self.panel_columns());
        let first = panel * width;
        let result = &mut result[first..(first + width).min(self.columns)];
        // SAFETY: lengths were checked, each panel holds depth × width weights, and the level was detected.
        unsafe {
            match &self.weights {
                Stored::F32(weights) => {
                    add_f32(
                        level,
                        weights.pointer().add(first * depth),
                        depth,
                        input.as_ptr(),
                        result.as_mut_ptr(),
                        result.len(),
                    );
                }
                Stored::F16(weights) => {
                    add_f16(
                        level,
                        weights.pointer().add(first * depth),
                        depth,
                        input.as_ptr(),
                        result.as_mut_ptr(),
                        result.len(),
                    );
                }
                Stored::Int8 { weights, scales } => {
                    let groups = depth.div_ceil(INT8_GROUP);
                    assert_eq!(rounded.groups.len(), groups);
                    let mut sums = [0; INT8_COLUMNS];
                    let weights = weights.pointer().add(first * groups * INT8_GROUP);
                    match level {
                        #[cfg(target_arch = "x86_64")]
                        Level::Avx512Vnni => x86::sum_vnni(weights, &rounded.groups, &mut sums),
                        #[cfg(target_arch = "x86_64")]
                        Level::Avx2 | Level::Avx512 => {
                            x86::sum_avx2(weights, &rounded.groups, &mut sums)
                        }
                        _ => sum_portable(weights, &rounded.groups, &mut sums),
                    }
                    // Sums stay below 2²⁴ for any depth up to 1040, where f32 is exact; beyond they round once.
                    for ((result, sum), scale) in result.iter_mut().zip(sums).zip(&scales[first..])
                    {
                        *result += sum as f32 * scale;
                    }
                }
            }
        }
    }

    fn panel_columns(&self) -> usize {
        match self.weights {
            Stored::Int8 { .. } => INT8_COLUMNS,
            _ => self.level.width() * VECTORS,
        }
    }
}

/// An input rounded to int8, four values to a word.
#[derive(Clone, Debug, Default)]
pub struct RoundedInput {
    groups: Vec<[i8; INT8_GROUP]>,
}

impl RoundedInput {
    /// Room for inputs of up to `depth` values, so that rounding them never allocates.
    pub fn with_depth(depth: usize) -> Self {
        Self {
            groups: Vec::with_capacity(depth.div_ceil(INT8_GROUP)),
        }
    }

    fn fill(&mut self, input: &[f32]) {
        self.groups.clear();
        self.groups.extend(input.chunks(INT8_GROUP).map(|values| {
            let mut group = [0; INT8_GROUP];
            for (rounded, value) in group.iter_mut().zip(values) {
                *rounded = round_int8(value * INT8_INPUT_MAX);
            }
            group
        }));
    }
}

/// To the nearest whole number, halves to the even one; beyond ±127 (never, for a trained network) to ±127.
#[inline(always)]
fn round_int8(value: f32) -> i8 {
    // Adding 1.5·2²³ rounds; `round_ties_even` calls a library function where SSE4.1 is not assumed. `as` saturates.
    let magic = 12_582_912.0_f32;
    ((value.clamp(-127.0, 127.0) + magic) - magic) as i8
}

fn pack_int8(depth: usize, columns: usize, at: impl Fn(usize, usize) -> f32) -> Stored {
    let groups = depth.div_ceil(INT8_GROUP);
    let panels = columns.div_ceil(INT8_COLUMNS);
    let mut lines = Lines::<i8>::zero(panels * groups * INT8_COLUMNS * INT8_GROUP);
    let values = lines.values_mut();
    let mut scales = vec![0.0; panels * INT8_COLUMNS];
    for (n, scale) in scales.iter_mut().enumerate().take(columns) {
        let largest = (0..depth).map(|k| at(k, n).abs()).fold(0.0, f32::max);
        if largest == 0.0 {
            continue;
        }
        *scale = largest / 127.0 / INT8_INPUT_MAX;
        for k in 0..depth {
            let group =
                (n / INT8_COLUMNS * groups + k / INT8_GROUP) * INT8_COLUMNS + n % INT8_COLUMNS;
            values[group * INT8_GROUP + k % INT8_GROUP] = round_int8(at(k, n) * (127.0 / largest));
        }
    }
    Stored::Int8 {
        weights: lines,
        scales,
    }
}

for_each_level! {
    fn add_f32(panel: *const f32, depth: usize, input: *const f32, result: *mut f32, columns: usize) = add_f32_body
}

for_each_level! {
    fn add_f16(panel: *const u16, depth: usize, input: *const f32, result: *mut f32, columns: usize) = add_f16_body
}

#[inline(always)]
unsafe fn add_f32_body<L: Lanes>(
    panel: *const f32,
    depth: usize,
    input: *const f32,
    result: *mut f32,
    columns: usize,
) {
    // SAFETY: the caller's promise.
    unsafe { add_floats::<L, f32>(panel, depth, input, result, columns, |from| L::load(from)) }
}

#[inline(always)]
unsafe fn add_f16_body<L: Lanes>(
    panel: *const u16,
    depth: usize,
    input: *const f32,
    result: *mut f32,
    columns: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        add_floats::<L, u16>(panel, depth, input, result, columns, |from| {
            L::load_half(from)
        })
    }
}

/// One panel: `columns` sums of its width.
#[inline(always)]
unsafe fn add_floats<L: Lanes, T>(
    panel: *const T,
    depth: usize,
    input: *const f32,
    result: *mut f32,
    columns: usize,
    load: impl Fn(*const T) -> L::Vector,
) {
    let width = L::WIDTH * VECTORS;
    // Through the stack, for the last panel when it is not full.
    let mut whole = [0.0_f32; 16 * VECTORS];
    // SAFETY: the caller promises `depth` inputs, a whole panel and `columns` results, at most `width`.
    unsafe {
        std::ptr::copy_nonoverlapping(result, whole.as_mut_ptr(), columns);
        let mut sums = [L::splat(0.0); VECTORS];
        for (vector, sum) in sums.iter_mut().enumerate() {
            *sum = L::load(whole.as_ptr().add(vector * L::WIDTH));
        }
        for k in 0..depth {
            let value = L::splat(*input.add(k));
            let row = panel.add(k * width);
            for (vector, sum) in sums.iter_mut().enumerate() {
                *sum = L::mul_add(value, load(row.add(vector * L::WIDTH)), *sum);
            }
        }
        for (vector, sum) in sums.iter().enumerate() {
            L::store(whole.as_mut_ptr().add(vector * L::WIDTH), *sum);
        }
        std::ptr::copy_nonoverlapping(whole.as_ptr(), result, columns);
    }
}

/// # Safety
/// `weights` holds a panel of as many groups as `input`.
unsafe fn sum_portable(
    weights: *const i8,
    input: &[[i8; INT8_GROUP]],
    sums: &mut [i32; INT8_COLUMNS],
) {
    for (group, input) in input.iter().enumerate() {
        // SAFETY: the caller's promise.
        let weights = unsafe {
            &*weights
                .add(group * INT8_COLUMNS * INT8_GROUP)
                .cast::<[[i8; INT8_GROUP]; INT8_COLUMNS]>()
        };
        for (sum, weights) in sums.iter_mut().zip(weights) {
            *sum += weights
                .iter()
                .zip(input)
                .map(|(&w, &x)| i32::from(w) * i32::from(x))
                .sum::<i32>();
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{INT8_COLUMNS, INT8_GROUP, VECTORS};
    use std::arch::x86_64::*;

    /// |x| · (w · sign x): unsigned times signed as the instruction wants it. No pair reaches 2¹⁵: 2 · 127 · 127 =
    /// 32,258.
    ///
    /// # Safety
    /// AVX2; `weights` holds a panel of as many groups as `input`.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn sum_avx2(
        weights: *const i8,
        input: &[[i8; INT8_GROUP]],
        sums: &mut [i32; INT8_COLUMNS],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let ones = _mm256_set1_epi16(1);
            let mut totals = [_mm256_setzero_si256(); VECTORS];
            for (group, input) in input.iter().enumerate() {
                let x = _mm256_set1_epi32(i32::from_ne_bytes(input.map(i8::cast_unsigned)));
                let x_abs = _mm256_abs_epi8(x);
                let row = weights
                    .add(group * INT8_COLUMNS * INT8_GROUP)
                    .cast::<__m256i>();
                for (vector, total) in totals.iter_mut().enumerate() {
                    let w = _mm256_sign_epi8(_mm256_load_si256(row.add(vector)), x);
                    let pairs = _mm256_maddubs_epi16(x_abs, w);
                    *total = _mm256_add_epi32(*total, _mm256_madd_epi16(pairs, ones));
                }
            }
            for (vector, total) in totals.iter().enumerate() {
                _mm256_storeu_si256(sums.as_mut_ptr().add(vector * 8).cast(), *total);
            }
        }
    }

    /// VNNI multiplies unsigned by signed four at a time: (x + 128) · w − 128 · Σ w.
    ///
    /// # Safety
    /// AVX-512 VNNI; `weights` holds a panel of as many groups as `input`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) unsafe fn sum_vnni(
        weights: *const i8,
        input: &[[i8; INT8_GROUP]],
        sums: &mut [i32; INT8_COLUMNS],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let half = _mm512_set1_epi8(-128);
            // Two sets of sums, so that eight additions are under way at once.
            let mut totals = [_mm512_setzero_si512(); 4];
            let mut offsets = [_mm512_setzero_si512(); 4];
            for (group, input) in input.iter().enumerate() {
                // Adding 128 is flipping the top bit.
                let x = _mm512_xor_si512(
                    _mm512_set1_epi32(i32::from_ne_bytes(input.map(i8::cast_unsigned))),
                    half,
                );
                let row = weights
                    .add(group * INT8_COLUMNS * INT8_GROUP)
                    .cast::<__m512i>();
                for vector in 0..4 {
                    let w = _mm512_load_si512(row.add(vector));
                    totals[vector] = _mm512_dpbusd_epi32(totals[vector], x, w);
                    offsets[vector] = _mm512_dpbusd_epi32(offsets[vector], half, w);
                }
            }
            for vector in 0..4 {
                _mm512_storeu_si512(
                    sums.as_mut_ptr().add(vector * 16).cast(),
                    _mm512_sub_epi32(totals[vector], offsets[vector]),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_the_sum_it_should_be_with_the_same_bits_on_every_level() {
        for (depth, columns) in [(1, 1), (30, 93), (256, 200)] {
            let weight = |k: usize, n: usize| ((k * 31 + n * 17) % 101) as f32 / 101.0 - 0.5;
            let input: Vec<f32> = (0..depth)
                .map(|k| ((k * 7919 % 1009) as f32 - 504.0) / 505.0)
                .collect();
            for (storage, tolerance) in [
                (Storage::F32, 1e-5),
                (Storage::F16, 2e-2),
                (Storage::Int8, 8e-2),
            ] {
                let mut first_bits: Option<Vec<u32>> = None;
                for level in Level::available() {
                    let matrix = ColumnMatrix::new(level, storage, depth, columns, weight);
                    let mut result = vec![0.25; columns];
                    matrix.add_product(&input, &mut result, &mut RoundedInput::with_depth(depth));
                    for (n, found) in result.iter().enumerate() {
                        let exact: f32 =
                            0.25 + (0..depth).map(|k| input[k] * weight(k, n)).sum::<f32>();
                        assert!(
                            (found - exact).abs() < tolerance,
                            "{storage:?} {level:?} column {n}: {found} for {exact}"
                        );
                    }
                    let bits: Vec<u32> = result.iter().map(|value| value.to_bits()).collect();
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
    fn the_largest_int8_values_do_not_overflow() {
        let depth = 1024;
        for level in Level::available() {
            let matrix = ColumnMatrix::new(level, Storage::Int8, depth, 70, |_, n| {
                if n % 2 == 0 { 1.0 } else { -1.0 }
            });
            let mut result = vec![0.0; 70];
            matrix.add_product(
                &vec![-1.0; depth],
                &mut result,
                &mut RoundedInput::default(),
            );
            assert_eq!(result[..2], [-1024.0, 1024.0], "{level:?}");
        }
    }
}
