#!/usr/bin/env bash
# Makes seeds by commands, then runs every target with AddressSanitizer, and prints what each run did.
# Usage: fuzz/run.sh [EXECUTIONS A TARGET] [TARGET ...]     (10,000,000 and all without)
# Needs `rustup toolchain install nightly` and a C++ compiler, which builds libFuzzer; `cargo fuzz` knows the same targets. SECONDS_MAX
# bounds each target's time. What ends a target lies in fuzz/artifacts, and goes on being tried as a seed once it is mended.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-10000000}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(sed -n 's/^name = "\(.*\)"/\1/p' fuzz/Cargo.toml | grep -v '^ceilid')
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
ceilid=${CEILID:-target/release/ceilid}

# Counters at every edge and traced comparisons are what libFuzzer steers by; overflow and assertions are looked at, too.
counted="-Cpasses=sancov-module"
for option in level=4 inline-8bit-counters pc-table trace-compares; do counted+=" -Cllvm-args=-sanitizer-coverage-$option"; done
RUSTFLAGS="$counted -Zsanitizer=address -Cdebug-assertions --cfg fuzzing" \
  cargo +nightly build --release --manifest-path fuzz/Cargo.toml --target "$host"
built=${CARGO_TARGET_DIR:-fuzz/target}/$host/release

seed() { mkdir -p "fuzz/corpus/$1" && cp "${@:2}" "fuzz/corpus/$1/"; }
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
for number in 1 2 3; do "$ceilid" -q generate --seed "$number" -o "$made/$number.abc"; done
"$ceilid" explain | cut -d' ' -f1 | while read -r code; do
  "$ceilid" explain "$code" | sed -n 's/^    //p' >"$made/$code.abc"
done
for target in abc manners picture; do seed "$target" "$made"/*.abc; done
# Networks that are whole and small, of both kinds.
"$ceilid" -q generate -n 60 --seed 1 -o "$made/sixty.abc"
for preset in article folk; do
  "$ceilid" -q train --preset "$preset" --hidden 8 --layers 1 --epochs 1 --batch 2 --seq 16 "$made/sixty.abc" -o "$made/$preset.safetensors"
  seed model "$made/$preset.safetensors"
done
mkdir -p fuzz/corpus/soundfont
"$built/seeds" fuzz/corpus/soundfont
seed config data/systemd/ceilid.toml
echo '{"dance":"jig","tempo_scale":1.2,"mute":["drum"]}' >"$made/patch.json"
seed settings "$made/patch.json"
printf '\xfa\xf8\xb0\x07\x40\xf2\x01\x02\xfc' >"$made/wire"
seed midi_in "$made/wire"
printf '/ceilid/volume\0\0,f\0\0\x3f\0\0\0' >"$made/datagram"
seed osc "$made/datagram"
printf 'status\ncommand_list_ok_begin\nsetvol 50\nplaylistinfo 0:2\ncommand_list_end\nidle player\nnoidle\n' >"$made/lines"
seed mpd "$made/lines"
printf 'PATCH /api/settings\nhost: localhost:7424\ncontent-type: application/json\n\n{"dance":"jig"}' >"$made/patch"
printf 'POST /api/convert?to=sheet&times=1\nhost: localhost:7424\n\nX:1\nK:D\nDEF|\n' >"$made/convert"
printf 'GET /api/tunes/1.svg?width=340&tablature=whistle\nhost: localhost:7424\nrange: bytes=0-99\n\n' >"$made/picture"
seed http "$made/patch" "$made/convert" "$made/picture"

mkdir -p fuzz/artifacts
ended=0
for target in "${targets[@]}"; do
  # Leaks are looked for when it ends: a band that plays beside allocates between any two moments.
  "$built/$target" "fuzz/corpus/$target" -artifact_prefix="fuzz/artifacts/$target-" -runs="$runs" -max_total_time="${SECONDS_MAX:-0}" \
    -timeout=20 -rss_limit_mb=2048 -max_len=65536 -detect_leaks=0 -print_final_stats=1 2>"fuzz/$target.log" || ended=1
  # The last line of libFuzzer's own progress has the coverage: edges and features.
  echo "$target: $(grep -o 'cov: .* corp: [^ ]*' "fuzz/$target.log" | tail -1)"
  grep -E 'ERROR|panicked|^Done|stat::(number_of_executed|average_exec|peak_rss|slowest)' "fuzz/$target.log" | sed "s/^/$target: /" || true
done
exit $ended
