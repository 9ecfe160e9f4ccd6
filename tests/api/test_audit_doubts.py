"""Settings of an audit log that are well-formed and do nothing: a warning says so."""

import pytest

from tests.api.manifests import team
from vmcp_api.render import Mode, Rendered, render


def warnings(**audit):
    result = render(team(config={"audit": {"enabled": True, **audit}}), "front", mode=Mode.CLUSTER)
    assert isinstance(result, Rendered), str(result)
    return [str(problem) for problem in result.warnings]


@pytest.mark.parametrize("written", ["mcp_tool_calls", "tools/call", "MCP_TOOL_CALL", "mcp-tool-call"])
@pytest.mark.parametrize("field", ["eventTypes", "excludeEventTypes"])
def test_an_event_type_that_does_not_exist_is_told_with_the_one_that_was_meant(written, field):
    (said,) = warnings(**{field: [written]})
    assert f"warning: VirtualMCPServer/front: spec.config.audit.{field}[0]: " in said
    assert f"no event is of the type {written!r}" in said
    assert "did you mean 'mcp_tool_call'?" in said


def test_it_says_whether_anything_is_written_all_the_same():
    assert "no event is written at all" in warnings(eventTypes=["mcp_tool_calls"])[0]
    assert "it adds nothing" in warnings(eventTypes=["mcp_ping", "mcp_tool_calls"])[0]
    assert "it leaves nothing out" in warnings(excludeEventTypes=["pings"])[0]


@pytest.mark.parametrize(
    ("settings", "field", "sink"),
    [
        ({"path": "/a"}, "path", "file"),
        ({"file": {"path": "/a"}}, "file", "file"),
        ({"syslog": {"address": "logs:514"}}, "syslog", "syslog"),
        ({"otlp": {"endpoint": "https://collector:4318"}}, "otlp", "otlp"),
    ],
)
def test_settings_of_a_sink_that_is_not_chosen_are_told(settings, field, sink):
    (said,) = warnings(**settings)
    assert f"spec.config.audit.{field}: stands beside sink stdout, which does not use it; write sink: {sink}" in said
    assert warnings(sink=sink, **settings) == []


def test_settings_that_all_do_something_are_not_doubted():
    assert warnings(eventTypes=["mcp_tool_call", "http_rejected"], excludeEventTypes=["mcp_notification"]) == []
