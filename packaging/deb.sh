#!/usr/bin/env bash
# Makes the Debian package: the program, its manual pages, its completions, the service. `packaging/deb.sh` builds for release;
# `packaging/deb.sh fast` takes another profile. Needs `cargo install cargo-deb`.
#
# `packaging/deb.sh --try ROOT` installs the newest package in the Debian root ROOT (made by `debootstrap`), plays a tune there by
# the service's own command, and purges it: what is left behind is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}

# Every file of ROOT but for what the package manager and its log know of themselves.
files_of() { (cd "$1" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./var/lib/dpkg -o -path ./var/log \
  -o -path ./var/cache -o -path ./run \) -prune -o -print | sort); }

try_in() {
  local root=$1 package name list exec
  package=$(ls -t "$target"/debian/ceilid_*.deb | head -1)
  list=$(mktemp -d)
  trap 'rm -rf "$list"' RETURN
  local packages
  packages=$(dpkg-deb -f "$package" Depends | tr ',' '\n' | sed 's/([^)]*)//; s/|.*//; s/ //g')
  # shellcheck disable=SC2086 # a word a package
  chroot "$root" apt-get install -y -qq --no-install-recommends $packages >/dev/null
  files_of "$root" >"$list/before"
  cp "$package" "$root/ceilid.deb"
  chroot "$root" dpkg -i /ceilid.deb
  rm "$root/ceilid.deb"
  for name in /usr/bin/ceilid /usr/share/man/man1/ceilid.1.gz /usr/share/man/man1/ceilid-serve.1.gz /etc/ceilid/ceilid.toml \
    /usr/share/bash-completion/completions/ceilid /usr/share/zsh/vendor-completions/_ceilid \
    /usr/share/fish/vendor_completions.d/ceilid.fish /usr/share/doc/ceilid/copyright; do
    [ -e "$root$name" ] || { echo "missing in the package: $name" >&2; return 1; }
  done
  exec=$(sed -n 's/^ExecStart=//p' "$root"/usr/lib/systemd/system/ceilid.service "$root"/lib/systemd/system/ceilid.service 2>/dev/null | head -1)
  # The service's own command; a root has no sound card, so that the music goes nowhere, and ends after a moment.
  mkdir -p "$root/var/lib/ceilid"
  # shellcheck disable=SC2086 # the words of the command
  timeout 120 chroot "$root" sh -c "cd /var/lib/ceilid && $exec --to silent --listen off --duration 5s"
  [ -s "$root/var/lib/ceilid/archive.sqlite" ] || { echo "the service archived nothing" >&2; return 1; }
  chroot "$root" dpkg --purge ceilid
  files_of "$root" >"$list/after"
  diff "$list/before" "$list/after" && echo "installed, played, purged: nothing is left"
}

if [ "${1:-}" = --try ]; then
  try_in "$2"
  exit
fi

profile=${1:-release}
cargo build --profile "$profile" --features mpris,mqtt
ceilid=$target/$profile/ceilid
made=$target/package-files
rm -rf "$made"
mkdir -p "$made/man"
"$ceilid" man >"$made/man/ceilid.1"
"$ceilid" --help | sed -nE 's/^  ([a-z]+)  .*/\1/p' | sort -u | while read -r command; do
  "$ceilid" man "$command" >"$made/man/ceilid-$command.1"
done
for shell in bash zsh fish; do "$ceilid" completions "$shell" >"$made/ceilid.$shell"; done
packaging/notices.sh >"$made/NOTICES"
cargo deb --no-build --profile "$profile"
