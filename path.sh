# shellcheck shell=bash
# Sourced by run.sh and the other scripts of the project: the Python environment.
#
#   . ./path.sh
#   activate_environment "synthetic test"    # extras of setup.py that the caller needs
#
# Makes .venv on first use and installs the project into it; a later call installs nothing, unless
# setup.py has changed or an extra is asked for that was not before. With USE_ACTIVE_ENV=true it
# leaves all that to you and uses the environment that is active. Where there is an NVIDIA GPU, CUDA
# is installed as well, unless USE_GPU=false.

export LC_ALL=C                     # Kaldi's sort order
export PYTHONUNBUFFERED=1
# What TensorFlow's C++ writes by itself; what goes wrong there is raised in Python.
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-3}"

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
      2>/dev/null; then
      echo "$candidate"
      return 0
    fi
  done
  echo "path.sh: error: no Python 3.11, 3.12 or 3.13 found, which are those that TensorFlow has" \
    "packages for; set PYTHON=/path/to/python" >&2
  return 1
}

has_gpu() { nvidia-smi -L 2> /dev/null | grep -q '^GPU [0-9]'; }

activate_environment() {
  local asked extra names wanted stamp missing="" python reason root venv
  read -r -a asked <<< "$1"
  names=$(IFS=,; echo "${asked[*]}")
  if [ "${USE_ACTIVE_ENV:-false}" = true ]; then
    if ! python=$(command -v python); then
      echo "path.sh: error: no environment is active: there is no command 'python' (python3 alone" \
        "will not do)" >&2
      return 1
    fi
    if ! reason=$("$python" -c 'import speaker_bases.train' 2>&1); then
      echo "path.sh: error: the active environment ($python) lacks this project" \
        "(${reason##*$'\n'}); pip install -e '.${names:+[$names]}'" >&2
      return 1
    fi
    return 0
  fi
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P) || return 1
  venv=$root/.venv
  if [ ! -x "$venv/bin/python" ] || [ ! -x "$venv/bin/pip" ]; then
    python=$(find_python) || return 1
    echo "path.sh: making .venv with $python"
    "$python" -m venv "$venv" || return 1
  fi
  # shellcheck disable=SC1091
  . "$venv/bin/activate"
  if [ "${USE_GPU:-true}" = true ] && has_gpu; then
    if [ "${KERAS_BACKEND:-tensorflow}" = jax ]; then extra=jax-gpu; else extra=gpu; fi
    asked+=("$extra")
    names=${names:+$names,}$extra
  fi
  wanted=$(cat "$root/setup.py" "$root/pyproject.toml" | cksum)
  for extra in base "${asked[@]}"; do
    stamp=$venv/.installed-$extra
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] || missing="$missing $extra"
  done
  if [ -n "$missing" ]; then
    echo "path.sh: installing into .venv:$missing (TensorFlow alone is 570 MB; minutes, once)"
    if [[ " $missing" == *gpu* ]]; then
      echo "path.sh: that is with CUDA, several GB, for the GPU that nvidia-smi lists;" \
        "--gpu false does without"
    fi
    (cd "$root" && pip install --quiet --disable-pip-version-check -e ".${names:+[$names]}") ||
      return 1
    for extra in base "${asked[@]}"; do
      echo "$wanted" > "$venv/.installed-$extra"
    done
  fi
}
