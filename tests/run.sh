#!/usr/bin/env bash
# Make the environment (as run.sh does, with what the tests need), look at the style, run the tests.
#
# Usage: tests/run.sh [options] [what pytest takes, such as -x or tests/losses]
#
# Options (--name value or --name=value) and their defaults:
use_active_env=false        # true: the Python environment that is active, instead of .venv
gpu=true                    # false: no CUDA into .venv, which is gigabytes, even if there is a GPU

set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
# shellcheck disable=SC2034 # parse_options.sh uses it
pass_unknown=true
# shellcheck source=kaldi_feats/parse_options.sh
. kaldi_feats/parse_options.sh

# shellcheck source=path.sh
. ./path.sh
export USE_ACTIVE_ENV=$use_active_env USE_GPU=$gpu
activate_environment "synthetic test jax export" || exit 1
ruff format --check .
ruff check .
exec python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile "$@"
