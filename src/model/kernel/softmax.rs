//! Softmax cross-entropy and its gradient in one pass.
//!
//! In: rows of logits and what came. Out: what each row cost, and the gradient of the logits. One vectorised pass.

use super::lanes::{Lanes, exp};
use super::{Level, for_each_level};

/// How a row was predicted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RowCost {
    /// −ln softmax(logits)\[target\]
    pub nats: f32,
    /// Whether the target's logit is the largest, the first of equals.
    pub is_correct: bool,
}

/// The cost of one row of logits, which become its gradient times `scale`: softmax − one-hot(target).
///
/// The bits are the same on every level.
///
/// # Panics
/// When `target` is not a class.
pub(crate) fn cross_entropy(
    level: Level,
    logits: &mut [f32],
    target: usize,
    scale: f32,
) -> RowCost {
    let target_logit = logits[target];
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let is_correct = logits.iter().position(|&logit| logit == largest) == Some(target);
    // SAFETY: the length is the slice's own, and the level was detected.
    unsafe { exponentials(level, logits.as_mut_ptr(), logits.len(), largest) };
    let sum: f32 = logits.iter().sum();
    let factor = scale / sum;
    logits.iter_mut().for_each(|value| *value *= factor);
    logits[target] -= scale;
    RowCost {
        nats: sum.ln() + largest - target_logit,
        is_correct,
    }
}

for_each_level! {
    /// Each value becomes e to the power of itself less `largest`.
    ///
    /// # Safety
    /// `values` is valid for `count` values.
    fn exponentials(values: *mut f32, count: usize, largest: f32) = exponentials_body
}

#[inline(always)]
unsafe fn exponentials_body<L: Lanes>(values: *mut f32, count: usize, largest: f32) {
    let mut at = 0;
    while at < count {
        let width = L::WIDTH.min(count - at);
        let mut lanes = [0.0_f32; 16];
        // SAFETY: `at + width` stays within `count`, and no vector is wider than `lanes`.
        unsafe {
            std::ptr::copy_nonoverlapping(values.add(at), lanes.as_mut_ptr(), width);
            let less = L::sub(L::load(lanes.as_ptr()), L::splat(largest));
            L::store(lanes.as_mut_ptr(), exp::<L>(less));
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), values.add(at), width);
        }
        at += width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rows_cost_and_gradient_are_the_textbooks_on_every_level() {
        let logits: Vec<f32> = (0..93)
            .map(|n| ((n * 37 % 101) as f32 - 50.0) / 9.0)
            .collect();
        let mut first: Option<Vec<u32>> = None;
        for level in Level::available() {
            let mut gradient = logits.clone();
            let cost = cross_entropy(level, &mut gradient, 5, 0.5);
            let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
            assert!((f64::from(cost.nats) - (sum.ln() - f64::from(logits[5]))).abs() < 1e-5);
            for (n, &found) in gradient.iter().enumerate() {
                let share = f64::from(logits[n]).exp() / sum - f64::from(u8::from(n == 5));
                assert!(
                    (f64::from(found) - 0.5 * share).abs() < 1e-6,
                    "{level:?} {n}"
                );
            }
            let bits: Vec<u32> = gradient.iter().map(|value| value.to_bits()).collect();
            assert_eq!(*first.get_or_insert(bits.clone()), bits, "{level:?}");
        }
    }

    #[test]
    fn the_first_of_equals_is_the_likeliest() {
        for (target, is_correct) in [(0, false), (1, true), (2, false)] {
            let cost = cross_entropy(Level::detect(), &mut [0.0, 3.0, 3.0], target, 1.0);
            assert_eq!(cost.is_correct, is_correct);
        }
    }
}
