"""Plans, as data. The server asks here wherever a plan matters; the browser only repeats it."""

from __future__ import annotations

from dataclasses import dataclass

from gas.config import Settings

FREE = "free"
PREMIUM = "premium"

CHOICES = [(FREE, "Free"), (PREMIUM, "Premium")]


@dataclass(frozen=True)
class Plan:
    """What a plan allows. ``max_upload_bytes`` counts bytes as uploaded; None: no cap.
    ``retention_s``: seconds that a result stays at hand after its completion; None: for good.
    ``weight``: its user's share of the annotators where several users' jobs wait
    (``gas.jobs.fairness``)."""

    name: str
    title: str
    max_upload_bytes: int | None
    retention_s: float | None
    weight: int

    def allows(self, size_bytes: int) -> bool:
        return self.max_upload_bytes is None or size_bytes <= self.max_upload_bytes


def all_plans(settings: Settings) -> list[Plan]:
    """Every plan there is."""
    return [get_plan(name, settings) for name, _title in CHOICES]


def get_plan(name: str, settings: Settings) -> Plan:
    """The plan called ``name``. Raises KeyError where there is none."""
    return {
        FREE: Plan(FREE, "Free", settings.free_max_upload_bytes, settings.free_retention_s, 1),
        PREMIUM: Plan(PREMIUM, "Premium", None, None, 4),
    }[name]
