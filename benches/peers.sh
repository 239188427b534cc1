#!/usr/bin/env bash
# Every peer that is installed, on the same work as ceilid, by turns; prints the table that docs/figures.md shows, with machine and date.
# A figure is the median of the rounds in seconds of processor time: computing (user) and what the system does for it, which for
# thousands of small files is making them. Peers that are missing are named and left out.
#   benches/peers.sh [CEILID] [ROUNDS] [BOOK.abc]
# Without a book, 5,000 tunes that ceilid writes itself. Networks have a comparison of their own: benches/compare_lstm.py.
set -euo pipefail
cd "$(dirname "$0")/.."
ceilid=$(realpath "${1:-target/release/ceilid}")
rounds=${2:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -n "${3:-}" ]; then
  cp "$3" "$work/book.abc"
else
  "$ceilid" -q generate -n 20 --seed 1 -o "$work/twenty.abc"
  for _ in $(seq 250); do cat "$work/twenty.abc"; done | awk '/^X:/ { $0 = "X:" ++number } 1' >"$work/book.abc"
fi
tunes=$(grep -c '^X:' "$work/book.abc")
"$ceilid" -q generate -n 3 --seed 1 --dance reel -o "$work/set.abc"
"$ceilid" -q convert "$work/set.abc" -o "$work/set.mid"
"$ceilid" -q soundfont build -o "$work/ceilid.sf2"

has() { command -v "$1" >/dev/null || { echo "$1 is not installed: left out" >&2; return 1; }; }

# one NAME CMD...: runs it in a folder that is empty, adds `user system` to the file of its name
one() {
  local name=$1
  shift
  rm -rf "$work/out"
  mkdir "$work/out"
  (cd "$work/out" && { /usr/bin/time -o "$work/time" -f '%U %S' "$@" >/dev/null 2>"$work/said" || true; })
  tail -n 1 "$work/time" >>"$work/times.$name"
}

# median NAME COLUMN
median() { awk -v c="$2" '{ print $c }' "$work/times.$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# row WORK PEER OURS THEIRS
row() {
  local ours_user ours_system user system
  ours_user=$(median "$3" 1) ours_system=$(median "$3" 2) user=$(median "$4" 1) system=$(median "$4" 2)
  awk -v w="$1" -v p="$2" -v a="$ours_user" -v b="$ours_system" -v c="$user" -v d="$system" 'BEGIN {
    printf "| %s | %s | %.2f + %.2f | %.2f + %.2f | %.1f | %.1f |\n", w, p, a, b, c, d, (a > 0 ? c / a : 0), (c + d) / (a + b) }'
}

for _ in $(seq "$rounds"); do
  one ceilid-midi "$ceilid" -q convert --plain --threads 1 "$work/book.abc" -o midi/
  if has abc2midi; then one abc2midi abc2midi "$work/book.abc"; fi
  if has python3 && python3 -c 'import music21' 2>/dev/null; then
    one music21 python3 -c 'import sys, music21
for n, s in enumerate(music21.converter.parse(sys.argv[1], format="abc").scores): s.write("midi", f"{n}.mid")' "$work/book.abc"
  fi
  if has node && node -e 'require("abcjs")' 2>/dev/null; then
    one abcjs node -e 'const a = require("abcjs"), f = require("fs");
new a.TuneBook(f.readFileSync(process.argv[1], "utf8")).tunes.forEach((t, n) => f.writeFileSync(n + ".mid",
  Buffer.from(a.synth.getMidiFile(t.abc, { midiOutputType: "binary" })[0])))' "$work/book.abc"
  fi
  one ceilid-score "$ceilid" -q convert --threads 1 "$work/book.abc" -o book.svg
  if has abcm2ps; then one abcm2ps abcm2ps -X -O book.xhtml "$work/book.abc"; fi
  one ceilid-sound "$ceilid" -q --soundfont "$work/ceilid.sf2" convert --threads 1 "$work/set.abc" -o set.wav
  if has fluidsynth; then one fluidsynth fluidsynth -ni -q -r 44100 -g 0.5 -R 1 -C 1 -F set.wav "$work/ceilid.sf2" "$work/set.mid"; fi
done 2> >(sort -u >&2)

echo "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores, $(date +'%-d %B %Y'), ceilid $("$ceilid" --version | cut -d' ' -f2); $tunes tunes, $rounds rounds"
echo
echo "| work | beside | ceilid: computing + system, s | the other, s | times as fast, computing | whole |"
echo "| --- | --- | --- | --- | --- | --- |"
for peer in abc2midi abcjs music21; do [ ! -e "$work/times.$peer" ] || row "a book → a .mid a tune" "$peer" ceilid-midi "$peer"; done
[ ! -e "$work/times.abcm2ps" ] || row "a book → sheet music, SVG" abcm2ps ceilid-score abcm2ps
[ ! -e "$work/times.fluidsynth" ] || row "a set → sound" FluidSynth ceilid-sound fluidsynth
