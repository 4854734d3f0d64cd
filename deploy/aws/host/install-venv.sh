#!/bin/bash
# Puts the release's packages into a virtual environment: bash host/install-venv.sh PYTHON FOLDER
# Run where the release was unpacked. Touches no network: all comes from wheels/, by its hash.
set -euo pipefail
python=$1
venv=$2
"$python" -m venv "$venv"
"$venv/bin/pip" install --quiet --no-index --find-links wheels --require-hashes -r requirements-otel.lock
"$venv/bin/pip" install --quiet --no-index --no-deps wheels/gas-*.whl

# Compiles the shipped reference, which the service's user may not write beside, and shows that this
# host can annotate: one that cannot does not go into service.
here=$(mktemp -d)
sample=$("$venv/bin/python" -c 'import gas.demo, pathlib
print(next(pathlib.Path(gas.demo.__file__).parent.glob("*.vcf.gz")))')
GAS_DATA_DIR="$here" "$venv/bin/gas" annotate "$sample" --reference demo -o "$here/out.vcf.gz" >/dev/null
rm -rf "$here"
