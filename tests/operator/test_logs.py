import io
import json
import logging

import pytest

from vmcp_operator.logs import configure_logging, log_event


@pytest.fixture
def written():
    root = logging.getLogger()
    before, level = root.handlers, root.level
    yield io.StringIO()
    root.handlers = before
    root.setLevel(level)


def test_a_line_for_people_has_time_level_event_and_values_and_is_one_line_whatever_they_hold(written):
    configure_logging("info", "console", written)
    logger = logging.getLogger("vmcp_operator.test")
    log_event(logger, logging.INFO, "phase changed", name="one", note="two words", bad="a\nERROR forged=1", empty="")
    log_event(logger, logging.DEBUG, "not told")
    logger.warning("from a library\nwith two lines")
    first, second = written.getvalue().splitlines()
    time, level, rest = first.split(maxsplit=2)
    assert time.endswith("+00:00")
    assert level == "INFO"
    assert rest.startswith("phase changed logger=vmcp_operator.test name=one ")
    assert rest.endswith(r"""note="two words" bad="a\nERROR forged=1" empty="" """.rstrip())
    assert r""""from a library\nwith two lines" """ in second


def test_a_line_of_json_says_the_same(written):
    configure_logging("info", "json", written)
    error = ValueError("secret")
    logging.getLogger("x").error("crashed", exc_info=error)
    log_event(logging.getLogger("x"), logging.INFO, "told", name="one", time="not over the time")
    first, second = (json.loads(line) for line in written.getvalue().splitlines())
    assert first["error"].startswith("ValueError at ")
    assert second["time"] != "not over the time"
    assert "secret" not in str(first)
    assert (second["event"], second["name"], second["level"]) == ("told", "one", "info")
