#!/usr/bin/env bash
# Sets up what the tests need and runs all of them, unit and integration, with the test runner's own summary.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tests/set_up.sh --tests
cargo test --release
