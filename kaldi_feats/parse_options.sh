# shellcheck shell=bash
# Sourced by the scripts here: as in Kaldi, the variables at the top of a script are its options.
#
#   #!/usr/bin/env bash
#   # What the script does.
#   nj=4                        # parallel jobs
#
#   set -euo pipefail
#   . kaldi_feats/parse_options.sh
#
# From the script's second line to its first blank one each `name=default` is an option, given as
# `--name value` or `--name=value`, with `-` for `_`; what is true or false by default takes nothing
# else. `--help` prints those lines. Parsing ends at the first word that is no option, or after `--`;
# "$@" then holds the rest. Before, a script may set
#   usage_status=2              # its exit status after a wrong option, instead of 1
#   pass_unknown=true           # an option that it does not have ends the parsing, too
#
# It lies here and not beside run.sh because a wheel has make_features.sh and nothing of the recipe.

script=$(readlink -f "${BASH_SOURCE[1]}")
usage_status=${usage_status:-1}
given_options=" "

fail() { # MESSAGE [STATUS]
  echo "$(basename "$script"): error: $1" >&2
  exit "${2:-1}"
}

fail_usage() { # MESSAGE
  local root
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
  fail "$1; see ./${script#"$root/"} --help" "$usage_status"
}

show_help() { # the script's first comment and variables, the variables spelled as options
  sed -n '2,/^$/p' "$script" | sed -E '
    s/^# ?//
    s/^ +#/    &/
    :dash
    s/^([a-z-]+)_([a-z_]*=)/\1-\2/
    t dash
    s/^[a-z-]+=/  --&/'
}

is_given() { [[ $given_options == *" $1 "* ]]; } # NAME: whether the command line has the option

take_paths_from() { # FOLDER NAME...: given relative paths start there, and not where the script works
  local folder=$1 name
  shift
  [ "$folder" != "$PWD" ] || return 0
  for name in "$@"; do
    if is_given "$name" && [[ ${!name} == [^/]* ]]; then
      printf -v "$name" %s "$folder/${!name}"
    fi
  done
}

split_paths_from() { # FOLDER NAME...: several paths in one option become one a line, relative to it
  local folder=$1 name path paths lines
  shift
  for name in "$@"; do
    [ -n "${!name}" ] || continue
    if [ -e "${!name}" ] || [ -e "$folder/${!name}" ]; then # it is one path, blanks and all
      paths=("${!name}")
    else
      read -r -d '' -a paths <<< "${!name}" || true
    fi
    lines=
    for path in "${paths[@]}"; do
      [[ $path == /* || $folder == "$PWD" ]] || path=$folder/$path
      lines+=$path$'\n'
    done
    printf -v "$name" %s "${lines%$'\n'}"
  done
}

set_option() { # NAME VALUE
  local option=--${1//_/-} default=${!1}
  if [[ $default =~ ^(true|false)$ && ! $2 =~ ^(true|false)$ ]]; then
    fail_usage "$option is true or false, not '$2'"
  fi
  printf -v "$1" %s "$2"
  given_options+="$1 "
}

known_options=" $(sed -n '2,/^$/s/^\([a-z_]*\)=.*/\1/p' "$script" | tr '\n' ' ')"
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) show_help; exit 0 ;;
    --) shift; break ;;
    --*) option=${1%%=*} ;;
    *) break ;;
  esac
  name=${option#--}
  name=${name//-/_}
  if [[ $known_options != *" $name "* ]]; then
    [ "${pass_unknown:-false}" = false ] || break
    fail_usage "unknown option $option"
  fi
  if [[ $1 == *=* ]]; then
    set_option "$name" "${1#*=}"
    shift
  else
    [ $# -ge 2 ] || fail_usage "$1 takes a value"
    set_option "$name" "$2"
    shift 2
  fi
done
