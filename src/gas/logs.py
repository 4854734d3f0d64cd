"""Structured logs: one event per line, JSON for machines or text for reading."""

from __future__ import annotations

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


def _renderer(settings: Settings) -> list[Any]:
    if settings.log_format == "console":
        return [structlog.dev.ConsoleRenderer(colors=False)]
    # Without local variables: keys and passwords are among them.
    frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(frames), structlog.processors.JSONRenderer()]


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
        "foreign_pre_chain": _shared_processors(),
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
            # Answers of 4xx are the business of whoever asked.
            "django.request": {"level": "ERROR"},
        },
    }


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
