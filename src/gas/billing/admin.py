"""The operator's view of payments: everything to read; the provider's dashboard is for the rest."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from gas.billing import apply
from gas.billing.models import BillingEvent, Customer, Subscription
from gas.errors import GasError
from gas.jobs.admin import ReadOnly
from gas.wiring import get_services


class SubscriptionInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Subscription
    extra = 0
    can_delete = False
    fields = readonly_fields = (
        "provider_id",
        "standing",
        "created_at",
        "renews_at",
        "ends_at",
        "overdue_since",
    )

    def has_add_permission(self, request: object, obj: object = None) -> bool:
        return False


@admin.register(Customer)
class CustomerAdmin(ReadOnly):
    list_display = ("user", "provider", "provider_id", "granted", "checked_at", "check_error")
    list_filter = ("provider", "granted")
    search_fields = ("user__email", "=provider_id")
    list_select_related = ("user",)
    exclude = ("checkout_url", "checkout_key")
    inlines = (SubscriptionInline,)
    actions = ("compare",)

    @admin.action(description="Compare with the provider now", permissions=["view"])
    def compare(self, request: HttpRequest, customers: QuerySet[Customer]) -> None:
        done = 0
        for customer in customers:
            try:
                apply.settle(get_services(), customer.pk, why=f"operator {request.user.pk}")
                done += 1
            except GasError as error:
                self.message_user(request, f"{customer}: {error}", messages.ERROR)
        self.message_user(request, f"{done} compared.")


@admin.register(BillingEvent)
class BillingEventAdmin(ReadOnly):
    list_display = ("event_id", "kind", "customer_id", "created_at", "received_at", "outcome")
    list_filter = ("provider", "outcome", "kind")
    search_fields = ("=event_id", "=customer_id")
    date_hierarchy = "received_at"
