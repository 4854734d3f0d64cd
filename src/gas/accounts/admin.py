"""The operator's view of users."""

from __future__ import annotations

from collections.abc import Sequence

from allauth.account.models import EmailAddress
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest

from gas.accounts.change import change_plan
from gas.accounts.closing import close_account
from gas.accounts.models import ApiToken, User
from gas.wiring import get_services

# Rights are a superuser's or nobody's, and addresses are changed with their user.
admin.site.unregister([Group, EmailAddress])


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]
    ordering = ("email",)
    list_display = ("email", "name", "plan", "is_staff", "is_active", "erasing", "date_joined")
    list_filter = ("plan", "is_staff", "is_active", "erasing")
    search_fields = ("email", "name", "institution")
    fieldsets = (
        (None, {"fields": ("email", "password", "name", "institution", "plan")}),
        ("Rights", {"fields": ("is_active", "is_staff", "is_superuser")}),
        ("Facts", {"fields": ("id", "mail_before_archive", "last_login", "date_joined")}),
    )
    readonly_fields = ("id", "mail_before_archive", "last_login", "date_joined")
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "name", "password1", "password2")}),
    )
    filter_horizontal = ()

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Who closed their account is not let in again: half of it is gone."""
        return super().has_change_permission(request, obj) and not (obj and obj.erasing)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.erasing)

    def save_model(
        self, request: HttpRequest, obj: User, form: forms.ModelForm[User], change: bool
    ) -> None:
        """A change of plan goes the one way that plans change, with all that follows from it."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        obj.save(update_fields=[name for name in form.changed_data if name != "plan"])
        if "email" in form.changed_data:
            # What signs them in and what passwords are mailed to; the old address opens nothing.
            EmailAddress.objects.filter(user=obj).delete()
        if "plan" in form.changed_data:
            change_plan(get_services(), obj, obj.plan, why=f"operator {request.user.pk}")

    def get_deleted_objects(
        self, objs: QuerySet[User] | Sequence[User], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """For the page that asks first. What belongs to a user is not deleted row by row."""
        users = list(objs)
        each = [f"{user}, with {user.jobs.count():,} jobs and all their files" for user in users]
        operators = User.objects.filter(is_superuser=True, is_active=True)
        stays = not operators.exclude(pk__in=[user.pk for user in users]).exists()
        last = [f"{user}: the last operator" for user in users if user.is_superuser]
        return each, {"accounts": len(users)}, set(), last if stays else []

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Closed now, gone when everything that was theirs is removed from every tier."""
        close_account(get_services(), obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset.filter(erasing=False):
            close_account(get_services(), user)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("prefix", "name", "user", "created_at", "last_used_at")
    search_fields = ("user__email", "name")
    exclude = ("digest",)
    readonly_fields = ("prefix", "name", "user", "created_at", "last_used_at")

    def has_add_permission(self, request: object) -> bool:
        return False

    def has_change_permission(self, request: object, obj: object = None) -> bool:
        return False
