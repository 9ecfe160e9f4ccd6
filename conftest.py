"""Options and records for the whole suite."""

import gc
import json
import os
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support import eras, heap

# What is compiled is kept, also where the machine's setting is to keep nothing: each worker and each command that a
# test starts would compile all that it imports anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long an example takes tells how busy the machine is, not whether the code is right. A run that decides about a
# change must not depend on luck; everybody else's runs look for new examples.
settings.register_profile(
    "thorough",
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.register_profile("everyday", settings.get_profile("thorough"), max_examples=25)

_SENDERS = frozenset({"audit", "metrics by OTLP", "traces by OTLP"})
"""Threads that outlive a test where what they send to hangs: they end by a timeout of their own."""

_SENDER_SECONDS = 30.0

_OUTCOMES = pytest.StashKey[dict[str, set[str]]]()


@pytest.fixture(params=list(eras.Era), ids=lambda era: era.value)
def both_eras(request, monkeypatch):
    """Runs a test once in each era of the protocol: its clients speak that one."""
    monkeypatch.setattr(eras, "current", request.param)
    return request.param


def pytest_addoption(parser):
    parser.addoption("--scenarios", type=Path, help="write which acceptance scenarios passed to this file (JSON)")


def pytest_configure(config):
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("everyday")
    config.stash[_OUTCOMES] = {}


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    # Nearly all that is made here stays to the end, so that looking for garbage among it takes time and finds none.
    gc.disable()
    try:
        return (yield)
    finally:
        heap.set_aside()
        gc.enable()


def pytest_collection_modifyitems(items):
    for item in items:
        # A report takes these along from the process that ran the test to the one that counts.
        item.user_properties += [("scenario", name) for mark in item.iter_markers("scenario") for name in mark.args]
    # Stable: those that wait for long begin first, and the rest runs meanwhile.
    items.sort(key=lambda item: item.get_closest_marker("waits") is None)


def pytest_runtest_setup(item):
    """Waits for senders of earlier tests: Hypothesis takes it for a fault where they draw from the `random` module."""
    if item.get_closest_marker("hypothesis"):
        for thread in threading.enumerate():
            if thread.name in _SENDERS:
                thread.join(_SENDER_SECONDS)


@pytest.hookimpl(wrapper=True)
def pytest_report_teststatus(report, config):
    if isinstance(report, pytest.TestReport) and (report.when == "call" or report.failed):
        for kind, name in report.user_properties:
            if kind == "scenario":
                config.stash[_OUTCOMES].setdefault(name, set()).add(report.outcome)
    return (yield)


def pytest_sessionfinish(session):
    target = session.config.getoption("--scenarios")
    if target is not None and not hasattr(session.config, "workerinput"):
        seen = {name: sorted(outcomes) for name, outcomes in session.config.stash[_OUTCOMES].items()}
        target.write_text(json.dumps(seen, indent=1, sort_keys=True))
