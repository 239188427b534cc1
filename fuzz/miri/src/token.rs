//! As much of tokens as the kernels know.

/// As in `token/characters.rs`.
pub type TokenId = u32;
