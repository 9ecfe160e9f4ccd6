import json
from dataclasses import asdict, replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from vmcp_api.config import Backend, ProxyConfig
from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerStatus
from vmcp_api.manifests.parse import parse_model
from vmcp_api.manifests.resources import Resources
from vmcp_api.pod_status import Counts, DroppedReport, PodStatus, UnmatchedReport
from vmcp_api.spec.incoming import IncomingAuth
from vmcp_operator.plan.kinds import VMCP, Ref
from vmcp_operator.plan.pod_status import read_status
from vmcp_operator.plan.status import dump_status
from vmcp_operator.plan.vmcp.backends import build_backends, build_conflicts, build_unmatched, collect, report_counts
from vmcp_operator.plan.world import PodSettings, World

POD = {"metadata": {"name": "pod", "uid": "pod"}, "status": {"phase": "Running"}}
WORLD = World(
    key=Ref(VMCP, "default", "one"),
    now=datetime(2026, 1, 1, tzinfo=UTC),
    manifest={"metadata": {"uid": "one"}},
    resources=Resources(namespace="default"),
    settings=PodSettings("registry.test/vmcp:1"),
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
KEYS = (
    "configHash",
    "loadError",
    "keys",
    "store",
    "missingSecrets",
    "backends",
    "conflicts",
    "droppedTools",
    "unmatched",
    "counts",
)


def test_a_whole_report_is_read():
    body = {
        "contract": 1,
        "configHash": "abcd",
        "loadError": {"path": "x", "message": "x: is wrong"},
        "keys": "missing",
        "store": {"state": "unavailable", "message": "no answer"},
        "missingSecrets": ["billing/api-key"],
        "backends": [{"name": "a", "kind": "MCPServer", "status": "healthy", "revision": "2025-11-25", "tools": 3}],
        "conflicts": [{"kind": "tool", "name": "t", "winner": None, "losers": ["a", "b"]}],
        "droppedTools": [{"backend": "a", "kind": "tool", "name": "t", "reason": "no name"}],
        "unmatched": [{"backend": "a", "setting": "filter", "name": "x"}, {"setting": 5}],
        "counts": {"tools": 3, "contextBytes": 10},
    }
    report = read_status(json.dumps(body).encode())
    assert report is not None
    assert report.load_error is not None
    assert (report.config_hash, report.load_error.message, report.has_keys) == ("abcd", "x: is wrong", False)
    assert (report.store.is_away, report.store.message) == (True, "no answer")
    assert report.missing_secrets == ("billing/api-key",)
    assert (report.backends[0].revision, report.backends[0].tools) == ("2025-11-25", 3)
    assert (report.conflicts[0].winner, report.conflicts[0].losers) == (None, ("a", "b"))
    assert report.dropped_tools == (DroppedReport("a", "tool", "t", "no name"),)
    assert report.unmatched == (UnmatchedReport("a", "filter", "x"), UnmatchedReport("", "", ""))
    assert report.counts == Counts(tools=3, context_bytes=10)


def test_a_store_that_was_not_asked_yet_is_neither_there_nor_away():
    store = {"state": "unknown", "message": "Redis has not been asked yet"}
    report = read_status(json.dumps({"store": store}).encode())
    assert report is not None
    assert (report.store.is_away, report.store.is_known) == (False, False)
    other = read_status(b"{}")
    assert other is not None
    assert (other.store.is_away, other.store.is_known) == (False, True)


@given(body=st.binary(max_size=200))
def test_any_bytes_are_a_report_or_none(body):
    assert read_status(body) is None or isinstance(read_status(body), PodStatus)


@given(data=st.dictionaries(st.sampled_from(KEYS), JSON))
def test_a_report_of_any_shape_is_read_as_far_as_it_keeps_to_the_form(data):
    report = read_status(json.dumps(data).encode())
    assert isinstance(report, PodStatus)
    hash(report)


def test_texts_and_lists_of_a_pod_are_cut():
    body = {"backends": [{"name": "x" * 10_000}] * 10_000}
    report = read_status(json.dumps(body).encode())
    assert report is not None
    assert len(report.backends) == 256
    assert len(report.backends[0].name) == 1024


def test_what_a_pod_says_fits_into_a_status_whatever_it_says():
    long = "\ud800" + "x" * 3000
    names = [long] * 300
    body = {
        "backends": [
            {"name": "a", "kind": "K", "status": long, "revision": long, "circuit": long, "reason": long}
            | {"message": long, "tools": 1 << 80}
        ],
        "conflicts": [{"kind": long, "name": long, "winner": long, "losers": names}],
        "unmatched": [{"backend": long, "setting": long, "name": long}] * 300,
        "counts": {"tools": 1 << 80},
    }
    report = read_status(json.dumps(body).encode())
    assert report is not None
    world = replace(WORLD, pods=(POD,), reports={"pod": report})
    reports = collect(world, None)
    config = ProxyConfig(
        name="one",
        incoming_auth=IncomingAuth(type="anonymous"),
        backends=(Backend(name="a", kind="MCPServer", transport="streamable-http", url="https://a.test"),),
    )
    counts = report_counts(reports)
    status = dump_status(
        VirtualMCPServerStatus(
            backends=build_backends(world, config, reports),
            conflicts=build_conflicts(reports),
            unmatched=build_unmatched(reports),
            tool_count=counts.tools,
        )
    )
    json.dumps(status, ensure_ascii=False).encode()
    assert isinstance(parse_model(VirtualMCPServerStatus, json.loads(json.dumps(status))), VirtualMCPServerStatus)
    assert all(value < 1 << 31 for value in asdict(counts).values() if value is not None)
