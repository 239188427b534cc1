#!/usr/bin/env bash
# Sets up what the tests need and runs all of them, unit and integration, with the test runner's own summary; then lists
# those that could not be run here. With CEILID_ALL_TESTS=1 none may be left out for a program that set_up.sh installs.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tests/set_up.sh --tests
skipped="${CARGO_TARGET_DIR:-target}/tmp/skipped-tests"
rm -f "$skipped"
cargo test --release --no-fail-fast
if [ -s "$skipped" ]; then
  echo "$(wc -l <"$skipped") tests were skipped:"
  cat "$skipped"
else
  echo "no test was skipped"
fi
