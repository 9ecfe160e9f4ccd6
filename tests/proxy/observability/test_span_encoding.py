"""Spans as a collector reads them, whatever they say (ADR-0047)."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from vmcp_proxy.observability.tracing.encoding import SpanEncoder
from vmcp_proxy.observability.tracing.propagation import TraceParent
from vmcp_proxy.observability.tracing.spans import Event, FinishedSpan

TRACE, SPAN, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "53995c3f42cd8ad8"
SHORT = ("", "x", "ü€😀", "y" * 126, "y" * 127, "y" * 128)
LONG = ("z" * 16_383, "z" * 16_384, "ü" * 300)


def span(attributes, **more):
    parts = {
        "name": "tools/call x",
        "kind": "server",
        "trace": TRACE,
        "span": SPAN,
        "flags": 1,
        "parent": "",
        "is_parent_remote": False,
        "state": "",
        "attributes": attributes,
        "events": (),
        "link": None,
        "error": "",
        "start": 1_700_000_000_000_000_001,
        "end": 1_700_000_000_000_000_002,
    }
    return FinishedSpan(**{**parts, **more})


def read(*spans):
    """What a collector reads of one request."""
    body = SpanEncoder({"service.name": "s"}, "vmcp", "1").encode(spans)
    (group,) = ExportTraceServiceRequest.FromString(body).resource_spans
    (scope,) = group.scope_spans
    assert [(each.key, each.value.string_value) for each in group.resource.attributes] == [("service.name", "s")]
    assert (scope.scope.name, scope.scope.version) == ("vmcp", "1")
    return scope.spans


def texts(found):
    return [(each.key, each.value.string_value) for each in found.attributes]


def test_texts_of_every_length_arrive_as_they_are_the_second_time_too():
    for values in (SHORT, LONG, SHORT + LONG):
        attributes = {f"a{number}": value for number, value in enumerate(values)}
        for _ in range(2):
            first, second = read(span(attributes), span({"b": "c"}))
            assert texts(first) == list(attributes.items())
            assert texts(second) == [("b", "c")]


def test_a_span_has_its_ids_its_times_its_parent_and_its_link():
    link = TraceParent("a" * 32, "b" * 16, 1, "")
    more = {"parent": PARENT, "is_parent_remote": True, "state": "a=1", "link": link, "kind": "client"}
    found, root = read(span({}, **more), span({}))
    assert (found.trace_id.hex(), found.span_id.hex(), found.parent_span_id.hex()) == (TRACE, SPAN, PARENT)
    assert (found.start_time_unix_nano % 10, found.end_time_unix_nano % 10) == (1, 2)
    assert (found.trace_state, found.name, found.kind) == ("a=1", "tools/call x", 3)
    assert [(each.trace_id.hex(), each.span_id.hex(), each.flags) for each in found.links] == [
        ("a" * 32, "b" * 16, 0x300)
    ]
    assert (found.flags, root.flags, root.parent_span_id, len(root.links)) == (0x300, 0x100, b"", 0)
    assert not found.HasField("status")


def test_numbers_lists_events_and_what_went_wrong_are_there():
    (found,) = read(span({"n": 1, "l": ("p", "q")}, error="timeout", events=(Event("again", 7, {"why": "lost"}),)))
    said = {each.key: each.value for each in found.attributes}
    assert said["n"].int_value == 1
    assert [each.string_value for each in said["l"].array_value.values] == ["p", "q"]
    assert (said["error.type"].string_value, found.status.code) == ("timeout", 2)
    (event,) = found.events
    assert (event.name, event.time_unix_nano, event.attributes[0].value.string_value) == ("again", 7, "lost")


def test_half_of_a_surrogate_pair_costs_no_other_span():
    broken, whole = read(span({"a": "x\ud800"}, name="tools/call \udfff"), span({"a": "b"}))
    assert texts(broken) == [("a", "x?")]
    assert broken.name == "tools/call ?"
    assert texts(whole) == [("a", "b")]
