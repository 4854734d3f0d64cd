#!/bin/bash
# Puts the release's packages into a virtual environment: bash host/install-venv.sh PYTHON FOLDER
# Run where the release was unpacked. Touches no network: all comes from wheels/, by its hash.
set -euo pipefail
python=$1
venv=$2
"$python" -m venv "$venv"
"$venv/bin/pip" install --quiet --no-index --find-links wheels --require-hashes -r requirements.lock
"$venv/bin/pip" install --quiet --no-index --no-deps wheels/gas-*.whl
