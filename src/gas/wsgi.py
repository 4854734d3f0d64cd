"""What gunicorn serves."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application

from gas.config import get_settings, override_environment
from gas.farm.first_start import prepare_folders

override_environment(DJANGO_SETTINGS_MODULE="gas.settings")
prepare_folders(get_settings())  # this may be a host of its own
application = get_wsgi_application()
