"""The log: one event a line, in two dresses, and no way to forge another line."""

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.observability.logs import ConsoleFormatter, JsonFormatter, configure_logging, log_event


@pytest.fixture
def root():
    """Puts the process' logging back as it was."""
    logger = logging.getLogger()
    names = ("uvicorn", "uvicorn.error", "asyncio")
    before = (logger.handlers[:], logger.level, {name: logging.getLogger(name).level for name in names})
    yield logger
    logger.handlers[:], level, levels = before
    logger.setLevel(level)
    for name, value in levels.items():
        logging.getLogger(name).setLevel(value)


def record(event: str, **fields) -> logging.LogRecord:
    made = logging.LogRecord("vmcp", logging.WARNING, "f.py", 1, "%s", (event,), None)
    made.vmcp_fields = fields
    return made


def test_an_event_is_one_json_object_with_its_keys(root):
    stream = io.StringIO()
    configure_logging("info", stream, json=True)
    log_event(logging.getLogger("vmcp.test"), logging.INFO, "backend joined", backend="a", tools=3)
    log_event(logging.getLogger("vmcp.test"), logging.DEBUG, "not shown")
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "log": "app",
        "level": "info",
        "logger": "vmcp.test",
        "event": "backend joined",
        "backend": "a",
        "tools": 3,
    }


def test_a_person_sees_one_short_line_for_each_event(root):
    stream = io.StringIO()
    configure_logging("debug", stream, json=False)
    log_event(logging.getLogger("vmcp.test"), logging.WARNING, "backend left", backend="a", reason="two words")
    assert stream.getvalue()[8:] == " warning backend left backend=a reason='two words'\n"


def test_configuring_again_replaces_the_first_configuration(root):
    first, second = io.StringIO(), io.StringIO()
    configure_logging("info", first, json=True)
    configure_logging("error", second, json=True)
    log_event(logging.getLogger("vmcp.test"), logging.INFO, "quiet")
    log_event(logging.getLogger("vmcp.test"), logging.ERROR, "loud")
    assert first.getvalue() == ""
    assert json.loads(second.getvalue())["event"] == "loud"


def test_the_server_is_not_heard_below_warnings(root):
    stream = io.StringIO()
    configure_logging("debug", stream, json=True)
    logging.getLogger("uvicorn.error").info("Started server process")
    assert stream.getvalue() == ""


def test_a_traceback_of_any_library_comes_without_its_message(root):
    stream = io.StringIO()
    configure_logging("info", stream, json=True)
    value = "canary-77"
    try:
        int(value)
    except ValueError:
        logging.getLogger("library").exception("it broke")
    line = json.loads(stream.getvalue())
    assert "ValueError" in line["error"]
    assert "canary-77" not in stream.getvalue()


@pytest.mark.scenario("X-2")
@given(st.text(), st.text())
def test_no_value_forges_a_line_of_json(event, value):
    text = JsonFormatter().format(record(event, value=value, level=value))
    assert "\n" not in text
    line = json.loads(text)
    assert line["level"] == "warning"


@pytest.mark.scenario("X-2")
@given(st.text(), st.text())
def test_no_value_forges_a_line_or_steers_a_terminal(event, value):
    text = ConsoleFormatter().format(record(event, value=value))
    assert text.isprintable()


def test_what_json_does_not_know_is_written_as_text():
    line = json.loads(JsonFormatter().format(record("x", value={1, 2}, other=object)))
    assert line["other"] == str(object)


def test_an_exception_among_the_fields_is_shown_by_type():
    text = ConsoleFormatter().format(record("x", error=KeyError("canary-77")))
    assert text.endswith("error=KeyError")
