#!/usr/bin/env bash
# Makes the file system of packaging/Containerfile and runs its command in it, without a container engine: nothing but one static
# program is there. It has to play, answer and end when it is told to.
# Needs `rustup target add x86_64-unknown-linux-musl`, Debian's musl-tools and curl, and root (chroot).
# `packaging/container.sh dev` takes another profile than release.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-release}
triple=x86_64-unknown-linux-musl
cargo build --profile "$profile" --target "$triple" --no-default-features --features fetch
root=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$root"' EXIT
mkdir -p "$root/var/lib/ceilid" "$root/tmp"
cp "${CARGO_TARGET_DIR:-target}/$triple/${profile/dev/debug}/ceilid" "$root/ceilid"
if ldd "$root/ceilid" 2>/dev/null | grep -q '=>'; then echo "not static" >&2; exit 1; fi
# The image's CMD, at a port of its own and with its token.
port=${PORT:-17424}
mapfile -t words < <(sed -n 's/^CMD \[\(.*\)\]$/\1/p' packaging/Containerfile | tr ',' '\n' | sed 's/^ *"//; s/"$//; s/:7424/:'"$port"'/')
chroot --userspec=65534:65534 "$root" /ceilid --version
chown 65534:65534 "$root/var/lib/ceilid" "$root/tmp"
CEILID_TOKEN=secret-of-the-test chroot --userspec=65534:65534 "$root" /ceilid "${words[@]/#archive.sqlite//var/lib/ceilid/archive.sqlite}" &
pid=$!
answer=
for _ in $(seq 600); do
  answer=$(curl -sf -H 'Authorization: Bearer secret-of-the-test' "http://127.0.0.1:$port/api/status" || true)
  case $answer in *'"title"'*) break ;; esac
  kill -0 "$pid" || { echo "it ended" >&2; exit 1; }
  sleep 0.2
done
case $answer in *'"title"'*) ;; *) echo "it plays nothing: $answer" >&2; exit 1 ;; esac
bytes=$({ curl -s -m 4 -H 'Authorization: Bearer secret-of-the-test' "http://127.0.0.1:$port/stream.opus" || true; } | wc -c)
[ "$bytes" -gt 10000 ] || { echo "the stream has $bytes bytes" >&2; exit 1; }
kill -TERM "$pid"
wait "$pid" && code=0 || code=$?
pid=
case $code in 0 | 130) ;; *) echo "it ended with $code" >&2; exit 1 ;; esac
[ -s "$root/var/lib/ceilid/archive.sqlite" ]
echo "played in a root of $(find "$root" -type f | wc -l) files, streamed $bytes bytes, ended with $code"
