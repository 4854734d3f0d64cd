"""Run by GAS's own Python: are the variables of each process settings that it takes?

Standard input: JSON, {who: {variable: value}}. Standard output: a line for each that it refuses.
"""

from __future__ import annotations

import json
import os
import sys

from gas.config import Settings as Known
from gas.config import SettingsError, get_settings, variable_of

KNOWN = {variable_of(name) for name in Known.model_fields}
NEEDED = ("database_url", "secret_key")


def refusal(variables: dict[str, str]) -> str:
    """Empty where GAS would start."""
    ours = [name for name in variables if name.startswith(("GAS_", "DATABASE_URL"))]
    foreign = {name.removesuffix("_FILE") for name in ours} - KNOWN
    if foreign:
        return f"no such setting: {', '.join(sorted(foreign))}"
    os.environ.clear()
    os.environ.update(variables)
    get_settings.cache_clear()
    try:
        settings = get_settings()
    except SettingsError as error:
        return str(error)
    missing = [variable_of(name) for name in NEEDED if getattr(settings, name) is None]
    return f"not set: {', '.join(missing)}" if missing else ""


for who, variables in json.load(sys.stdin).items():
    if said := refusal(variables):
        print(f"{who}: {said}")
