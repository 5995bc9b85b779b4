#!/usr/bin/env bash
# Notifies one Headwater deployment that its branch has moved, and waits for the result.
#
#   TARGET_NAME  TARGET_URL     the deployment: its name, and its address or that of reload-data
#   BRANCH       COMMIT         what was pushed
#   HEADWATER_RELOAD_SECRET     the reload secret; CFP_DATA_RELOAD_SECRET is read, too
#
# Exits with 0 if the commit is live, if there was nothing to do, or (with a warning) if an operator
# has pinned the deployment. Exits with 1 whenever the push is not live.
set -euo pipefail

readonly attempts=${NOTIFY_ATTEMPTS:-6} # how often the webhook is called
readonly wait=${NOTIFY_WAIT:-60}        # seconds that one call may wait for the result
readonly first_delay=${NOTIFY_DELAY:-2} # seconds before the second call, doubled for each next
readonly poll=${NOTIFY_POLL:-2}         # seconds between two looks at an accepted reload
readonly patience=${NOTIFY_PATIENCE:-900} # seconds after which an accepted reload is given up

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Escapes a text for a workflow command, as GitHub's runner reads it.
escape() {
  local text=${1//'%'/%25}
  text=${text//$'\r'/%0D}
  printf '%s' "${text//$'\n'/%0A}"
}

note() { # LEVEL TEXT: prints a workflow command and adds the text to the summary of the job
  printf '::%s title=%s::%s\n' "$1" "Headwater" "$(escape "$name: $2")"
  summarize "**$name**: $2"
}

summarize() {
  if [[ -n ${GITHUB_STEP_SUMMARY:-} ]]; then printf '%s\n\n' "$1" >>"$GITHUB_STEP_SUMMARY"; fi
}

fail() {
  note error "$1"
  exit 1
}

# Prints what the jq filter finds in the answer as one line, or nothing.
field() {
  jq -r "($1) // empty | tostring | gsub(\"[[:cntrl:]]\"; \" \")" "$work/body" 2>/dev/null || true
}

# Prints the value of a header of the answer.
header() {
  awk -v name="$1:" 'tolower($1) == name { sub(/^[^:]*:[ \t]*/, ""); sub(/\r$/, ""); value = $0 }
    END { print value }' "$work/headers"
}

# Sends a request and sets `status`, which is 000 without a complete answer.
request() { # METHOD URL [CURL OPTION]...
  local method=$1 url=$2
  shift 2
  : >"$work/headers"
  : >"$work/body"
  # The secret goes through standard input: every process can read a command line. Redirects are
  # not followed, because the secret would go with them.
  status=$(printf 'Authorization: Bearer %s\n' "$secret" |
    curl --disable --silent --show-error --request "$method" --header @- "$@" \
      --proto '=http,https' --connect-timeout 10 --max-time 120 --max-filesize 16000000 \
      --dump-header "$work/headers" --output "$work/body" --write-out '%{http_code}' \
      "$url" 2>"$work/error") || status=000
}

passes() { # says whether the status is one of those that pass by themselves
  case $status in
    000 | 429 | 502 | 503 | 504) ;;
    # A cluster without a leader: there is nothing to follow, but the next leader fetches the push.
    202) [[ $(field .state) == waiting ]] ;;
    *) return 1 ;;
  esac
}

describe() { # prints what went wrong, for a status that passes
  if [[ $status == 000 ]]; then
    printf 'no answer (%s)' "$(tr -c '[:print:]' ' ' <"$work/error")"
  elif [[ $status == 202 ]]; then
    printf 'no replica leads the cluster'
  else
    printf '%s %s %s' "$status" "$(field .code)" "$(field .detail)"
  fi
}

# Waits for the end of an accepted reload; body and `status` are then those of a direct answer.
follow() {
  local location url
  location=$(header location)
  case $location in
    "$origin"/*) url=$location ;;
    http://* | https://* | //* | '')
      fail "it answered 202 with a Location that is not its own: $location"
      ;;
    /*) url=$origin$location ;;
    *) url=${endpoint%/*}/$location ;;
  esac
  echo "accepted, waiting for $url"
  while true; do
    sleep "$poll"
    request GET "$url"
    if [[ $status == 200 && $(field .state) == 'done' ]]; then
      status=$(field .status)
      return
    fi
    if [[ $status != 200 ]] && ! passes; then return; fi
    if ((SECONDS > patience)); then
      fail "the reload is not done after $patience seconds; last: $(describe)"
    fi
  done
}

# Prints the record problems of a refused push as annotations, and as a table in the summary.
print_problems() {
  jq -r '
    def text: tostring | gsub("%"; "%25") | gsub("\r"; "%0D") | gsub("\n"; "%0A");
    def property: text | gsub(":"; "%3A") | gsub(","; "%2C");
    .problems[]? |
      "::error file=\(.path | property)"
      + (if .line then ",line=\(.line | property)" else "" end)
      + (if .column then ",col=\(.column | property)" else "" end)
      + ",title=\(.rule // "problem" | property)::\(.message // "" | text)"
      + (if .pointer then " (at \(.pointer | text))" else "" end)' "$work/body"
  summarize "$(jq -r '
    def cell: tostring | gsub("[[:cntrl:]]"; " ") | gsub("\\|"; "\\|") | gsub("`"; "'"'"'");
    "| file | line | rule | problem |", "| --- | --- | --- | --- |",
    (.problems[]? |
      "| `\(.path | cell)` | \(.line // "" | cell) | \(.rule | cell) | \(.message | cell) |")
    ' "$work/body")"
  local more
  more=$(field '(.problemsTotal // 0) - (.problems | length)')
  if ((${more:-0} > 0)); then echo "and $more more"; fi
}

name=${TARGET_NAME:?}
endpoint=${TARGET_URL:?}
secret=${HEADWATER_RELOAD_SECRET:-${CFP_DATA_RELOAD_SECRET:-}}
# A line end at the end of a stored secret is a mistake.
secret=${secret%$'\n'}
secret=${secret%$'\r'}
if [[ -z $secret ]]; then
  fail "the environment $name has no secret HEADWATER_RELOAD_SECRET"
fi
if [[ ! $endpoint =~ ^(https://[^/]+|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?)(/.*)?$ ]]; then
  fail "its url must begin with https://, because a secret is sent there"
fi
origin=${BASH_REMATCH[1]}
if [[ $endpoint != */reload-data ]]; then
  endpoint=${endpoint%/}/api/_internal/reload-data
fi

payload=$(jq -cn --arg branch "${BRANCH:?}" --arg commit "${COMMIT:?}" \
  '{branch: $branch, commitHash: $commit}')
delay=$first_delay
for ((attempt = 1; ; attempt++)); do
  request POST "$endpoint" --header 'Content-Type: application/json' \
    --header "Prefer: wait=$wait" --data-binary "$payload"
  if [[ $status == 202 ]] && ! passes; then follow; fi
  if ! passes || ((attempt >= attempts)); then break; fi
  pause=$(header retry-after)
  if [[ ! $pause =~ ^[0-9]{1,4}$ ]]; then pause=$delay; fi
  if ((10#$pause > 60)); then pause=60; fi
  echo "attempt $attempt of $attempts: $(describe); trying again in $pause s"
  sleep "$pause"
  delay=$((delay * 2))
done

code=$(field .code)
case $status in
  200)
    commit=$(field .newCommit)
    outcome=$(field .outcome)
    reason=$(field .reason)
    case $outcome in
      applied | rebuilt)
        changed=$(field '[.changed[]? | .added + .modified + .removed] | add // 0')
        note notice "live at ${commit:0:12}: $outcome in $(field .durationMs) ms, $changed records changed"
        ;;
      unchanged) note notice "was live already at ${commit:0:12}" ;;
      ignored) note notice "nothing to do: $reason" ;;
      held)
        if [[ $reason != pinned ]]; then fail "the push is held, not live: $reason"; fi
        note warning "the push is held, not live: an operator has pinned the deployment"
        ;;
      *) fail "it answered 200 with something that is not a report of Headwater" ;;
    esac
    ;;
  202) fail "the push is not live yet: no replica leads the cluster, and the next leader fetches it" ;;
  000) fail "it cannot be reached: $(describe)" ;;
  401) fail "it does not accept the secret HEADWATER_RELOAD_SECRET of the environment $name" ;;
  *)
    case $code in
      push_refused)
        print_problems
        held=$(field .heldId)
        fail "the push is refused, the old state goes on serving; mend the records and push again${held:+, or let it through with: headwater apply $held}"
        ;;
      diverged)
        held=$(field .heldId)
        fail "the branch was rewound or rewritten, the old state goes on serving${held:+; let it through with: headwater apply $held}"
        ;;
      *) fail "it answered $status $code: $(field '.detail // .title')" ;;
    esac
    ;;
esac
