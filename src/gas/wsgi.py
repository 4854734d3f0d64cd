"""What gunicorn serves."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from gas.config import get_settings, override_environment
from gas.farm.first_start import prepare_folders
from gas.telemetry import traces

override_environment(DJANGO_SETTINGS_MODULE="gas.settings")
prepare_folders(get_settings())  # this may be a host of its own
if get_settings().metrics_token is not None:
    from gas.telemetry import http_times

    http_times.share(get_settings().metrics_dir)
traces.set_up(get_settings(), "web")
application = get_wsgi_application()
# All pages are imported now: code that does not load ends the worker before it takes a request, and
# a reload goes no further.
_ = get_resolver().url_patterns
