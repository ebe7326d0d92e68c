#!/usr/bin/env bash
# Make the environment (as run.sh does, with what the tests need) and run all tests.
#
# Usage: tests/run.sh [--use-active-env true] [pytest options]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export USE_ACTIVE_ENV=false
if [ "${1:-}" = --use-active-env ]; then
  export USE_ACTIVE_ENV=$2
  shift 2
fi

# shellcheck source=path.sh
. ./path.sh
activate_environment "synthetic test jax" || exit 1
ruff format --check .
ruff check .
exec python -m pytest "$@"
