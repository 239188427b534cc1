#!/usr/bin/env bash
# The daemon's tests under ThreadSanitizer, standard library included. Needs `rustup component add --toolchain nightly rust-src`.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTFLAGS="-Zsanitizer=thread" CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/threads
cargo +nightly test -Zbuild-std --target x86_64-unknown-linux-gnu --no-default-features --lib -- daemon:: output::fan_out output::worker
