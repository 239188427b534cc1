//! The kernels: their portable bodies, for Miri has no AVX.

#[path = "../../../src/model/kernel/mod.rs"]
mod kernel;
