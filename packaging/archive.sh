#!/usr/bin/env bash
# Packs a binary for release, with its completions, manual pages, licences and the files that an
# operator needs. The same binary gives the same bytes.
#
#   packaging/archive.sh BINARY TARGET FOLDER     writes FOLDER/headwater-TARGET.tar.gz
set -euo pipefail

binary=$(realpath "$1")
target=$2
mkdir -p "$3"
out=$(realpath "$3")
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
name=headwater-$target
folder=$scratch/$name
mkdir -p "$folder/completions" "$folder/man/man1"

install -m 0755 "$binary" "$folder/headwater"
"$binary" completions bash >"$folder/completions/headwater.bash"
"$binary" completions fish >"$folder/completions/headwater.fish"
"$binary" completions zsh >"$folder/completions/_headwater"
"$binary" man "$folder/man/man1" >/dev/null
cp README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$folder/"
cp -R packaging/systemd "$folder/systemd"

tar --create --directory "$scratch" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
  --mode='u+rwX,go+rX,go-w' "$name" | gzip --no-name --best >"$out/$name.tar.gz"
