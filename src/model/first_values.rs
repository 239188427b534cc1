//! What the weights of a network are before it has learnt anything.
//!
//! In: noise. Out: the values of one tensor. Does not know which tensor it is.

use super::noise::Noise;

/// Even within ±√(6 / inputs and outputs) (Glorot and Bengio 2010).
pub(super) fn fill_glorot(fan: usize, noise: Noise, values: &mut [f32]) {
    fill_uniform((6.0 / fan as f64).sqrt(), noise, values);
}

/// Of a layer's bias, zero until now: 1 for the forget gate, so that a cell remembers until it learns to forget
/// (Jozefowicz et al. 2015).
pub(super) fn fill_forget_bias(values: &mut [f32]) {
    let hidden = values.len() / 4;
    values[hidden..2 * hidden].fill(1.0);
}

/// Even within ± the bound.
pub(super) fn fill_uniform(bound: f64, noise: Noise, values: &mut [f32]) {
    for (at, value) in values.iter_mut().enumerate() {
        *value = (bound * (2.0 * noise.uniform(at as u64) - 1.0)) as f32;
    }
}

/// Normal with mean 0.
pub(super) fn fill_normal(deviation: f64, noise: Noise, values: &mut [f32]) {
    for (at, value) in values.iter_mut().enumerate() {
        *value = (deviation * noise.normal(at as u64)) as f32;
    }
}

/// A square matrix of random orthonormal rows (Saxe et al. 2014): Gram and Schmidt, twice over, which is exact to
/// rounding.
pub(super) fn fill_orthogonal(square: &mut [f32], size: usize, noise: Noise) {
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(size);
    for row in 0..size {
        let mut new: Vec<f64> = (0..size)
            .map(|column| noise.normal((row * size + column) as u64))
            .collect();
        for _ in 0..2 {
            for earlier in &rows {
                let overlap: f64 = new.iter().zip(earlier).map(|(a, b)| a * b).sum();
                new.iter_mut()
                    .zip(earlier)
                    .for_each(|(a, b)| *a -= overlap * b);
            }
        }
        let length = new.iter().map(|value| value * value).sum::<f64>().sqrt();
        new.iter_mut().for_each(|value| *value /= length);
        rows.push(new);
    }
    for (value, exact) in square.iter_mut().zip(rows.iter().flatten()) {
        *value = *exact as f32;
    }
}
