"""`vmcp policy test`: new policies on what an endpoint has written down, and on lines that say less."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.proxy.cli.commands import call_vmcp, endpoint, run_vmcp, write
from tests.proxy.endpoint.helpers import QUIET
from tests.proxy.endpoint.test_layers import events_in
from tests.support.callers import ISSUER, AskedEachTime, identity_of
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool
from vmcp_proxy.cli.exits import Exit
from vmcp_proxy.cli.policy.lines import Recorded, Skipped, read_line

pytestmark = pytest.mark.scenario("Z-8")

IN_FORCE = """@id("readers") permit(principal in Group::"readers", action, resource == Tool::"web_read");
@id("bob") permit(principal == Client::"bob", action, resource);"""
NEW = """@id("all-read") permit(principal, action, resource == Tool::"web_read");
@id("no-write") forbid(principal, action, resource == Tool::"web_write");"""
GROUPS = {"alice": ["readers"], "bob": [], "carol": []}


class WithGroups(AskedEachTime):
    """Takes the bearer token for the subject, whose groups are known."""

    async def authenticate(self, authorization, source):
        subject = authorization.decode().removeprefix("Bearer ")
        return identity_of(subject, groups=GROUPS[subject])


async def audited(path: Path, policies: str, mode: str = "Enforce", **audit) -> None:
    """What each caller's calls of each tool leave in the audit log."""
    config = {**QUIET, "audit": {"enabled": True, "sink": "file", "path": str(path), **audit}}
    authorization = {"policies": [policies], "mode": mode}
    backend = ScriptedBackend(tools=[tool("read"), tool("write")])
    async with scene({"web": backend}, config=config, authorization=authorization) as world:
        with world.inside.authenticated_by(WithGroups()):
            world.apply()
        for subject in GROUPS:
            async with world.session(authorization=f"Bearer {subject}") as client:
                await client.names()
                for name in ("web_read", "web_write", "web_nothing"):
                    params = {"name": name, "arguments": {"q": subject}}
                    await client.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
        await events_in(path, 6 * len(GROUPS))


@pytest.fixture
async def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    await audited(path, IN_FORCE)
    return path


@pytest.fixture
def new(tmp_path: Path):
    """A file of policies as an argument."""

    def file(text: str) -> str:
        path = tmp_path / "new.cedar"
        path.write_text(text)
        return str(path)

    return file


async def test_who_would_lose_and_gain_what_is_told_with_the_policy_that_does_it(log, new):
    done = await asyncio.to_thread(run_vmcp, "policy", "test", "--policies", new(NEW), str(log))
    assert done.code == Exit.FAILED, done.err
    assert done.out.splitlines() == [
        "18 lines: 6 calls judged, 0 not judged, 9 other requests, 3 calls of unknown names, 0 no audit lines",
        "",
        "would lose: 1 caller, 1 call",
        "  CALLER  ACTION     NAME       BACKEND  CALLS  WHY",
        "  bob     call_tool  web_write  web      1      no-write",
        "",
        "would gain: 1 caller, 1 call",
        "  CALLER  ACTION     NAME      BACKEND  CALLS  WHY",
        "  carol   call_tool  web_read  web      1      all-read",
    ]


async def test_programs_read_it_as_json_and_the_same_policies_change_nothing(log, new, capsys):
    done = await asyncio.to_thread(
        call_vmcp, capsys, "policy", "test", "--policies", new(NEW), str(log), str(log), "-o", "json"
    )
    said = json.loads(done.out)
    assert (said["lines"], said["judged"], said["unjudged"]) == (36, 12, [])
    assert said["skipped"] == {"no_audit": 0, "other": 18, "nobodys": 6}
    (lost,) = said["lose"]
    assert lost == {
        "issuer": ISSUER,
        "subject": "bob",
        "action": "call_tool",
        "name": "web_write",
        "backend": "web",
        "calls": 2,
        "policies": ["no-write"],
        "errors": [],
        "why": [],
    }
    done = await asyncio.to_thread(call_vmcp, capsys, "policy", "test", "--policies", new(IN_FORCE), str(log))
    assert (done.code, "would lose: nobody" in done.out, "would gain: nobody" in done.out) == (Exit.OK, True, True)


async def test_under_shadow_all_calls_were_let_through_and_that_is_what_would_change(tmp_path, new, capsys):
    log = tmp_path / "shadow.jsonl"
    await audited(log, IN_FORCE, "Shadow")
    done = await asyncio.to_thread(
        call_vmcp, capsys, "policy", "test", "--policies", new(IN_FORCE), str(log), "-o", "json"
    )
    said = json.loads(done.out)
    assert [(each["subject"], each["name"]) for each in said["lose"]] == [
        ("alice", "web_write"),
        ("carol", "web_read"),
        ("carol", "web_write"),
    ]
    assert (done.code, said["gain"]) == (Exit.FAILED, [])


async def test_what_was_not_written_down_is_not_judged_and_says_what_is_missing(tmp_path, log, new, capsys):
    by_argument = '@id("own") permit(principal, action, resource) when { context.arg_q == principal.claim_sub };'
    done = await asyncio.to_thread(call_vmcp, capsys, "policy", "test", "--policies", new(by_argument), str(log))
    assert done.code == Exit.NOTHING
    assert "no call could be judged: the lines do not hold what the policies read; set under" in done.err
    assert "not judged: 6 calls, which may come out either way" in done.out
    assert "  6 calls: own reads what the lines do not hold: arguments" in done.out
    whole = tmp_path / "whole.jsonl"
    await audited(whole, IN_FORCE, includeRequestData=True)
    done = await asyncio.to_thread(
        call_vmcp, capsys, "policy", "test", "--policies", new(by_argument), str(whole), "-o", "json"
    )
    said = json.loads(done.out)
    assert (said["judged"], said["unjudged"], len(said["lose"]), len(said["gain"])) == (6, [], 0, 3)


LINE = {
    "log": "audit",
    "outcome": "success",
    "component": "default/office",
    "subject": {"issuer": ISSUER, "subject": "alice"},
    "target": {"method": "tools/call", "name": "web_read"},
    "backend": "web",
    "rejected_by": "",
}

LIMITED = {
    "outcome": "denied",
    "backend": "",
    "rejected_by": "rate_limit",
    "decision": {
        "outcome": "allow",
        "policies": ["all"],
        "errors": [],
        "mode": "Enforce",
        "action": "call_tool",
        "resource": "web_read",
        "backend": "web",
        "claims": {},
    },
}
"""A call that policies had let through, and that was one too many."""


@pytest.mark.parametrize(
    ("changes", "policies", "counted"),
    [
        ({}, 'permit(principal == Client::"bob", action, resource);', {"lose": 1}),
        ({}, 'permit(principal, action, resource in MCP::"office");', {"judged": 1}),
        ({}, 'permit(principal in Group::"g", action, resource);', {"unjudged": 1}),
        ({}, "permit(principal, action, resource) when { resource.readOnlyHint };", {"unjudged": 1}),
        ({"outcome": "denied"}, "permit(principal, action, resource);", {"gain": 1}),
        ({"backend": ""}, "permit(principal, action, resource);", {"nobodys": 1}),
        ({"subject": None}, "permit(principal, action, resource);", {"other": 1}),
        ({"rejected_by": "authentication"}, "permit(principal, action, resource);", {"other": 1}),
        ({"rejected_by": "rate_limit"}, "permit(principal, action, resource);", {"other": 1}),
        (LIMITED, "permit(principal, action, resource);", {"judged": 1}),
        ({"target": {"method": "tools/list"}}, "permit(principal, action, resource);", {"other": 1}),
        ({"target": {"method": "x/y"}}, "permit(principal, action, resource);", {"other": 1}),
        ({"log": "other"}, "permit(principal, action, resource);", {"no_audit": 1}),
        (
            {"target": {"method": "resources/read", "name": "ui://vmcp.dev/web/page"}},
            'permit(principal, action, resource == Resource::"ui://page");',
            {"judged": 1},
        ),
        (
            {"subject": {"issuer": "anonymous", "subject": "anonymous"}},
            'permit(principal in Group::"g", action, resource);',
            {"lose": 1},
        ),
    ],
)
def test_lines_from_before_there_were_policies_are_judged_by_what_they_say(
    tmp_path, new, capsys, changes, policies, counted
):
    log = tmp_path / "old.jsonl"
    log.write_text(json.dumps({**LINE, **changes}) + "\n\n")
    done = call_vmcp(capsys, "policy", "test", "--policies", new(policies), str(log), "-o", "json")
    said = json.loads(done.out)
    found = {"judged": said["judged"] - len(said["lose"]) - len(said["gain"]), **said["skipped"]}
    found |= {side: len(said[side]) for side in ("lose", "gain", "unjudged")}
    assert {name: count for name, count in found.items() if count} == counted


def test_lines_that_are_none_are_counted_and_stop_nothing(tmp_path, new, capsys):
    log = tmp_path / "mixed.log"
    log.write_bytes(b'starting\n{"log": "aud\n\xff\xfe\n[1]\n' + json.dumps(LINE).encode() + b"\n")
    policies = new("permit(principal, action, resource);")
    done = call_vmcp(capsys, "policy", "test", "--policies", policies, str(log))
    assert done.out.startswith("5 lines: 1 call judged, 0 not judged, 0 other requests")
    assert done.out.splitlines()[0].endswith("4 no audit lines")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the log is empty; turn it on"),
        ("starting\n[1]\n", "no line is of the audit log; turn it on (spec.config.audit.enabled)"),
        (json.dumps({**LINE, "backend": ""}), "no audit line is about a call of a name that a backend has; give"),
    ],
)
def test_a_log_that_says_nothing_of_the_policies_is_no_success(tmp_path, new, capsys, text, says):
    log = tmp_path / "some.log"
    log.write_text(text)
    done = call_vmcp(capsys, "policy", "test", "--policies", new(NEW), str(log), "-o", "json")
    assert (done.code, f"no call could be judged: {says}" in done.err) == (Exit.NOTHING, True), done.err
    assert json.loads(done.out)["judged"] == 0


def test_the_policies_of_manifests_are_taken_as_they_would_be_served(tmp_path, capsys):
    inline = {"type": "inline", "inline": {"policies": ['permit(principal == Client::"bob", action, resource);']}}
    with_policies = endpoint()
    with_policies[0]["spec"]["incomingAuth"]["authzConfig"] = inline
    log = tmp_path / "a.jsonl"
    log.write_text(json.dumps(LINE))
    done = call_vmcp(capsys, "policy", "test", "-f", write(tmp_path / "v.yaml", *with_policies), str(log))
    assert (done.code, "would lose: 1 caller, 1 call" in done.out) == (Exit.FAILED, True), done.err
    done = call_vmcp(capsys, "policy", "test", "-f", write(tmp_path / "w.yaml", *endpoint()), str(log))
    assert (done.code, "has no policies" in done.err) == (Exit.INVALID, True), done.err


def test_what_policies_name_and_nothing_has_is_told_beside_the_verdict(tmp_path, new, capsys):
    slip = """permit(principal, action, resource);
@id("slip") permit(principal, action == Action::"call_tol", resource);"""
    log = tmp_path / "a.jsonl"
    log.write_text(json.dumps(LINE))
    done = call_vmcp(capsys, "policy", "test", "--policies", new(slip), str(log))
    said = "policy 'slip': names Action::\"call_tol\", and there is no such action; did you mean 'call_tool'?"
    assert done.err == f"{tmp_path}/new.cedar:2: warning: {said}\n"
    with_policies = endpoint()
    with_policies[0]["spec"]["incomingAuth"]["authzConfig"] = {"type": "inline", "inline": {"policies": [slip]}}
    done = call_vmcp(capsys, "policy", "test", "-f", write(tmp_path / "v.yaml", *with_policies), str(log))
    assert said in done.err
    assert len(done.err.splitlines()) == 1, "of policies alone"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), Exit.USAGE, "Give --policies FILE or -f FILE_OR_DIR."),
        (("--policies", "good.cedar", "-f", "."), Exit.USAGE, "by --policies or by -f, not both"),
        (("-f", ".", "--group-claim", "roles"), Exit.USAGE, "go with --policies"),
        (("--policies", "good.cedar", "--name", "v"), Exit.USAGE, "--name goes with -f"),
        (("--policies", "missing.cedar"), Exit.USAGE, "does not exist"),
        (("--policies", "bad.cedar"), Exit.INVALID, "bad.cedar:2: is no Cedar: "),
        (("--policies", "empty.cedar"), Exit.INVALID, "empty.cedar: holds no policy; write one"),
        (("--policies", "good.cedar", "--entities", "bad.cedar"), Exit.INVALID, "bad.cedar:1: is no JSON"),
        (("--policies", "bad.cedar", "--policies", "empty.cedar"), Exit.INVALID, "2 errors, nothing is judged"),
        (("--policies", "good.cedar", "--policies", "odd.cedar"), Exit.INVALID, "odd.cedar: arg_x is read of"),
    ],
)
def test_a_wrong_command_line_hears_what_came_and_what_to_do(capsys, tmp_path, monkeypatch, words, code, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text("")
    texts = {"good": "permit(principal, action, resource);", "bad": "// one\npermit(", "empty": ""}
    texts["odd"] = "permit(principal, action, resource) when { principal.arg_x == 1 };"
    for name, text in texts.items():
        (tmp_path / f"{name}.cedar").write_text(text)
    done = call_vmcp(capsys, "policy", "test", *words, "a.jsonl")
    assert (done.code, says in done.err) == (code, True), done.err


@pytest.mark.parametrize("name", ["https://***@h/x?api_key=***", "https://h/x…"])
def test_a_name_that_is_not_written_as_it_was_is_not_judged_by_what_stands_there(name):
    asked = {"outcome": "allow", "action": "read_resource", "backend": "web"}
    line = {"log": "audit", "subject": {"issuer": ISSUER, "subject": "alice"}, "target": {"method": "resources/read"}}
    whole = read_line(
        json.dumps({**line, "decision": {**asked, "resource": "https://h/x"}}).encode(), with_arguments=True
    )
    assert isinstance(whole, Recorded)
    told = read_line(json.dumps({**line, "decision": {**asked, "resource": name}}).encode(), with_arguments=True)
    assert told is Skipped.OTHER
