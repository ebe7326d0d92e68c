# shellcheck shell=bash
# Sourced by run.sh: runs the tools with their output in logs, and ends them when it is ended.
#
# The console keeps the stage lines, the progress, what a tool warns of, and why one failed.

exec 3>&2                           # where the tools show their progress: speaker_bases/progress.py
export SPEAKER_BASES_CONSOLE=3

most_warnings=3                     # of one tool on the console
most_lines=20                       # of a log whose tool has failed
tool=                               # the process group of the tool that runs
stopped=                            # the exit status of a recipe that a signal has ended

say() { # LINES: on the console, in place of a bar that may stand there
  local clear=
  [ ! -t 2 ] || clear=$'\r\e[K'
  printf '%s%s\n' "$clear" "$1" >&2
}

stop() { # SIGNAL STATUS
  if [ -z "$tool" ]; then
    exit "$2"
  fi
  [ -n "$stopped" ] || say "run.sh: stopping after what is in hand; once more to stop at once"
  stopped=$2
  kill -"$1" -- "-$tool" 2> /dev/null || true
}
trap 'stop HUP 129' HUP
trap 'stop INT 130' INT
trap 'stop TERM 143' TERM

run_logged() { # LOG COMMAND...
  local log=$1 folder there begin status
  shift
  folder=$(dirname "$log")
  there=$folder
  while [ ! -d "$there" ]; do there=$(dirname "$there"); done
  mkdir -p "$folder"
  echo "# $(date '+%Y-%m-%d %H:%M:%S') $*" >> "$log"
  begin=$(wc -c < "$log")
  # A process group of its own: a signal reaches the tool and all that it started from `stop`, once.
  set -m
  "$@" >> "$log" 2>&1 < /dev/null &
  tool=$!
  set +m
  status=0
  wait "$tool" || status=$?
  while kill -0 "$tool" 2> /dev/null; do # it was `stop` that ended the waiting
    status=0
    wait "$tool" || status=$?
  done
  tool=
  if [ -n "$stopped" ]; then
    say "run.sh: interrupted; the same command goes on where it stopped"
    exit "$stopped"
  fi
  show_warnings "$log" "$begin"
  if [ "$status" -ne 0 ]; then
    explain_failure "$log" "$begin" "$status" "$there" "$*"
    exit "$status"
  fi
}

since() { tail -c +$(($2 + 1)) "$1"; } # LOG BEGIN: what the tool that ran last has written

show_warnings() { # LOG BEGIN
  local lines count
  lines=$(since "$1" "$2" | grep -E '^[0-9:]{8} (WARNING|ERROR) ' || true)
  [ -n "$lines" ] || return 0
  count=$(wc -l <<< "$lines")
  say "$(head -n "$most_warnings" <<< "$lines")"
  [ "$count" -le "$most_warnings" ] || say "  and $((count - most_warnings)) more in $1"
}

explain_failure() { # LOG BEGIN STATUS FOLDER_THAT_WAS_THERE COMMAND
  local lines last folder
  lines=$(since "$1" "$2")
  last=$(tail -n 1 <<< "$lines")
  if ! [[ $last =~ ^[^:]+:\ error:\  ]]; then
    say "$(tail -n "$most_lines" <<< "$lines")"
    say "run.sh: error: exit status $3 of $5; all of its output is in $1"
  elif [ "$lines" != "$last" ] || [ "$(grep -c '' "$1")" -gt 2 ]; then
    say "$last (log: $1)"
  else # a mistake that was found before anything was done: the line is all there is to say
    say "$last"
    rm "$1"
    folder=$(dirname "$1")
    while [ "$folder" != "$4" ] && rmdir "$folder" 2> /dev/null; do
      folder=$(dirname "$folder")
    done
  fi
}
