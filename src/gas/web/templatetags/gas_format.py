"""Filters: sizes in KB and MB, thousands separators, times in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

_UNITS = ("KB", "MB", "GB", "TB")


@register.filter
def size(count: int | None) -> str:
    """Bytes for people, 1 KB being 1,024: ``512 bytes``, ``150 KB``, ``1.4 MB``.

    static/gas/annotate.js writes them in the same way.
    """
    if count is None:
        return ""
    if count < 1024:
        return f"{count} byte{'' if count == 1 else 's'}"
    amount, units = count / 1024, iter(_UNITS)
    unit = next(units)
    while amount >= 1023.95 and (larger := next(units, None)):
        amount, unit = amount / 1024, larger
    text = f"{amount:.1f}".removesuffix(".0") if amount < 99.95 else f"{amount:.0f}"
    return f"{text} {unit}"


@register.filter
def number(count: int | None) -> str:
    """With thousands separators."""
    return "" if count is None else f"{count:,}"


@register.filter
def percent(share: float) -> str:
    """0 to 100, with one digit where it tells something: ``12.5 %``, ``<0.1 %``."""
    if 0 < share < 0.1:
        return "<0.1 %"
    return f"{share:.1f} %"


@register.filter
def utc(moment: datetime | None) -> SafeString | str:
    """A ``<time>`` in UTC, to the second."""
    if moment is None:
        return ""
    moment = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}">{} UTC</time>',
        f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        f"{moment:%Y-%m-%d %H:%M:%S}",
    )


@register.filter
def clock(moment: datetime | None, now: datetime) -> SafeString | str:
    """A ``<time>`` in UTC, to the minute; with its date where that is not today."""
    if moment is None:
        return ""
    moment = moment.astimezone(UTC)
    is_today = moment.date() == now.astimezone(UTC).date()
    return format_html(
        '<time datetime="{}">{} UTC</time>',
        f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        f"{moment:%H:%M}" if is_today else f"{moment:%Y-%m-%d %H:%M}",
    )


@register.filter
def took(end: datetime | None, start: datetime | None) -> str:
    """From ``start`` to ``end``: ``1.2 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if end is None or start is None:
        return ""
    passed: timedelta = max(end - start, timedelta())
    seconds = passed.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


@register.filter
def duration(seconds: float | None) -> str:
    """A length of time that somebody chose: ``45 s``, ``30 min``, ``1 h 30 min``, ``7 days``."""
    if seconds is None:
        return ""
    rest, parts = round(seconds), []
    for unit, length in (("day", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}")
    return " ".join(parts) or "0 s"
