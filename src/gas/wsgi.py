"""What gunicorn serves."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application

from gas.config import override_environment

override_environment(DJANGO_SETTINGS_MODULE="gas.settings")
application = get_wsgi_application()
