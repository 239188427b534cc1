#!/usr/bin/env bash
# The code that is read by machines of another kind: rings, fan-out, the kernels' portable paths and wire formats under Miri, which
# sees memory that is read or written wrongly, and threads that race. Needs `rustup component add --toolchain nightly miri rust-src`.
# `fuzz/miri.sh --target s390x-unknown-linux-gnu` runs the same as a big-endian machine would.
set -euo pipefail
cd "$(dirname "$0")/.."
export MIRIFLAGS="-Zmiri-disable-isolation"
cargo +nightly miri test --no-default-features --lib "$@" -- \
  output::fan_out output::midi_bytes output::synth::packed model::kernel::gates
