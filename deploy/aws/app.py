"""GAS on AWS: two stacks. `GasBase` holds what must be there before a host starts: the key, the
buckets, the secrets. `Gas` is the rest. docs/deploy-aws.md tells the steps."""

from __future__ import annotations

import aws_cdk as cdk

from gas_aws.base import Base
from gas_aws.options import Options
from gas_aws.service import Service


def build(app: cdk.App) -> tuple[Base, Service]:
    """Both stacks, by the options in the app's context (`cdk deploy -c NAME=VALUE`)."""
    options = Options.read(app.node.try_get_context)
    base = Base(app, "GasBase", options)
    service = Service(app, "Gas", options, base)
    cdk.Tags.of(app).add("Service", "GAS")
    return base, service


if __name__ == "__main__":
    app = cdk.App()
    build(app)
    app.synth()
