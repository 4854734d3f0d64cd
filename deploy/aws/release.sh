#!/bin/bash
# Makes a release for the artefact bucket: bash deploy/aws/release.sh [FOLDER]
# Needs Python 3.11 and a way to the package registry and to Amazon's certificates (or RDS_CA, a
# file of them). Prints what the stack's parameters Release and ReleaseSha256 are to be.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(realpath "${1:-dist}")
python=${PYTHON:-python3.11}
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/venv"
pip="$work/venv/bin/pip --quiet --disable-pip-version-check"
# Wheels of the hosts' platform, whatever this machine is; only what the lock file's hashes allow.
$pip download --require-hashes --only-binary :all: --no-deps --python-version 3.11 \
  --platform manylinux_2_34_x86_64 --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 \
  --platform manylinux_2_17_x86_64 --platform linux_x86_64 \
  -r requirements-otel.lock -d "$work/wheels"
$pip install --upgrade --no-index --find-links "$work/wheels" setuptools
$pip wheel --no-deps --no-build-isolation --wheel-dir "$work/wheels" .
cp requirements-otel.lock "$work/"
cp -r deploy/aws/host "$work/host"
# Amazon's own certificates, which the hosts hold the database to.
if [ -n "${RDS_CA:-}" ]; then
  cp "$RDS_CA" "$work/host/rds-ca.pem"
else
  curl -sSf -o "$work/host/rds-ca.pem" \
    https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem
fi

version=$("$python" -c 'import re; print(re.search(r"__version__ = \"(.+)\"", open("src/gas/__init__.py").read())[1])')
name="gas-$version-$(git rev-parse --short HEAD)"
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 \
  -cf "$out/$name.tar" wheels requirements-otel.lock host
echo "Release        $name"
echo "ReleaseSha256  $(sha256sum "$out/$name.tar" | cut -d' ' -f1)"
echo "Upload it:     aws s3 cp $out/$name.tar s3://ARTEFACT-BUCKET/releases/"
