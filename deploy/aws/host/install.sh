#!/bin/bash
# Installs this release on an Amazon Linux 2023 host: bash host/install.sh ROLE
# Run where the release was unpacked. Python's packages come from the release alone, each with its
# hash; Python and CloudWatch's agent are Amazon's own.
set -euo pipefail
role=$1
home=/opt/gas

dnf install -y -q python3.11 amazon-cloudwatch-agent
id gas >/dev/null 2>&1 || useradd --system --home-dir /var/lib/gas --shell /sbin/nologin gas
install -d -o gas -g gas -m 0711 /var/lib/gas
install -d -m 0755 /var/log/gas

bash host/install-venv.sh /usr/bin/python3.11 "$home/venv"
install -d -m 0755 "$home/host" /etc/gas
install -m 0644 host/*.py "$home/host/"
install -m 0644 host/rds-ca.pem /etc/gas/rds-ca.pem

# The load balancer asks for an instance by its address.
token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
address=$(curl -sf -H "X-aws-ec2-metadata-token: $token" http://169.254.169.254/latest/meta-data/local-ipv4)
echo "GAS_ALLOWED_HOSTS=[\"$address\"]" >> /etc/gas/gas.env

for pack in references/*.tar; do
  [ -e "$pack" ] || continue
  env GAS_DATA_DIR=/var/lib/gas "$home/venv/bin/gas" reference install "$pack" --force
done
chown -R gas:gas /var/lib/gas

install -m 0644 host/units/*.service host/units/gas.target /etc/systemd/system/
install -m 0644 host/logrotate /etc/logrotate.d/gas
install -d /etc/systemd/system/gas.target.wants
while read -r unit; do
  ln -sf "/etc/systemd/system/${unit/@*./@.}" "/etc/systemd/system/gas.target.wants/$unit"
done < "host/roles/$role"

# shellcheck disable=SC1091
. /etc/gas/host.env
sed -e "s|@LOG_GROUP@|$LOG_GROUP|" -e "s|@NAMESPACE@|$HOSTS_NAMESPACE|" -e "s|@ROLE@|$role|" \
  host/cloudwatch-agent.json > /opt/aws/amazon-cloudwatch-agent/etc/gas.json
/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -s \
  -c file:/opt/aws/amazon-cloudwatch-agent/etc/gas.json

systemctl daemon-reload
# Only this one starts at boot: an instance in the warm pool must not take work.
systemctl enable --now gas-lifecycle.service
