//! Rows times matrix, for teaching a network.
//!
//! In: a matrix, packed once, and rows to multiply with it many times. Out: rows · matrix, from f32 factors or from
//! factors rounded to bf16; sums are f32. Packing is split over threads, products are not.
//!
//! A general matrix product packs its right side on every call, which for the few rows of one LSTM step costs more than
//! the product.

use super::lanes::Lanes;
use super::{LINE, Level, Line, for_each_level};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Vectors across a register tile.
const TILE_VECTORS: usize = 2;
/// Most rows of a register tile: with two vectors they fill 16 of the 32 registers of AVX-512.
const TILE_ROWS: usize = 8;
/// The same where there are 16 registers.
const NARROW_TILE_ROWS: usize = 6;
/// Rows taken at a time: their `DEPTH_BLOCK` words (128 KiB) stay in the L2 cache while all weights pass by.
const ROW_BLOCK: usize = 128;
/// Rows that stand side by side where the left side is copied from columns: a cache line.
const SIDE_BY_SIDE: usize = LINE;
/// Words of depth taken at a time: with 16 columns, a piece of a panel (16 KiB) and 6 rows (6 KiB) stay in a 32 KiB L1
/// cache; with 32, in the L2 cache.
const DEPTH_BLOCK: usize = 256;
/// Blocks of depth from which on all rows pass by one block after the other, and not all depth by each block of rows.
const DEEP: usize = 8;

/// What the factors of a matrix product are rounded to. Sums, and all that is not a product, are f32 either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProductPrecision {
    /// Nothing.
    #[default]
    F32,
    /// 8 bits of mantissa: twice as many products an instruction on processors that have AVX-512 BF16. Others take apart
    /// what those have instructions for, with the same bits (sums below 10⁻³⁸ aside).
    Bf16,
}

/// A `(depth, columns)` matrix laid out as the kernel reads it: panels of two vectors of columns, the last filled up
/// with anything.
#[derive(Clone, Debug)]
pub(crate) struct PackedMatrix {
    level: Level,
    precision: ProductPrecision,
    depth: usize,
    columns: usize,
    /// Block by block of [`DEPTH_BLOCK`] words of depth `(panel, word, panel width)`: a word is one f32, or two bf16, the
    /// one of less depth in the low half.
    panels: Vec<Line>,
}

/// What the sums begin with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Start<'a> {
    /// Zero: the result is overwritten.
    Zero,
    /// What stands in the result: the product is added to it.
    Result,
    /// The same row of `columns` values for each row of the result, which is overwritten.
    Row(&'a [f32]),
}

/// Rows of equal length inside a larger slice: row `r` is `values[r * stride..][..length]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub count: usize,
    pub stride: usize,
}

/// Where the left side of a product stands: value `k` of row `r` is `values[r · row_stride + k · depth_stride]`; one of
/// the strides is 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub values: *const f32,
    pub row_stride: usize,
    pub depth_stride: usize,
}

impl PackedMatrix {
    /// No matrix yet: to be filled by [`Self::pack_transposed`] or [`Self::pack_straight`].
    pub(crate) fn empty(level: Level, precision: ProductPrecision) -> Self {
        Self {
            level,
            precision,
            depth: 0,
            columns: 0,
            panels: Vec::new(),
        }
    }

    /// Packs `weights` of shape `(columns, depth)`, as PyTorch stores them, so that [`Self::multiply`] gives x · Wᵀ, in the memory of what was
    /// packed before.
    pub(crate) fn pack_transposed(&mut self, weights: &[f32], columns: usize, depth: usize) {
        assert_eq!(weights.len(), columns * depth);
        let precision = self.precision;
        self.pack(depth, columns, |word, columns, line| {
            for (to, column) in line.iter_mut().zip(columns) {
                let column = &weights[column * depth..][..depth];
                *to = match precision {
                    ProductPrecision::F32 => column[word].to_bits(),
                    ProductPrecision::Bf16 => pair(
                        column[2 * word],
                        column.get(2 * word + 1).copied().unwrap_or(0.0),
                    ),
                };
            }
        });
    }

    /// Packs `weights` of shape `(depth, columns)`, so that [`Self::multiply`] gives x · W, in the memory of what was
    /// packed before.
    pub(crate) fn pack_straight(&mut self, weights: &[f32], depth: usize, columns: usize) {
        assert_eq!(weights.len(), columns * depth);
        let (level, precision, width) = (self.level, self.precision, columns);
        self.pack(depth, columns, |word, columns, line| match precision {
            ProductPrecision::F32 => {
                let row = &weights[word * width..][columns];
                line.iter_mut()
                    .zip(row)
                    .for_each(|(to, value)| *to = value.to_bits());
            }
            ProductPrecision::Bf16 => {
                let rows = &weights[2 * word * width..];
                let low = &rows[columns.clone()];
                let high = rows.get(width + columns.start..width + columns.end);
                let high = high.unwrap_or(&ZEROS[..low.len()]);
                assert!(low.len() == line.len() && high.len() == line.len());
                // SAFETY: the three are as long as each other, and no longer than a line; the level was detected.
                unsafe {
                    pair_rows(
                        level,
                        low.as_ptr(),
                        high.as_ptr(),
                        line.len(),
                        line.as_mut_ptr(),
                    )
                };
            }
        });
    }

    /// `fill(word of depth, columns, a line of them)`.
    fn pack(
        &mut self,
        depth: usize,
        columns: usize,
        fill: impl Fn(usize, Range<usize>, &mut [u32]) + Sync,
    ) {
        (self.depth, self.columns) = (depth, columns);
        let width = self.level.width() * TILE_VECTORS;
        let (words, panels) = (self.words(), columns.div_ceil(width));
        let lines_a_word = width / LINE;
        // What stands there from before is overwritten, but beyond the last column, which nobody looks at.
        self.panels
            .resize(words * panels * lines_a_word, Line([0; LINE]));
        let fill_word = |lines: &mut [Line], word: usize, panel: usize| {
            for (line, first) in lines.iter_mut().zip((panel * width..columns).step_by(LINE)) {
                let columns = first..columns.min(first + LINE);
                fill(word, columns.clone(), &mut line.0[..columns.len()]);
            }
        };
        if words <= DEPTH_BLOCK {
            let of_panels = self.panels.par_chunks_mut((words * lines_a_word).max(1));
            of_panels.enumerate().for_each(|(panel, lines)| {
                for (word, lines) in lines.chunks_exact_mut(lines_a_word).enumerate() {
                    fill_word(lines, word, panel);
                }
            });
            return;
        }
        // Word by word, as the rows of a deep matrix stand in memory.
        let blocks = self
            .panels
            .par_chunks_mut(DEPTH_BLOCK * panels * lines_a_word);
        blocks.enumerate().for_each(|(block, lines)| {
            let words = lines.len() / (panels * lines_a_word);
            for word in 0..words {
                for panel in 0..panels {
                    let lines = &mut lines[(panel * words + word) * lines_a_word..][..lines_a_word];
                    fill_word(lines, block * DEPTH_BLOCK + word, panel);
                }
            }
        });
    }

    /// Words that the depth fills.
    fn words(&self) -> usize {
        match self.precision {
            ProductPrecision::F32 => self.depth,
            ProductPrecision::Bf16 => self.depth.div_ceil(2),
        }
    }

    /// `result (rows, columns)` = `start` + `left (rows, depth)` · self; the depth is not zero.
    ///
    /// Each value is summed over the depth in order, one rounding a term (of two bf16 terms the second first), whatever
    /// the rows beside it and whatever the instruction set: the bits do not depend on how many rows are asked for at
    /// once.
    pub(crate) fn multiply(
        &self,
        left: &[f32],
        left_rows: Rows,
        result: &mut [f32],
        result_rows: Rows,
        start: Start<'_>,
    ) {
        assert!(left_rows.count == result_rows.count && left_rows.stride >= self.depth);
        self.multiply_strided(left, (left_rows.stride, 1), result, result_rows, start);
    }

    /// [`Self::multiply`] with the left side given by its columns, `(depth, rows)`, the first of each `depth` values
    /// `stride` after the other.
    pub(crate) fn multiply_columns(
        &self,
        left: &[f32],
        stride: usize,
        result: &mut [f32],
        result_rows: Rows,
        start: Start<'_>,
    ) {
        assert!(stride >= result_rows.count);
        self.multiply_strided(left, (1, stride), result, result_rows, start);
    }

    fn multiply_strided(
        &self,
        left: &[f32],
        (row_stride, depth_stride): (usize, usize),
        result: &mut [f32],
        rows: Rows,
        start: Start<'_>,
    ) {
        assert!(self.depth > 0);
        if rows.count == 0 {
            return;
        }
        let last_row = rows.count - 1;
        assert!(left.len() > last_row * row_stride + (self.depth - 1) * depth_stride);
        assert!(
            rows.stride >= self.columns && result.len() >= last_row * rows.stride + self.columns
        );
        let left = Left {
            values: left.as_ptr(),
            row_stride,
            depth_stride,
        };
        // SAFETY: the lengths were checked just above.
        unsafe {
            self.multiply_pointers(left, result.as_mut_ptr(), rows.stride, rows.count, start)
        };
    }

    /// [`Self::multiply`] on pointers.
    ///
    /// # Safety
    /// `left` is valid for `rows` rows of `depth` values, and `result` for as many of `columns` that are
    /// `result_stride` apart.
    pub(super) unsafe fn multiply_pointers(
        &self,
        left: Left,
        result: *mut f32,
        result_stride: usize,
        rows: usize,
        start: Start<'_>,
    ) {
        let (first, first_stride) = match start {
            Start::Zero => (std::ptr::null(), 0),
            Start::Result => (result.cast_const(), result_stride),
            Start::Row(row) => {
                assert_eq!(row.len(), self.columns);
                (row.as_ptr(), 0)
            }
        };
        let job = Job {
            panels: self.panels.as_ptr().cast(),
            depth: self.depth,
            columns: self.columns,
            left,
            rows,
            result,
            result_stride,
            first,
            first_stride,
        };
        // SAFETY: the panels hold `depth` × `columns` rounded up; the rest is the caller's promise. The level was
        // detected.
        unsafe {
            match (self.precision, self.level) {
                (ProductPrecision::F32, level) => multiply_f32(level, &job),
                #[cfg(target_arch = "x86_64")]
                (ProductPrecision::Bf16, Level::Avx512Bf16) => x86::multiply_bf16(&job),
                (ProductPrecision::Bf16, level) => multiply_bf16(level, &job),
            }
        }
    }
}

/// To bf16, in the upper half: to the nearest, halves to the even one; the lower half is anything.
#[inline(always)]
fn round_bf16(value: f32) -> u32 {
    let bits = value.to_bits();
    bits.wrapping_add(0x7FFF + (bits >> 16 & 1))
}

/// Two bf16 in a word.
#[inline(always)]
fn pair(low: f32, high: f32) -> u32 {
    round_bf16(low) >> 16 | round_bf16(high) & 0xFFFF_0000
}

for_each_level! {
    /// # Safety
    /// `low`, `high` and `words` are valid for `count`, at most [`LINE`].
    fn pair_rows(low: *const f32, high: *const f32, count: usize, words: *mut u32) = pair_rows_body
}

/// Two rows of f32 as one of pairs.
#[inline(always)]
unsafe fn pair_rows_body<L: Lanes>(
    low: *const f32,
    high: *const f32,
    count: usize,
    words: *mut u32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if count < LINE {
            for n in 0..count {
                *words.add(n) = pair(*low.add(n), *high.add(n));
            }
            return;
        }
        // As arrays, so that the compiler sees vectors.
        let low = low.cast::<[f32; LINE]>().read();
        let high = high.cast::<[f32; LINE]>().read();
        let mut pairs = [0; LINE];
        for (pair_of, (&low, &high)) in pairs.iter_mut().zip(low.iter().zip(&high)) {
            *pair_of = pair(low, high);
        }
        words.cast::<[u32; LINE]>().write(pairs);
    }
}

/// A product: what [`PackedMatrix::multiply_pointers`] was given.
pub(super) struct Job {
    panels: *const u32,
    depth: usize,
    columns: usize,
    left: Left,
    rows: usize,
    result: *mut f32,
    result_stride: usize,
    /// What the sums begin with, rows `first_stride` apart, or null for zero.
    first: *const f32,
    first_stride: usize,
}

for_each_level! {
    fn multiply_f32(job: &Job) = multiply_f32_body
}

for_each_level! {
    fn multiply_bf16(job: &Job) = multiply_bf16_body
}

#[inline(always)]
unsafe fn multiply_f32_body<L: Lanes>(job: &Job) {
    // SAFETY: the caller's promise.
    unsafe { multiply_body::<L, 1>(job, |left, weights, sum| L::mul_add(left, weights, sum)) }
}

#[inline(always)]
unsafe fn multiply_bf16_body<L: Lanes>(job: &Job) {
    // SAFETY: the caller's promise.
    unsafe {
        multiply_body::<L, 2>(job, |left, weights, sum| {
            let sum = L::mul_add(L::high_half(left), L::high_half(weights), sum);
            L::mul_add(L::low_half(left), L::low_half(weights), sum)
        })
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::lanes::Avx512;
    use super::{Job, multiply_body};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,avx512bf16,avx2,fma")]
    pub(super) unsafe fn multiply_bf16(job: &Job) {
        // SAFETY: the caller's promise; all 512 bits are a vector of bf16.
        unsafe {
            multiply_body::<Avx512, 2>(job, |left, weights, sum| {
                let pairs = |vector: __m512| std::mem::transmute::<__m512, __m512bh>(vector);
                _mm512_dpbf16_ps(sum, pairs(left), pairs(weights))
            });
        }
    }
}

/// Words of `GROUP` factors; `add(left, weights, sum)` adds their products to a vector of sums.
#[inline(always)]
unsafe fn multiply_body<L: Lanes, const GROUP: usize>(
    job: &Job,
    add: impl Fn(L::Vector, L::Vector, L::Vector) -> L::Vector + Copy,
) {
    let width = L::WIDTH * TILE_VECTORS;
    let words = job.depth.div_ceil(GROUP);
    let mut copied = [const { MaybeUninit::<u32>::uninit() }; ROW_BLOCK * DEPTH_BLOCK];
    let (row_blocks, depth_blocks) = (job.rows.div_ceil(ROW_BLOCK), words.div_ceil(DEPTH_BLOCK));
    for block in 0..row_blocks * depth_blocks {
        let (row_block, depth_block) = if depth_blocks < DEEP {
            (block / depth_blocks, block % depth_blocks)
        } else {
            (block % row_blocks, block / row_blocks)
        };
        let (first_row, from) = (row_block * ROW_BLOCK, depth_block * DEPTH_BLOCK);
        let rows = ROW_BLOCK.min(job.rows - first_row);
        let block = DEPTH_BLOCK.min(words - from);
        // SAFETY: rows, words and columns stay within what the caller promises.
        unsafe {
            let left = job.left.at(first_row, from * GROUP);
            let depth = (block * GROUP).min(job.depth - from * GROUP);
            let left = if GROUP == 1 && job.left.depth_stride == 1 {
                Words {
                    words: left.values.cast(),
                    row_stride: left.row_stride,
                    word_stride: 1,
                }
            } else if job.left.depth_stride == 1 {
                round_rows(left, rows, depth, copied.as_mut_ptr().cast())
            } else {
                copy_columns::<L, GROUP>(left, rows, depth, copied.as_mut_ptr().cast())
            };
            for panel in 0..job.columns.div_ceil(width) {
                let column = panel * width;
                let weights = (from * job.columns.div_ceil(width) + panel * block) * width;
                let weights = job.panels.add(weights).cast::<f32>();
                let columns = width.min(job.columns - column);
                // Tiles as even as possible, and none across rows that stand side by side.
                let mut row = 0;
                while row < rows {
                    let together = match left.word_stride {
                        1 => rows,
                        _ => (row / SIDE_BY_SIDE + 1) * SIDE_BY_SIDE,
                    };
                    let rest = rows.min(together) - row;
                    let most = if L::WIDTH == 16 {
                        TILE_ROWS
                    } else {
                        NARROW_TILE_ROWS
                    };
                    let tile_rows = rest.div_ceil(rest.div_ceil(most));
                    let place = (first_row + row) * job.result_stride + column;
                    let result = (job.result.add(place), job.result_stride);
                    let first = match from {
                        0 if job.first.is_null() => (job.first, 0),
                        0 => (
                            job.first.add((first_row + row) * job.first_stride + column),
                            job.first_stride,
                        ),
                        _ => (result.0.cast_const(), result.1),
                    };
                    let left = left.at(row);
                    match tile_rows {
                        8 => tile_body::<L, 8>(weights, block, left, result, first, columns, add),
                        7 => tile_body::<L, 7>(weights, block, left, result, first, columns, add),
                        6 => tile_body::<L, 6>(weights, block, left, result, first, columns, add),
                        5 => tile_body::<L, 5>(weights, block, left, result, first, columns, add),
                        4 => tile_body::<L, 4>(weights, block, left, result, first, columns, add),
                        3 => tile_body::<L, 3>(weights, block, left, result, first, columns, add),
                        2 => tile_body::<L, 2>(weights, block, left, result, first, columns, add),
                        _ => tile_body::<L, 1>(weights, block, left, result, first, columns, add),
                    }
                    row += tile_rows;
                }
            }
        }
    }
}

impl Left {
    /// From a row and a depth on.
    #[inline(always)]
    unsafe fn at(self, row: usize, depth: usize) -> Self {
        // SAFETY: the caller stays within the matrix.
        let values = unsafe {
            self.values
                .add(row * self.row_stride + depth * self.depth_stride)
        };
        Self { values, ..self }
    }
}

/// The left side as tiles read it: word `k` of row `r` is `words[r · row_stride + k · word_stride]`, but where rows
/// stand side by side each [`SIDE_BY_SIDE`] of them begin after all words of those before.
#[derive(Clone, Copy)]
struct Words {
    words: *const u32,
    row_stride: usize,
    word_stride: usize,
}

impl Words {
    /// From a row on.
    #[inline(always)]
    unsafe fn at(self, row: usize) -> Self {
        let place = match self.word_stride {
            1 => row * self.row_stride,
            _ => row / SIDE_BY_SIDE * SIDE_BY_SIDE * DEPTH_BLOCK + row % SIDE_BY_SIDE,
        };
        // SAFETY: the caller stays within the block.
        let words = unsafe { self.words.add(place) };
        Self { words, ..self }
    }
}

/// Rows of f32 as rows of bf16.
#[inline(always)]
unsafe fn round_rows(left: Left, rows: usize, depth: usize, copied: *mut u16) -> Words {
    for row in 0..rows {
        // SAFETY: the caller promises rows of `depth` values, and room for `ROW_BLOCK` rows of `DEPTH_BLOCK` words.
        unsafe {
            let from = left.values.add(row * left.row_stride);
            let to = copied.add(row * 2 * DEPTH_BLOCK);
            for k in 0..depth {
                *to.add(k) = (round_bf16(*from.add(k)) >> 16) as u16;
            }
            if depth % 2 == 1 {
                *to.add(depth) = 0;
            }
        }
    }
    Words {
        words: copied.cast(),
        row_stride: DEPTH_BLOCK,
        word_stride: 1,
    }
}

/// What stands beside the last value of an odd depth.
static ZEROS: [f32; LINE] = [0.0; LINE];

/// Rows that stand side by side in memory, words of `GROUP` factors of each.
#[inline(always)]
unsafe fn copy_columns<L: Lanes, const GROUP: usize>(
    left: Left,
    rows: usize,
    depth: usize,
    copied: *mut u32,
) -> Words {
    for first in (0..rows).step_by(SIDE_BY_SIDE) {
        let count = SIDE_BY_SIDE.min(rows - first);
        for (word, k) in (0..depth).step_by(GROUP).enumerate() {
            // SAFETY: the caller promises `depth` columns of rows, and room for `ROW_BLOCK` rows of `DEPTH_BLOCK`
            // words.
            unsafe {
                let low = left.values.add(k * left.depth_stride + first);
                let high = match k + 1 < depth {
                    true => low.add(left.depth_stride),
                    false => ZEROS.as_ptr(),
                };
                let to = copied.add(first * DEPTH_BLOCK + word * SIDE_BY_SIDE);
                if GROUP == 1 {
                    std::ptr::copy_nonoverlapping(low.cast(), to, count);
                } else {
                    pair_rows_body::<L>(low, high, count, to);
                }
            }
        }
    }
    Words {
        words: copied,
        row_stride: 1,
        word_stride: SIDE_BY_SIDE,
    }
}

/// One register tile at the right edge or inside: `ROWS` rows × up to two vectors of columns.
#[inline(always)]
unsafe fn tile_body<L: Lanes, const ROWS: usize>(
    panel: *const f32,
    words: usize,
    left: Words,
    (result, result_stride): (*mut f32, usize),
    (first, first_stride): (*const f32, usize),
    columns: usize,
    add: impl Fn(L::Vector, L::Vector, L::Vector) -> L::Vector + Copy,
) {
    let width = L::WIDTH * TILE_VECTORS;
    // SAFETY: the caller promises `ROWS` rows, and `columns` of the result and of what it begins with.
    unsafe {
        if columns == width {
            let result = (result, result_stride);
            let first = (first, first_stride);
            return whole_tile_body::<L, ROWS>(panel, words, left, result, first, add);
        }
        // The last panel: through a whole tile on the stack.
        let mut whole = [0.0_f32; TILE_ROWS * 2 * LINE];
        if !first.is_null() {
            for row in 0..ROWS {
                std::ptr::copy_nonoverlapping(
                    first.add(row * first_stride),
                    whole.as_mut_ptr().add(row * width),
                    columns,
                );
            }
        }
        let tile = whole.as_mut_ptr();
        whole_tile_body::<L, ROWS>(panel, words, left, (tile, width), (tile, width), add);
        for row in 0..ROWS {
            std::ptr::copy_nonoverlapping(
                whole.as_ptr().add(row * width),
                result.add(row * result_stride),
                columns,
            );
        }
    }
}

/// One whole register tile: `ROWS` rows × two vectors of columns.
#[inline(always)]
unsafe fn whole_tile_body<L: Lanes, const ROWS: usize>(
    panel: *const f32,
    words: usize,
    left: Words,
    (result, result_stride): (*mut f32, usize),
    (first, first_stride): (*const f32, usize),
    add: impl Fn(L::Vector, L::Vector, L::Vector) -> L::Vector + Copy,
) {
    let width = L::WIDTH * TILE_VECTORS;
    // SAFETY: the caller promises `ROWS` rows of `words` words, and whole rows of the panel and the result.
    unsafe {
        let mut sums = [[L::splat(0.0); TILE_VECTORS]; ROWS];
        if !first.is_null() {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = L::load(first.add(row * first_stride + vector * L::WIDTH));
                }
            }
        }
        for word in 0..words {
            let weights = [
                L::load(panel.add(word * width)),
                L::load(panel.add(word * width + L::WIDTH)),
            ];
            let values = left.words.add(word * left.word_stride).cast::<f32>();
            for (row, sums) in sums.iter_mut().enumerate() {
                let value = L::splat(*values.add(row * left.row_stride));
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = add(value, weights, *sum);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (vector, sum) in sums.iter().enumerate() {
                L::store(result.add(row * result_stride + vector * L::WIDTH), *sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRECISIONS: [ProductPrecision; 2] = [ProductPrecision::F32, ProductPrecision::Bf16];

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count)
            .map(|n| (((n + seed) * 7919 % 1009) as f32 - 504.0) / 504.0)
            .collect()
    }

    fn rows(count: usize, stride: usize) -> Rows {
        Rows { count, stride }
    }

    /// `(columns, rows)` of a matrix of `(rows, columns)`.
    fn turned(matrix: &[f32], columns: usize) -> Vec<f32> {
        (0..columns)
            .flat_map(|column| matrix.iter().skip(column).step_by(columns).copied())
            .collect()
    }

    /// By rows and by columns, from a matrix packed either way, on every level, from short and from deep sums.
    #[test]
    fn rows_times_matrix_is_the_sum_of_products_with_the_same_bits_however_it_is_asked() {
        for (count, depth, columns) in [
            (1, 1, 1),
            (5, 7, 33),
            (16, 300, 40),
            (13, 64, 1),
            (101, 257, 16),
            (50, 2600, 35),
            (20, 4500, 9),
        ] {
            for precision in PRECISIONS {
                let (left, weights, start) = (
                    numbers(count * depth, 1),
                    numbers(depth * columns, 2),
                    numbers(count * columns, 3),
                );
                let (by_columns, by_rows) = (turned(&left, depth), turned(&weights, columns));
                let factor = |value: f32| match precision {
                    ProductPrecision::F32 => f64::from(value),
                    ProductPrecision::Bf16 => f64::from(half::bf16::from_f32(value).to_f32()),
                };
                let exact = |row: usize, column: usize| {
                    let products = (0..depth).map(|k| {
                        factor(left[row * depth + k]) * factor(weights[k * columns + column])
                    });
                    products.sum::<f64>() + f64::from(start[row * columns + column])
                };
                let mut first: Option<Vec<f32>> = None;
                for level in Level::available() {
                    let mut packed = PackedMatrix::empty(level, precision);
                    packed.pack_straight(&weights, depth, columns);
                    let (left_rows, result_rows) = (rows(count, depth), rows(count, columns));
                    let mut found = start.clone();
                    packed.multiply(&left, left_rows, &mut found, result_rows, Start::Result);
                    let first = first.get_or_insert_with(|| found.clone());
                    assert_eq!(first, &found, "{level:?} gives the bits of the others");
                    for (place, found) in found.iter().enumerate() {
                        let exact = exact(place / columns, place % columns);
                        assert!(
                            (f64::from(*found) - exact).abs() < 1e-4 * (depth as f64).sqrt(),
                            "{level:?} {precision:?} {place}: {found} {exact}"
                        );
                    }
                    let mut found = start.clone();
                    packed.multiply_columns(
                        &by_columns,
                        count,
                        &mut found,
                        result_rows,
                        Start::Result,
                    );
                    assert_eq!(first, &found, "{level:?} {precision:?} by columns");
                    packed.pack_transposed(&by_rows, columns, depth);
                    let mut found = start.clone();
                    packed.multiply(&left, left_rows, &mut found, result_rows, Start::Result);
                    assert_eq!(first, &found, "{level:?} {precision:?} packed transposed");
                }
            }
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_alone_and_among_others() {
        let (count, depth, columns) = (9, 71, 50);
        let (left, weights) = (numbers(count * depth, 1), numbers(depth * columns, 2));
        for precision in PRECISIONS {
            let mut packed = PackedMatrix::empty(Level::detect(), precision);
            packed.pack_transposed(&weights, columns, depth);
            let mut together = vec![0.0; count * columns];
            packed.multiply(
                &left,
                rows(count, depth),
                &mut together,
                rows(count, columns),
                Start::Zero,
            );
            for (left, together) in left.chunks(depth).zip(together.chunks(columns)) {
                let mut alone = vec![0.0; columns];
                let (left_row, result_row) = (rows(1, depth), rows(1, columns));
                packed.multiply(left, left_row, &mut alone, result_row, Start::Zero);
                assert_eq!(alone, together);
            }
        }
    }

    /// Ties to even, as the processor's own conversion.
    #[test]
    fn numbers_are_rounded_to_bf16_as_the_half_crate_does() {
        for bits in (0x3F7F_0000_u32..0x3F82_0000)
            .step_by(0x4000)
            .chain([0x3F80_8001, 0xC2F7_FFFF])
        {
            let value = f32::from_bits(bits);
            let expected = half::bf16::from_f32(value).to_bits();
            assert_eq!((round_bf16(value) >> 16) as u16, expected, "{bits:x}");
        }
    }
}
