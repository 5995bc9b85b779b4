#!/usr/bin/env bash
# Checks the checked out commit of a data repository, and writes the problems and the
# changes to the summary of the job. Problems become annotations at their file and line.
#
#   REPO      the folder of the repository
#   BASE      the commit to compare with; empty, or one that the clone does not have: for a merge its
#             first parent, else nothing is compared
#   FAIL_ON   any: a problem fails the job; new: only one that BASE does not have
#   RECORD_LIMIT, SHEETS, CONFIG
#             settings that decide what is a record, as on the server; empty: the default
#   BINARY    the program; empty: headwater on the path
#
# Exits with 1 if FAIL_ON says so, and with another code if nothing could be checked.
set -euo pipefail

readonly listed=500 # lines of each list in the summary, which may have a mebibyte

repo=${REPO:-.}
headwater=${BINARY:-headwater}
# In the container of a job another user owns the checkout.
export HEADWATER_SAFE_DIRECTORY=$repo
# An input that is not given must not hide what the workflow has in its environment.
if [[ -n ${RECORD_LIMIT:-} ]]; then export HEADWATER_RECORD_LIMIT=$RECORD_LIMIT; fi
if [[ -n ${SHEETS:-} ]]; then export HEADWATER_SHEETS=$SHEETS; fi
if [[ -n ${CONFIG:-} ]]; then export HEADWATER_CONFIG=$CONFIG; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

summarize() {
  if [[ -n ${GITHUB_STEP_SUMMARY:-} ]]; then printf '%s\n' "$@" >>"$GITHUB_STEP_SUMMARY"; fi
}

# Writes a list into the summary as an indented block, which nothing in it can end.
summarize_list() { # FILE
  summarize '' "$(head -n "$listed" "$1" | clean | sed -E 's/^(.{0,400}).*/    \1/')" ''
  local more=$(($(wc -l <"$1") - listed))
  if ((more > 0)); then summarize "… and $more more lines." ''; fi
}

# Removes characters that could control a terminal or a browser.
clean() {
  tr -d '\000-\010\013-\037\177'
}

# Prints a file to the log, where a line of it must not be taken for a workflow command.
show() { # FILE
  local token
  token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  printf '::stop-commands::%s\n' "$token"
  clean <"$1"
  printf '::%s::\n' "$token"
}

# Prints the commit to compare with, or nothing.
base_commit() {
  commit "${BASE:-}" && return
  # The checkout of a pull request is the merge of its head into its base.
  if commit 'HEAD^2' >/dev/null; then commit 'HEAD^1'; fi
}

# Prints the hash of the commit of this name, if it is here.
commit() { # NAME
  git -C "$repo" rev-parse --verify --quiet --end-of-options "$1^{commit}"
}

case ${FAIL_ON:=any} in
  any | new) ;;
  *)
    echo '::error title=Headwater::the input fail-on must be any or new'
    exit 64
    ;;
esac

found=0
"$headwater" check --repo "$repo" --rev HEAD --format github || found=$?
if ((found > 1)); then
  echo '::error title=Headwater::the commit cannot be checked; see the log'
  exit "$found"
fi
"$headwater" check --repo "$repo" --rev HEAD >"$work/problems" || true
totals=$(tail -n 1 "$work/problems" | cut -d ' ' -f 2-)
sed -i '$d' "$work/problems"
if [[ -n ${GITHUB_OUTPUT:-} ]]; then
  # The lines are of notes, too.
  printf 'problems=%d\n' "$(sed -E 's/.* ([0-9]+) problems?$/\1/' <<<"$totals")" >>"$GITHUB_OUTPUT"
fi
summarize "### Headwater: $totals" ''
if ((found)); then summarize_list "$work/problems"; fi

base=$(base_commit) || base=
if [[ -z $base ]]; then
  if [[ -n ${BASE:-} ]]; then
    echo '::notice title=Headwater::the base is not in this clone, so nothing is compared;' \
      'check out with fetch-depth: 2'
  fi
  exit "$found"
fi
"$headwater" diff --repo "$repo" "$base" HEAD >"$work/diff"
show "$work/diff"
summarize "#### What changes against \`${base:0:12}\`"
summarize_list "$work/diff"
if [[ $FAIL_ON == new ]]; then
  found=0
  # The lines of records begin with other words.
  if grep -q '^problem ' "$work/diff"; then found=1; fi
fi
exit "$found"
