#!/bin/bash
# First boot: fetches the release, checks it, installs it. Holds no secret.
set -euo pipefail
install -d -m 0755 /etc/gas
cat > /etc/gas/gas.env <<'END_OF_SETTINGS'
@SETTINGS@
END_OF_SETTINGS
cat > /etc/gas/host.env <<'END_OF_HOST'
@HOST@
END_OF_HOST
cat > /etc/gas/secrets.json <<'END_OF_SECRETS'
@SECRETS@
END_OF_SECRETS
cd "$(mktemp -d)"
aws s3 cp --only-show-errors "s3://@ARTEFACTS@/releases/@RELEASE@.tar" release.tar
echo "@RELEASE_SHA256@  release.tar" | sha256sum --check --status
tar -xf release.tar --no-same-owner
references="@REFERENCES@"
for name in $references; do
  aws s3 cp --only-show-errors "s3://@ARTEFACTS@/references/$name.tar" "references/$name.tar"
done
exec bash host/install.sh "@ROLE@"
