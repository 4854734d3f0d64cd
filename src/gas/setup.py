"""Make Django ready in a process that is not started by it. Call before importing any model."""

from __future__ import annotations

from gas.config import override_environment


def setup_django() -> None:
    """Raises SettingsError where a setting is bad."""
    import django
    from django.apps import apps

    if not apps.ready:
        override_environment(DJANGO_SETTINGS_MODULE="gas.settings")
        django.setup()
