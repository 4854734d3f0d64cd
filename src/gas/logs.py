"""Structured logs: one event per line, JSON for machines or text for reading."""

from __future__ import annotations

import logging
from typing import Any

import structlog

from gas.config import Settings


def _shared_processors() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def _add_our_extras(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """What our own modules say with ``extra=``. Libraries' is left out: Django's holds requests,
    whose addresses may be secret."""
    record = event.get("_record")
    if record is not None and record.name.startswith("gas."):
        event.update((k, v) for k, v in vars(record).items() if k not in _STANDARD)
    return event


def _renderer(settings: Settings) -> list[Any]:
    # Tracebacks without the values of local variables: keys and passwords are among them.
    if settings.log_format == "console":
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain)]
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    )
    return [tracebacks, structlog.processors.JSONRenderer()]


def logging_config(settings: Settings) -> dict[str, Any]:
    """A ``logging.config.dictConfig`` that sends everything, libraries too, through structlog."""
    structlog.configure(
        processors=[
            *_shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *_renderer(settings),
        ],
        "foreign_pre_chain": [*_shared_processors(), _add_our_extras],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"structlog": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structlog"}},
        "root": {"handlers": ["stderr"], "level": settings.log_level},
        "loggers": {
            # Their every step at INFO would drown ours.
            "procrastinate": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            "stripe": {"level": "WARNING"},
            "urllib3": {"level": "WARNING"},
            # Answers of 4xx are the business of whoever asked.
            "django.request": {"level": "ERROR"},
        },
    }


def alarm_operator(error: Exception, **about: str) -> None:
    """One line, the same wherever it is met, for what an operator has to mend: it may name hosts,
    buckets and keys, which are for nobody else."""
    logging.getLogger(__name__).error(
        "ALARM: a part is out of order", extra={**about, "why": str(error)}
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
