"""Who is whom at the payment provider, what is known of their subscriptions, which events came.

Nothing here tells a person's name, address or card: that is the provider's to keep.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models

from gas.accounts import plans
from gas.billing import Standing as StandingOf


class Customer(models.Model):
    """A user as a customer of a provider. Whoever decides about the plan locks this row first,
    then asks the provider: so the last who decides has seen what is newest."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="customers"
    )
    provider = models.CharField(max_length=20)
    #: The provider's id. Null until it has given one.
    provider_id = models.CharField(max_length=255, null=True)  # noqa: DJ001 - unique where set
    #: The plan that subscriptions gave last. Where the user's plan differs, an operator chose it.
    granted = models.CharField(max_length=20, choices=plans.CHOICES, default=plans.FREE)
    checked_at = models.DateTimeField(null=True)
    #: When to compare with the provider next; null where only an event could bring news.
    check_at = models.DateTimeField(null=True, db_index=True)
    check_tries = models.PositiveIntegerField(default=0)
    check_error = models.TextField(blank=True)
    #: The checkout that is open. One at a time, so that nobody pays twice.
    checkout_url = models.TextField(blank=True)
    checkout_key = models.CharField(max_length=100, blank=True)
    checkout_at = models.DateTimeField(null=True)
    checkout_expires_at = models.DateTimeField(null=True)
    #: Part of the key of what is asked for next: grows when that is done, or refused.
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "provider"], name="billing_one_per_user"),
            models.UniqueConstraint(fields=["provider", "provider_id"], name="billing_one_per_id"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.provider_id}"


class Subscription(models.Model):
    """A subscription as it was when it was last asked for."""

    class Standing(models.TextChoices):
        WAITING = StandingOf.WAITING.value, "Waiting for the first payment"
        PAYING = StandingOf.PAYING.value, "Paid for"
        OVERDUE = StandingOf.OVERDUE.value, "Payment failed"
        OVER = StandingOf.OVER.value, "Over"

    id = models.BigAutoField(primary_key=True)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="subscriptions")
    provider_id = models.CharField(max_length=255)
    standing = models.CharField(max_length=10, choices=Standing.choices)
    created_at = models.DateTimeField()
    renews_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    #: Since when it has been OVERDUE without a break, as far as GAS has seen.
    overdue_since = models.DateTimeField(null=True)
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "provider_id"], name="billing_subscription_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider_id}: {self.standing}"


class BillingEvent(models.Model):
    """An event of a provider: its row is what makes it count once. Its text is not kept."""

    class Outcome(models.TextChoices):
        WAITING = "waiting", "Not applied yet"
        APPLIED = "applied", "Applied"
        IGNORED = "ignored", "Nothing to do about it"
        UNKNOWN = "unknown", "Of a customer that is not ours"

    id = models.BigAutoField(primary_key=True)
    provider = models.CharField(max_length=20)
    event_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=100)
    customer_id = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField()
    received_at = models.DateTimeField()
    applied_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.WAITING)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="billing_event_once")
        ]
        indexes = [
            models.Index(
                fields=["received_at"],
                condition=models.Q(applied_at__isnull=True),
                name="billing_event_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"


class FreeOfCharge(models.Model):
    """A subscription at the `test` provider: what a real one would keep on its side."""

    id = models.BigAutoField(primary_key=True)
    customer_id = models.CharField(max_length=255, db_index=True)
    standing = models.CharField(max_length=10, choices=Subscription.Standing.choices)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"test--{self.pk}: {self.standing}"
