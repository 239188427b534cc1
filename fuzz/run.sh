#!/usr/bin/env bash
# Makes seeds by commands, then runs every target with AddressSanitizer, and prints what each run did.
# Usage: fuzz/run.sh [EXECUTIONS A TARGET] [TARGET ...]     (10,000,000 and all without)
# Needs `rustup toolchain install nightly` and `cargo install cargo-fuzz`. PROFILE=--dev builds without optimisation.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-10000000}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo +nightly fuzz list)
ceilid=${CEILID:-target/release/ceilid}

seed() { mkdir -p "fuzz/corpus/$1" && cp "${@:2}" "fuzz/corpus/$1/"; }
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
for number in 1 2 3; do "$ceilid" -q generate --seed "$number" -o "$made/$number.abc"; done
"$ceilid" explain --json bar-short >/dev/null
"$ceilid" explain | cut -d' ' -f1 | while read -r code; do
  "$ceilid" explain "$code" | sed -n 's/^    //p' >"$made/$code.abc"
done
for target in abc manners picture; do seed "$target" "$made"/*.abc; done
"$ceilid" -q model export folk --bits 16 -o "$made/folk.safetensors"
head -c 20000 "$made/folk.safetensors" >"$made/head.safetensors"
seed model "$made/head.safetensors"
"$ceilid" -q soundfont build -o "$made/band.sf2"
head -c 50000 "$made/band.sf2" >"$made/head.sf2"
seed soundfont "$made/head.sf2"
seed config data/systemd/ceilid.toml
echo '{"dance":"jig","tempo_scale":1.2,"mute":["drum"]}' >"$made/patch.json"
seed settings "$made/patch.json"
printf '\xfa\xf8\xb0\x07\x40\xf2\x01\x02\xfc' >"$made/wire"
seed midi_in "$made/wire"

for target in "${targets[@]}"; do
  # shellcheck disable=SC2086 # none, or one word
  cargo +nightly fuzz run ${PROFILE:-} "$target" -- -runs="$runs" -timeout=20 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
    2>&1 | tee "fuzz/$target.log" | grep -E 'ERROR|panicked|stat::(number_of_executed|peak_rss|slowest)' | sed "s/^/$target: /"
done
