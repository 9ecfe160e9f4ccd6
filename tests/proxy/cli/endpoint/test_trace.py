"""`vmcp call --trace`: a run as a tree, whatever a server says of it."""

import pytest

from vmcp_proxy.cli.endpoint.trace import NO_TRACE, describe_trace


def step(name, *needs, status="completed", start=0, milliseconds=100, attempts=1, **more):
    timing = {"start": start, "milliseconds": milliseconds, "attempts": attempts}
    return {"id": name, "type": "tool", "status": status, "dependsOn": list(needs), **timing, **more}


def traced(*steps, **more):
    return {"_meta": {"vmcp.dev/trace": {"workflow": "deploy", "milliseconds": 1500, "steps": list(steps), **more}}}


def test_each_step_stands_below_the_one_that_it_waited_for_last():
    steps = [
        step("build", milliseconds=800),
        step("lint", milliseconds=200),
        step("test", "build", "lint", start=800, attempts=3),
        step("each", "lint", type="forEach", attempts=4, iterations={"count": 4, "completed": 3, "failed": 1}),
        step("tell", "test", status="failed", error="no\nroute", milliseconds=2500),
        step("undo", "test", status="skipped", attempts=0),
    ]
    assert describe_trace(traced(*steps)).split("\n") == [
        "deploy  1s500ms",
        "├─ build  completed  800ms",
        "│  └─ test  completed  100ms  3 attempts",
        "│     ├─ tell  failed  2s500ms: no route",
        "│     └─ undo  skipped",
        "└─ lint  completed  200ms",
        "   └─ each  completed  100ms  4 items, 1 failed",
    ]


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"_meta": None},
        {"_meta": {"vmcp.dev/trace": True}},
        {"_meta": {"vmcp.dev/trace": {"steps": {}}}},
    ],
)
def test_without_a_trace_it_says_so(result):
    assert describe_trace(result) == NO_TRACE


@pytest.mark.parametrize(
    "steps",
    [
        [step("a", "b"), step("b", "a")],
        [step("a", "a"), step("b", "gone")],
        [None, 3, {}, {"id": 5, "dependsOn": "x", "start": "soon", "iterations": []}],
        [step("a\x1b[31m", error="\x1b]0;title\x07")],
    ],
)
def test_an_odd_trace_breaks_nothing_and_steers_no_terminal(steps):
    shown = describe_trace(traced(*steps))
    assert shown.startswith("deploy")
    assert all(character.isprintable() or character == "\n" for character in shown)
