#!/usr/bin/env bash
# Run the tests on the lowest version of each direct dependency that setup.cfg allows (its newest transitive ones):
#   tests/on_lowest.sh [pytest arguments]
# A failure means: raise that bound in setup.cfg. The environment, .venv-lowest, takes 5 GB and can be deleted.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ ! -x .venv-lowest/bin/uv ]; then
    "${PYTHON:-python3}" -m venv .venv-lowest
    .venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check uv
fi
VIRTUAL_ENV=$PWD/.venv-lowest .venv-lowest/bin/uv pip install --quiet --resolution lowest-direct -e '.[dev,demo]'
.venv-lowest/bin/python -m pip list --disable-pip-version-check
exec .venv-lowest/bin/python -m pytest -q "$@"
