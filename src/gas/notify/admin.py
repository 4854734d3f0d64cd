"""The operator's view of mail."""

from __future__ import annotations

from django.contrib import admin

from gas.notify.models import Mail


@admin.register(Mail)
class MailAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("job", "kind", "state", "tries", "created_at", "sent_at", "error")
    list_filter = ("kind", "state")
    readonly_fields = [field.name for field in Mail._meta.fields]

    def has_add_permission(self, request: object) -> bool:
        return False
