#!/usr/bin/env bash
# Prints the licences of all that the program is linked from: a line a crate, then the notices that the crates bring along, each text
# once. Nothing is fetched: the crates are those that the build took.
set -euo pipefail
cd "$(dirname "$0")/.."
crates() { cargo tree --locked --edges normal --target all --prefix none --format "$1" | sed 's/ (\*)$//' | sort -u; }

echo "ceilid is linked from these crates, each under the licence at its side. Their texts follow."
echo
crates '{p} | {l}' | sed 's/ ([^|]*) |/ |/; s/ | / — /' | grep -v '^ceilid '
packages=$(cargo metadata --locked --format-version 1 | tr ',' '\n' | sed -n 's/.*"manifest_path":"\(.*\)\/Cargo.toml"/\1/p')
seen=$(mktemp -d)
trap 'rm -rf "$seen"' EXIT
crates '{p}' | cut -d' ' -f1,2 | sed 's/ v/-/' | while read -r crate; do
  folder=$(grep "/$crate\$" <<<"$packages" | head -1) || continue
  find "$folder" -maxdepth 1 -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' -o -iname 'copyright*' \) | sort |
    while read -r text; do
      sum=$(sha256sum <"$text" | cut -d' ' -f1)
      [ -e "$seen/$sum" ] && continue
      touch "$seen/$sum"
      printf '\n==== %s: %s ====\n\n' "$crate" "$(basename "$text")"
      cat "$text"
    done
done
