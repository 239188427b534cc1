//! The LSTM cell's gates, forward and backward.
//!
//! In: one row of gate pre-activations. Out: the cell update and its derivative, in one vectorised pass. Does no
//! matrix products.
//!
//! Gate order is PyTorch's: input i, forget f, candidate g, output o, each `hidden` wide.

use super::for_each_level;
use super::lanes::{Lanes, sigmoid, tanh};

for_each_level! {
    /// One row of the cell: `z` (4·hidden) becomes the activations σ(i) σ(f) tanh(g) σ(o);
    /// c = f·c₋₁ + i·g, h = o·tanh(c).
    ///
    /// # Safety
    /// `z` is valid for 4·`hidden` values, the others for `hidden`; `cell_before` may be `cell`.
    fn forward(hidden: usize, z: *mut f32, cell_before: *const f32, cell: *mut f32, cell_tanh: *mut f32, output: *mut f32) = forward_body
}

#[inline(always)]
unsafe fn forward_body<L: Lanes>(
    hidden: usize,
    z: *mut f32,
    cell_before: *const f32,
    cell: *mut f32,
    cell_tanh: *mut f32,
    output: *mut f32,
) {
    let mut at = 0;
    while at < hidden {
        let count = L::WIDTH.min(hidden - at);
        // SAFETY: `at + count` stays within `hidden`.
        unsafe {
            let gate = |index: usize| z.add(index * hidden + at);
            let i = sigmoid::<L>(load::<L>(gate(0), count));
            let f = sigmoid::<L>(load::<L>(gate(1), count));
            let g = tanh::<L>(load::<L>(gate(2), count));
            let o = sigmoid::<L>(load::<L>(gate(3), count));
            let c = L::mul_add(f, load::<L>(cell_before.add(at), count), L::mul(i, g));
            let c_tanh = tanh::<L>(c);
            for (index, activation) in [i, f, g, o].into_iter().enumerate() {
                store::<L>(gate(index), activation, count);
            }
            store::<L>(cell.add(at), c, count);
            store::<L>(cell_tanh.add(at), c_tanh, count);
            store::<L>(output.add(at), L::mul(o, c_tanh), count);
        }
        at += count;
    }
}

for_each_level! {
    /// One row backwards: `z` (4·hidden) holds the activations and becomes the gradient of the pre-activations;
    /// `cell_gradient` comes in as ∂/∂c and leaves as ∂/∂c₋₁. The gradient of h is `output_gradient` +
    /// `recurrent_gradient`. What `z` becomes is also added to `bias_gradient`.
    ///
    /// # Safety
    /// `z` and `bias_gradient` are valid for 4·`hidden` values, the others for `hidden`.
    fn backward(
        hidden: usize,
        z: *mut f32,
        cell_before: *const f32,
        cell_tanh: *const f32,
        output_gradient: *const f32,
        recurrent_gradient: *const f32,
        cell_gradient: *mut f32,
        bias_gradient: *mut f32,
    ) = backward_body
}

#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the rows of one step")]
unsafe fn backward_body<L: Lanes>(
    hidden: usize,
    z: *mut f32,
    cell_before: *const f32,
    cell_tanh: *const f32,
    output_gradient: *const f32,
    recurrent_gradient: *const f32,
    cell_gradient: *mut f32,
    bias_gradient: *mut f32,
) {
    let mut at = 0;
    while at < hidden {
        let count = L::WIDTH.min(hidden - at);
        // SAFETY: `at + count` stays within `hidden`.
        unsafe {
            let gate = |index: usize| z.add(index * hidden + at);
            let one = L::splat(1.0);
            let (i, f) = (load::<L>(gate(0), count), load::<L>(gate(1), count));
            let (g, o) = (load::<L>(gate(2), count), load::<L>(gate(3), count));
            let c_tanh = load::<L>(cell_tanh.add(at), count);
            let dh = L::add(
                load::<L>(output_gradient.add(at), count),
                load::<L>(recurrent_gradient.add(at), count),
            );
            // σ' = σ(1 − σ), tanh' = 1 − tanh².
            let slope = |s| L::mul(s, L::sub(one, s));
            let slope_tanh = |t| L::sub(one, L::mul(t, t));
            let dc = L::mul_add(
                L::mul(dh, o),
                slope_tanh(c_tanh),
                load::<L>(cell_gradient.add(at), count),
            );
            let di = L::mul(L::mul(dc, g), slope(i));
            let df = L::mul(L::mul(dc, load::<L>(cell_before.add(at), count)), slope(f));
            let dg = L::mul(L::mul(dc, i), slope_tanh(g));
            let d_o = L::mul(L::mul(dh, c_tanh), slope(o));
            for (index, gradient) in [di, df, dg, d_o].into_iter().enumerate() {
                store::<L>(gate(index), gradient, count);
                let bias = bias_gradient.add(index * hidden + at);
                store::<L>(bias, L::add(load::<L>(bias, count), gradient), count);
            }
            store::<L>(cell_gradient.add(at), L::mul(dc, f), count);
        }
        at += count;
    }
}

/// The widest vector, for the ends of rows that do not fill one.
const WIDTH_MAX: usize = 16;

/// Loads `count` values; the lanes beyond are zero.
#[inline(always)]
unsafe fn load<L: Lanes>(from: *const f32, count: usize) -> L::Vector {
    // SAFETY: the caller promises `count` readable values.
    unsafe {
        if count == L::WIDTH {
            return L::load(from);
        }
        let mut lanes = [0.0_f32; WIDTH_MAX];
        std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
        L::load(lanes.as_ptr())
    }
}

/// Stores the first `count` lanes.
#[inline(always)]
unsafe fn store<L: Lanes>(to: *mut f32, vector: L::Vector, count: usize) {
    // SAFETY: the caller promises `count` writable values.
    unsafe {
        if count == L::WIDTH {
            return L::store(to, vector);
        }
        let mut lanes = [0.0_f32; WIDTH_MAX];
        L::store(lanes.as_mut_ptr(), vector);
        std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn the_cell_update_is_the_textbook_one_on_every_level() {
        // 19 units: full vectors of either width, and an end.
        let hidden = 19;
        let z: Vec<f32> = (0..4 * hidden)
            .map(|n| ((n * 37 % 101) as f32 - 50.0) / 9.0)
            .collect();
        let before: Vec<f32> = (0..hidden).map(|n| (n as f32 - 9.0) / 5.0).collect();
        let mut first_bits: Option<Vec<u32>> = None;
        for level in Level::available() {
            let mut activations = z.clone();
            let (mut c, mut c_tanh, mut h) =
                (vec![0.0; hidden], vec![0.0; hidden], vec![0.0; hidden]);
            // SAFETY: the buffers have the lengths asked for, and the level is available.
            unsafe {
                forward(
                    level,
                    hidden,
                    activations.as_mut_ptr(),
                    before.as_ptr(),
                    c.as_mut_ptr(),
                    c_tanh.as_mut_ptr(),
                    h.as_mut_ptr(),
                );
            }
            for unit in 0..hidden {
                let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
                let gate = |index: usize| f64::from(z[index * hidden + unit]);
                let cell =
                    sigmoid(gate(1)) * f64::from(before[unit]) + sigmoid(gate(0)) * gate(2).tanh();
                assert!(
                    (f64::from(c[unit]) - cell).abs() < 1e-6,
                    "{level:?} unit {unit}"
                );
                assert!(
                    (f64::from(h[unit]) - sigmoid(gate(3)) * cell.tanh()).abs() < 1e-6,
                    "{level:?} unit {unit}"
                );
            }
            let bits: Vec<u32> = h.iter().map(|value| value.to_bits()).collect();
            assert_eq!(
                *first_bits.get_or_insert(bits.clone()),
                bits,
                "{level:?} gives the bits of the others"
            );
        }
    }
}
