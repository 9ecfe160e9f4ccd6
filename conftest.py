"""Options and records for the whole suite."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import settings

_OUTCOMES = pytest.StashKey[dict[str, set[str]]]()


def pytest_addoption(parser):
    parser.addoption("--scenarios", type=Path, help="write which acceptance scenarios passed to this file (JSON)")


def pytest_configure(config):
    # A run that decides about a change must not depend on luck; everybody else's runs look for new examples.
    settings.register_profile("ci", derandomize=True)
    if os.environ.get("CI"):
        settings.load_profile("ci")
    config.stash[_OUTCOMES] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when != "call" and not report.failed:
        return
    for marker in item.iter_markers("scenario"):
        for scenario in marker.args:
            item.config.stash[_OUTCOMES].setdefault(scenario, set()).add(report.outcome)


def pytest_sessionfinish(session):
    target = session.config.getoption("--scenarios")
    if target is not None:
        seen = {name: sorted(outcomes) for name, outcomes in session.config.stash[_OUTCOMES].items()}
        target.write_text(json.dumps(seen, indent=1, sort_keys=True))
