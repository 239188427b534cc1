//! In: a matrix of weights, packed once, and rows to multiply with it many times. Out: rows · matrix. Packing is
//! split over threads, products are not.
//!
//! The `gemm` crate packs its right side on every call, which for the few rows of one LSTM step costs more than the
//! product.

use super::lanes::Lanes;
use super::{Level, for_each_level};
use rayon::prelude::*;

/// Rows of a register tile: 6 rows × 2 vectors fill 12 of the 16 vector registers of AVX2.
const TILE_ROWS: usize = 6;
/// Vectors across a register tile.
const TILE_VECTORS: usize = 2;
/// Rows taken at a time: their `DEPTH_BLOCK` values (48 KiB) stay in the L2 cache while all weights pass by.
const ROW_BLOCK: usize = 48;
/// Depth taken at a time: with 16 columns, a piece of a panel (16 KiB) and 6 rows (6 KiB) stay in a 32 KiB L1 cache.
const DEPTH_BLOCK: usize = 256;

/// A `(depth, columns)` matrix laid out as the kernel reads it: panels of two vectors of columns, zero-padded at the
/// end.
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    level: Level,
    depth: usize,
    columns: usize,
    /// `(panel, depth, panel width)`
    panels: Vec<Line>,
}

/// 64 bytes on a cache line, so that no vector of weights crosses one.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
struct Line([f32; LINE]);
const LINE: usize = 16;

/// What the sums begin with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start<'a> {
    /// Zero: the result is overwritten.
    Zero,
    /// What stands in the result: the product is added to it.
    Result,
    /// The same row of `columns` values for each row of the result, which is overwritten.
    Row(&'a [f32]),
}

/// Rows of equal length inside a larger slice: row `r` is `values[r * stride..][..length]`.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    pub count: usize,
    pub stride: usize,
}

impl PackedMatrix {
    /// No matrix yet: to be filled by [`Self::pack_transposed`] or [`Self::pack_straight`].
    pub fn empty(level: Level) -> Self {
        Self {
            level,
            depth: 0,
            columns: 0,
            panels: Vec::new(),
        }
    }

    /// Packs `weights` of shape `(columns, depth)`, as PyTorch stores them, so that [`Self::multiply`] gives x · Wᵀ.
    pub fn transposed(level: Level, weights: &[f32], columns: usize, depth: usize) -> Self {
        let mut packed = Self::empty(level);
        packed.pack_transposed(weights, columns, depth);
        packed
    }

    /// Packs `weights` of shape `(depth, columns)`, so that [`Self::multiply`] gives x · W.
    #[cfg(test)]
    pub fn straight(level: Level, weights: &[f32], depth: usize, columns: usize) -> Self {
        let mut packed = Self::empty(level);
        packed.pack_straight(weights, depth, columns);
        packed
    }

    /// [`Self::transposed`] in the memory of what was packed before.
    pub fn pack_transposed(&mut self, weights: &[f32], columns: usize, depth: usize) {
        assert_eq!(weights.len(), columns * depth);
        self.pack(depth, columns, |k, n| weights[n * depth + k]);
    }

    /// Packs `weights` of shape `(depth, columns)`, so that [`Self::multiply`] gives x · W, in the memory of what was
    /// packed before.
    pub fn pack_straight(&mut self, weights: &[f32], depth: usize, columns: usize) {
        assert_eq!(weights.len(), columns * depth);
        self.pack(depth, columns, |k, n| weights[k * columns + n]);
    }

    fn pack(&mut self, depth: usize, columns: usize, at: impl Fn(usize, usize) -> f32 + Sync) {
        (self.depth, self.columns) = (depth, columns);
        let width = self.level.width() * TILE_VECTORS;
        let panel_count = columns.div_ceil(width);
        // Zero where nothing is written below: the columns beyond the last.
        self.panels.clear();
        self.panels
            .resize(panel_count * depth * width / LINE, Line([0.0; LINE]));
        let panels = self.panels.par_chunks_mut((depth * width / LINE).max(1));
        panels.enumerate().for_each(|(panel, lines)| {
            let first = panel * width;
            for k in 0..depth {
                for column in 0..width.min(columns - first) {
                    let place = k * width + column;
                    lines[place / LINE].0[place % LINE] = at(k, first + column);
                }
            }
        });
    }

    /// `result (rows, columns)` = `start` + `left (rows, depth)` · self; the depth is not zero.
    ///
    /// Each value is summed over the depth in order, one rounding a term, whatever the rows beside it and whatever the
    /// instruction set: the bits do not depend on how many rows are asked for at once.
    pub fn multiply(
        &self,
        left: &[f32],
        left_rows: Rows,
        result: &mut [f32],
        result_rows: Rows,
        start: Start<'_>,
    ) {
        assert!(left_rows.count == result_rows.count && self.depth > 0);
        if left_rows.count == 0 {
            return;
        }
        assert!(
            left_rows.stride >= self.depth
                && left.len() >= (left_rows.count - 1) * left_rows.stride + self.depth
        );
        assert!(
            result_rows.stride >= self.columns
                && result.len() >= (result_rows.count - 1) * result_rows.stride + self.columns
        );
        // SAFETY: the lengths were checked just above.
        unsafe {
            self.multiply_pointers(
                left.as_ptr(),
                left_rows.stride,
                result.as_mut_ptr(),
                result_rows.stride,
                left_rows.count,
                start,
            )
        };
    }

    /// [`Self::multiply`] on pointers.
    ///
    /// # Safety
    /// `left` is valid for `rows` rows of `depth` values that are `left_stride` apart, `result` likewise for `columns`.
    pub(super) unsafe fn multiply_pointers(
        &self,
        left: *const f32,
        left_stride: usize,
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
        // SAFETY: the panels hold `depth` × `columns` rounded up; the rest is the caller's promise. The level was
        // detected.
        unsafe {
            multiply(
                self.level,
                self.panels.as_ptr().cast(),
                self.depth,
                self.columns,
                left,
                left_stride,
                result,
                result_stride,
                rows,
                first,
                first_stride,
            );
        }
    }
}

for_each_level! {
    fn multiply(
        panels: *const f32,
        depth: usize,
        columns: usize,
        left: *const f32,
        left_stride: usize,
        result: *mut f32,
        result_stride: usize,
        rows: usize,
        first: *const f32,
        first_stride: usize,
    ) = multiply_body
}

/// `first`: what the sums begin with, rows `first_stride` apart, or null for zero.
#[inline(always)]
#[allow(
    clippy::too_many_arguments,
    reason = "strides and lengths of raw matrices"
)]
unsafe fn multiply_body<L: Lanes>(
    panels: *const f32,
    depth: usize,
    columns: usize,
    left: *const f32,
    left_stride: usize,
    result: *mut f32,
    result_stride: usize,
    rows: usize,
    first: *const f32,
    first_stride: usize,
) {
    let width = L::WIDTH * TILE_VECTORS;
    for block_row in (0..rows).step_by(ROW_BLOCK) {
        let rows = ROW_BLOCK.min(rows - block_row);
        let tile_count = rows.div_ceil(TILE_ROWS);
        for from in (0..depth).step_by(DEPTH_BLOCK) {
            let block = DEPTH_BLOCK.min(depth - from);
            for panel in 0..columns.div_ceil(width) {
                let column = panel * width;
                let mut row = block_row;
                for tile in 0..tile_count {
                    // Tiles as even as possible: 16 rows are 6 + 5 + 5, and each still hides the latency of the
                    // multiply-add.
                    let tile_rows = rows / tile_count + usize::from(tile < rows % tile_count);
                    // SAFETY: rows and columns stay within what the caller promises; `columns - column` limits what
                    // is written.
                    unsafe {
                        let weights = panels.add((panel * depth + from) * width);
                        let left = (left.add(row * left_stride + from), left_stride);
                        let result = (result.add(row * result_stride + column), result_stride);
                        let first = match from {
                            0 if first.is_null() => (first, 0),
                            0 => (first.add(row * first_stride + column), first_stride),
                            _ => (result.0.cast_const(), result_stride),
                        };
                        let columns = width.min(columns - column);
                        match tile_rows {
                            6 => tile_body::<L, 6>(weights, block, left, result, first, columns),
                            5 => tile_body::<L, 5>(weights, block, left, result, first, columns),
                            4 => tile_body::<L, 4>(weights, block, left, result, first, columns),
                            3 => tile_body::<L, 3>(weights, block, left, result, first, columns),
                            2 => tile_body::<L, 2>(weights, block, left, result, first, columns),
                            _ => tile_body::<L, 1>(weights, block, left, result, first, columns),
                        }
                    }
                    row += tile_rows;
                }
            }
        }
    }
}

/// One register tile at the right edge or inside: `ROWS` rows × up to two vectors of columns.
#[inline(always)]
unsafe fn tile_body<L: Lanes, const ROWS: usize>(
    panel: *const f32,
    depth: usize,
    left: (*const f32, usize),
    (result, result_stride): (*mut f32, usize),
    (first, first_stride): (*const f32, usize),
    columns: usize,
) {
    let width = L::WIDTH * TILE_VECTORS;
    // SAFETY: the caller promises `ROWS` rows, and `columns` of the result and of what it begins with.
    unsafe {
        if columns == width {
            return whole_tile_body::<L, ROWS>(
                panel,
                depth,
                left,
                (result, result_stride),
                (first, first_stride),
            );
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
        whole_tile_body::<L, ROWS>(
            panel,
            depth,
            left,
            (whole.as_mut_ptr(), width),
            (whole.as_ptr(), width),
        );
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
    depth: usize,
    (left, left_stride): (*const f32, usize),
    (result, result_stride): (*mut f32, usize),
    (first, first_stride): (*const f32, usize),
) {
    let width = L::WIDTH * TILE_VECTORS;
    // SAFETY: the caller promises `ROWS` rows of `depth` values, and whole rows of the panel and the result.
    unsafe {
        let mut sums = [[L::splat(0.0); TILE_VECTORS]; ROWS];
        if !first.is_null() {
            for (row, sums) in sums.iter_mut().enumerate() {
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = L::load(first.add(row * first_stride + vector * L::WIDTH));
                }
            }
        }
        for k in 0..depth {
            let weights = [
                L::load(panel.add(k * width)),
                L::load(panel.add(k * width + L::WIDTH)),
            ];
            for (row, sums) in sums.iter_mut().enumerate() {
                let value = L::splat(*left.add(row * left_stride + k));
                for (sum, weights) in sums.iter_mut().zip(weights) {
                    *sum = L::mul_add(value, weights, *sum);
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

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count)
            .map(|n| (((n + seed) * 7919 % 1009) as f32 - 504.0) / 504.0)
            .collect()
    }

    #[test]
    fn rows_times_matrix_is_the_sum_of_products_on_every_level() {
        for (rows, depth, columns) in [
            (1, 1, 1),
            (5, 7, 33),
            (16, 300, 40),
            (13, 64, 1),
            (101, 257, 16),
        ] {
            let (left, weights, start) = (
                numbers(rows * depth, 1),
                numbers(depth * columns, 2),
                numbers(rows * columns, 3),
            );
            let mut first_bits: Option<Vec<u32>> = None;
            for level in Level::available() {
                let packed = PackedMatrix::straight(level, &weights, depth, columns);
                let mut result = start.clone();
                let rows_of = |stride| Rows {
                    count: rows,
                    stride,
                };
                packed.multiply(
                    &left,
                    rows_of(depth),
                    &mut result,
                    rows_of(columns),
                    Start::Result,
                );
                for row in 0..rows {
                    for column in 0..columns {
                        let sum: f64 = (0..depth)
                            .map(|k| {
                                f64::from(left[row * depth + k])
                                    * f64::from(weights[k * columns + column])
                            })
                            .sum();
                        let expected = sum + f64::from(start[row * columns + column]);
                        assert!(
                            (f64::from(result[row * columns + column]) - expected).abs() < 1e-4,
                            "{level:?} {row} {column}"
                        );
                    }
                }
                let bits: Vec<u32> = result.iter().map(|value| value.to_bits()).collect();
                assert_eq!(
                    *first_bits.get_or_insert(bits.clone()),
                    bits,
                    "{level:?} gives the bits of the others"
                );
            }
        }
    }

    #[test]
    fn a_row_gives_the_same_bits_alone_and_among_others() {
        let (rows, depth, columns) = (9, 70, 50);
        let (left, weights) = (numbers(rows * depth, 1), numbers(depth * columns, 2));
        let packed = PackedMatrix::transposed(Level::detect(), &weights, columns, depth);
        let mut together = vec![0.0; rows * columns];
        packed.multiply(
            &left,
            Rows {
                count: rows,
                stride: depth,
            },
            &mut together,
            Rows {
                count: rows,
                stride: columns,
            },
            Start::Zero,
        );
        for row in 0..rows {
            let mut alone = vec![0.0; columns];
            let one = |stride| Rows { count: 1, stride };
            packed.multiply(
                &left[row * depth..],
                one(depth),
                &mut alone,
                one(columns),
                Start::Zero,
            );
            assert_eq!(alone, together[row * columns..][..columns]);
        }
    }
}
