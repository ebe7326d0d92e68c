#!/usr/bin/env bash
# Runs the jobs of an array side by side on this machine, as Kaldi's run.pl does, where there is
# no run.pl or a path has characters that it cannot take:
#   run_jobs.sh JOB=1:4 log/name.JOB.log command argument JOB
set -euo pipefail
set -m # each job is a process group, so that an interruption reaches all of its programs

if [ $# -lt 3 ] || ! [[ $1 =~ ^JOB=([0-9]+):([0-9]+)$ ]]; then
  echo "Usage: $0 JOB=FIRST:LAST LOG COMMAND..." >&2
  exit 2
fi
first=${BASH_REMATCH[1]} last=${BASH_REMATCH[2]} log=$2
shift 2

groups=()
trap 'for group in "${groups[@]}"; do kill -TERM -- "-$group" 2> /dev/null || true; done' EXIT
trap 'exit 130' INT TERM HUP

for ((job = first; job <= last; job++)); do
  command=()
  for word in "$@"; do
    [ "$word" != JOB ] || word=$job
    command+=("$word")
  done
  file=$(basename "$log")
  "${command[@]}" > "$(dirname "$log")/${file//JOB/$job}" 2>&1 < /dev/null &
  groups+=($!)
done

failed=0
for group in "${groups[@]}"; do
  wait "$group" || failed=$((failed + 1))
done
groups=()
if [ "$failed" -gt 0 ]; then
  echo "run_jobs.sh: $failed of $((last - first + 1)) jobs failed; logs are $log" >&2
  exit 1
fi
