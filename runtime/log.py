"""Logs: one line an event, to standard error; JSON unless a person looks at a terminal.

What is logged are ids, never names, identifiers or values of a patient (safety rule 16).
"""

import logging
import os
import sys

import structlog

_SHARED: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
)


# Local variables hold tokens, names and readings: a traceback in a log goes without them.
_WITHOUT_LOCALS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def configure(room: str, level: str | None = None) -> None:
    """Send this process's logs, and those of its libraries, to standard error.

    `level` is a name of the standard library; without one HEARTHBEAT_LOG_LEVEL, else INFO.
    """
    chosen = (level or os.environ.get("HEARTHBEAT_LOG_LEVEL") or "INFO").upper()
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(chosen)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(chosen)
    # Libraries say at INFO what each request was; that is too much and may carry values.
    for chatty in ("httpx", "httpcore", "uvicorn.access", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(room=room)


def _formatter() -> structlog.stdlib.ProcessorFormatter:
    final: list[structlog.typing.Processor]
    if sys.stderr.isatty():
        plain = structlog.dev.plain_traceback
        final = [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    else:
        final = [
            structlog.processors.ExceptionRenderer(_WITHOUT_LOCALS),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
    )
