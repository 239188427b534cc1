#!/usr/bin/env bash
# Renders one set with ceilid and with FluidSynth: the same notes, the same SoundFont, reverb and chorus on, 44.1 kHz, 16 bits.
# Alternates the two, and prints for each round the seconds of audio a CPU second (user + system, whole process: reading, loudness
# and limiting included) and the peak memory. Needs fluidsynth and ffprobe.
# Usage: benches/compare_fluidsynth.sh [CEILID] [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/.."
ceilid=${1:-target/release/ceilid}
rounds=${2:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
font=$work/ceilid.sf2
"$ceilid" -q soundfont build -o "$font"

"$ceilid" -q --seed 1 generate -n 3 --dance reel -o "$work/set.abc"
"$ceilid" -q convert "$work/set.abc" -o "$work/set.mid"

# run NAME AUDIO CMD...: audio seconds over CPU seconds, and the peak memory
run() {
  local name=$1 audio=$2
  shift 2
  local user system kilobytes seconds
  read -r user system kilobytes < <({ /usr/bin/time -f '%U %S %M' "$@" >"$work/out" 2>"$work/err"; } 2>&1; tail -n 1 "$work/err")
  seconds=$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$audio")
  awk -v name="$name" -v s="$seconds" -v u="$user" -v y="$system" -v k="$kilobytes" \
    'BEGIN { printf "%-10s %6.1f s audio  %5.2f s CPU  %6.1f x  %6.1f MB\n", name, s, u + y, s / (u + y), k / 1024 }'
}

for _ in $(seq "$rounds"); do
  run ceilid "$work/ceilid.wav" "$ceilid" -q --soundfont "$font" convert --threads 1 "$work/set.abc" -o "$work/ceilid.wav"
  run fluidsynth "$work/fluid.wav" fluidsynth -ni -q -r 44100 -g 0.5 -R 1 -C 1 -F "$work/fluid.wav" "$font" "$work/set.mid"
done
