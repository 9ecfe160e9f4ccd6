"""The log: events with keys and values, as JSON lines or for a person's eyes."""

import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import msgspec

_FIELDS: Final = "vmcp_fields"
_QUIET: Final = ("uvicorn", "uvicorn.error", "asyncio")
_LEVEL_NAMES: Final = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "error",
}


def configure_logging(level: str, stream: TextIO, *, json: bool) -> None:
    """Sends every logger of the process to a stream; `level` is `debug`, `info`, `warning` or `error`.

    Calling it again replaces what it did before.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if json else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        # The server tells of its own starts and stops at info; ours are logged by the composition root.
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def log_event(logger: logging.Logger, level: int, event: str, **fields: object) -> None:
    """Logs one event with its values.

    `event` is a fixed text. An exception among the fields is logged by type and place, never by its message,
    which may quote what a client sent.
    """
    if logger.isEnabledFor(level):
        logger.log(level, "%s", event, extra={_FIELDS: fields}, stacklevel=2)


def describe_exception(error: BaseException) -> str:
    """Type and place of an exception, its causes and its group, without messages (they may hold secrets)."""
    return "\n".join(_describe(error, set()))


def _describe(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    for frame in traceback.extract_tb(error.__traceback__):
        yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}: {frame.line or ""}'
    yield type(error).__qualname__
    related = [error.__cause__ or (None if error.__suppress_context__ else error.__context__)]
    if isinstance(error, BaseExceptionGroup):
        related += error.exceptions
    for other in related:
        if other is not None and id(other) not in seen:
            yield "from:"
            yield from _describe(other, seen)


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, logger, event, then the event's own keys."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "log": "app",
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": _LEVEL_NAMES.get(record.levelno, record.levelname.lower()),
            "logger": record.name,
            "event": record.getMessage(),
        }
        for key, value in _fields(record).items():
            line.setdefault(key, value)
        return msgspec.json.encode(line, enc_hook=str).decode("utf-8", "replace")


class ConsoleFormatter(logging.Formatter):
    """One line per record for people: time, level, event, `key=value`; control characters are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = _LEVEL_NAMES.get(record.levelno, record.levelname.lower())
        fields = _fields(record)
        trace = fields.pop("error", None) if "\n" in str(fields.get("error", "")) else None
        parts = [f"{time} {level:<7} {_printable(record.getMessage())}"]
        parts += [f"{key}={_quoted(str(value))}" for key, value in fields.items()]
        line = " ".join(parts)
        return line if trace is None else f"{line}\n{trace}"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = {
        key: describe_exception(value) if isinstance(value, BaseException) else value
        for key, value in getattr(record, _FIELDS, {}).items()
    }
    if record.exc_info and record.exc_info[1] is not None:
        fields["error"] = describe_exception(record.exc_info[1])
    return fields


def _quoted(text: str) -> str:
    """A value as it stands when it is one plain word, else as a Python literal."""
    return text if text.isprintable() and text and not set(text) & set(" ='\"") else repr(text)


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)
