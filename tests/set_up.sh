#!/usr/bin/env bash
# Installs what ceilid needs on Debian or Ubuntu: the headers of the sound libraries, and with `--tests` the real
# programs that the tests speak to. What is there already is left alone; other systems get the list to install.
set -euo pipefail

# JACK's library is loaded at run time, but its crate asks pkg-config for it when it is built.
packages=(build-essential pkg-config libasound2-dev libjack-jackd2-dev)
if [ "${1:-}" = --tests ]; then
  packages+=(abcmidi fluidsynth timgm6mb-soundfont jackd2 pulseaudio pulseaudio-utils dbus
    icecast2 libfaketime chromium nginx-light caddy mpc liblo-tools time
    mosquitto mosquitto-clients playerctl slurmctld slurmd slurm-client poppler-utils mupdf-tools)
  # Node of other makers brings its own, and Debian's will not stand beside it.
  command -v npm >/dev/null || packages+=(npm)
  command -v firefox-esr >/dev/null || packages+=(firefox-esr)
fi

if ! command -v cargo >/dev/null; then
  echo "cargo is missing: install Rust (https://rustup.rs), then run this again" >&2
  exit 1
fi
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if ! command -v apt-get >/dev/null; then
  echo "install these (Debian's names), then run this again: ${missing[*]}" >&2
  exit 1
fi
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
