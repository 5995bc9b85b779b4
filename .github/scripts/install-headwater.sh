#!/usr/bin/env bash
# Downloads a release of Headwater, verifies its checksum, and puts it on the path of later steps.
#
#   VERSION       the tag of the release
#   SHA256        the checksum that the archive must have; empty: the one that the release lists
#   RUNNER_TEMP   GITHUB_PATH   GH_TOKEN   as the runner sets them
set -euo pipefail

readonly repository=headwater-dev/headwater

fail() {
  printf '::error title=Headwater::%s\n' "$1"
  exit 1
}

case $(uname -sm) in
  'Linux x86_64') target=x86_64-unknown-linux-gnu ;;
  'Linux aarch64') target=aarch64-unknown-linux-gnu ;;
  *) fail "there is no release for $(uname -sm); set the input binary" ;;
esac
if [[ ! ${VERSION:?} =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]]; then
  fail 'the input version must be a tag such as v1.2.3'
fi
if [[ ! ${SHA256:-} =~ ^([0-9a-f]{64})?$ ]]; then
  fail 'the input sha256 must be 64 hexadecimal digits in lower case'
fi

folder=${RUNNER_TEMP:?}/headwater-$VERSION
archive=headwater-$target.tar.gz
mkdir -p "$folder"
gh release download "$VERSION" --repo "$repository" --dir "$folder" --clobber \
  --pattern "$archive" --pattern SHA256SUMS
cd "$folder"
# Without a line for the archive nothing would be verified.
listed=$(awk -v name="$archive" '$2 == name || $2 == "*" name { print $1 }' SHA256SUMS)
expected=${SHA256:-$listed}
if [[ -z $expected ]]; then fail "the release does not list $archive"; fi
if ! printf '%s  %s\n' "$expected" "$archive" | sha256sum --check --status; then
  fail "the checksum of $archive is not $expected"
fi
tar --extract --gzip --file "$archive" --strip-components 1
printf '%s\n' "$folder" >>"${GITHUB_PATH:?}"
"$folder/headwater" --version
