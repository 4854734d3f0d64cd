"""The operator's view of users."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest

from gas.accounts.change import change_plan
from gas.accounts.models import ApiToken, User
from gas.wiring import get_services


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]
    ordering = ("email",)
    list_display = ("email", "name", "institution", "plan", "is_staff", "date_joined")
    list_filter = ("plan", "is_staff", "is_active")
    search_fields = ("email", "name", "institution")
    fieldsets = (
        (None, {"fields": ("email", "password", "name", "institution", "plan")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "name", "password1", "password2")}),
    )
    filter_horizontal = ()

    def save_model(self, request: HttpRequest, obj: User, form: object, change: bool) -> None:
        """A change of plan goes the one way that plans change, with all that follows from it."""
        wanted = obj.plan
        if change:
            obj.plan = User.objects.values_list("plan", flat=True).get(pk=obj.pk)
        super().save_model(request, obj, form, change)
        if change:
            change_plan(get_services(), obj, wanted, why=f"operator {request.user.pk}")


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("prefix", "name", "user", "created_at", "last_used_at")
    search_fields = ("user__email", "name")
    exclude = ("digest",)
    readonly_fields = ("prefix", "name", "user", "created_at", "last_used_at")

    def has_add_permission(self, request: object) -> bool:
        return False
