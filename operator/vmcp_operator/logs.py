"""The log: events with keys and values, one line each, as JSON or for people."""

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Final, TextIO

_FIELDS: Final = "vmcp_fields"
_NOISY: Final = ("kopf", "aiohttp.access", "kubernetes", "asyncio")


FORMATS: Final = ("json", "console")


def configure_logging(level: str, form: str, stream: TextIO) -> None:
    """Sends every logger of the process to a stream; `level` is `debug`, `info`, `warning` or `error`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JsonFormatter() if form == "json" else _ConsoleFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _NOISY:
        # Each of them tells of every object that it hands over.
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def log_event(logger: logging.Logger, level: int, event: str, **fields: object) -> None:
    """Logs one event with its values; `event` is a fixed text."""
    if logger.isEnabledFor(level):
        logger.log(level, "%s", event, extra={_FIELDS: fields}, stacklevel=2)


def describe(error: BaseException) -> str:
    """Type, place and cause of an exception, without the texts of exceptions, which may quote a manifest."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else "?"
    text = f"{type(error).__qualname__} at {place}"
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{text}; from {describe(cause)}" if cause is not None else text


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """Time, level, logger and event, then the event's own keys."""
    line: dict[str, object] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": record.getMessage(),
    }
    for key, value in getattr(record, _FIELDS, {}).items():
        line.setdefault(key, value)
    if record.exc_info and record.exc_info[1] is not None:
        line["error"] = describe(record.exc_info[1])
    return line


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_fields(record), default=str)


class _ConsoleFormatter(logging.Formatter):
    """For people: time, level and event, then `key=value`; a value that is not one plain word is a JSON string."""

    def format(self, record: logging.LogRecord) -> str:
        line = _fields(record)
        event = str(line.pop("event"))
        head = (
            f"{line.pop('time')} {str(line.pop('level')).upper():<7} {event if event.isprintable() else _quoted(event)}"
        )
        return " ".join((head, *(f"{key}={_quoted(str(value))}" for key, value in line.items())))


def _quoted(value: str) -> str:
    is_plain = value.isprintable() and value != "" and not {" ", '"', "="} & set(value)
    return value if is_plain else json.dumps(value)
