#!/usr/bin/env bash
# The code that machines of another kind read: the kernels' portable bodies, the ring that listeners share, and MIDI's wire
# under Miri, which sees memory that is read or written wrongly, and threads that race.
# Needs `rustup component add --toolchain nightly miri rust-src`. `fuzz/miri.sh --target s390x-unknown-linux-gnu` runs the same as a
# big-endian machine would, `--target i686-unknown-linux-gnu` as one of 32 bits. `fuzz/miri.sh -- kernel` takes other tests: the
# products of matrices and the packing of a font are a matter of hours.
set -euo pipefail
cd "$(dirname "$0")/miri"
export MIRIFLAGS="-Zmiri-disable-isolation ${MIRIFLAGS:-}"
case " $* " in *' -- '*) ;; *) set -- "$@" -- output::fan_out output::midi_bytes kernel::gates music:: ;; esac
cargo +nightly miri test --lib "$@"
