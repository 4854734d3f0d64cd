"""Every address: the pages, the API, the operator's admin."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from gas.api import api

admin.site.site_header = admin.site.site_title = "GAS operator"
admin.site.index_title = "What the service holds"
# Operators sign in where everybody does: Django's own page would not count wrong passwords.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", include("gas.web.urls")),
    path("api/", api.urls),
    path("admin/", admin.site.urls),
]

handler400 = "gas.web.errors.bad_request"
handler403 = "gas.web.errors.permission_denied"
handler404 = "gas.web.errors.page_not_found"
handler500 = "gas.web.errors.server_error"
