"""`vmcp explain`: against a running endpoint by its admin port, and by files alone."""

import asyncio
import json
from pathlib import Path

import pytest

from benchmarks.ports import free_port
from tests.proxy.cli.commands import EXAMPLE, call_vmcp, endpoint, run_vmcp, server, write
from tests.support.rules import Effect, Rule, RuleBased
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool
from tests.support.serving import admin_of
from vmcp_proxy.cli.exits import Exit

pytestmark = pytest.mark.scenario("Z-6", "Z-7")

POLICY = RuleBased((Rule(Effect.PERMIT, subjects=("alice",), names=("web_search",)),))


@pytest.fixture
async def url():
    backend = ScriptedBackend(tools=[tool("search"), tool("fetch")], resources=[{"uri": "test://a", "name": "a"}])
    async with scene({"web": backend}, admitter=POLICY) as world, world.session(authorization="x"):
        async with asyncio.timeout(60):
            while not world.proxy.catalog().tools:  # noqa: ASYNC110 - the catalog has no event to wait on
                await asyncio.sleep(0.01)
        yield admin_of(world.proxy)


@pytest.fixture
def vmcp(capsys):
    """The command in a thread beside the endpoint that this test serves."""

    async def run(*arguments):
        return await asyncio.to_thread(call_vmcp, capsys, *arguments)

    return run


async def test_the_steps_stand_in_their_order_with_what_would_change_them(url):
    done = await asyncio.to_thread(run_vmcp, "explain", url, "web_fetch", "--as", "alice")
    assert done.code == Exit.FAILED, done.err
    assert done.out.splitlines() == [
        "tool web_fetch for alice: denied, not listed",
        "",
        "web_fetch (fetch of backend web): denied",
        "  pass     backend     backend 'web' is healthy",
        "  pass     conflict    'web_fetch' is 'fetch' of backend 'web', with its prefix",
        "  pass     filter      spec.config.aggregation.defaultToolVisibility is allow, and tools has no entry for it",
        "  STOP     admission   no policy permits call_tool 'web_fetch' to 'alice'",
        "                       to change it: permit it by a policy",
        "  pass     limit       no limit is set",
    ]


async def test_the_exit_code_says_whether_the_caller_may(url, vmcp):
    assert (await vmcp("explain", url, "web_search", "--as", "alice")).code == Exit.OK
    assert (await vmcp("explain", url, "web_search", "--as", "bob")).code == Exit.FAILED
    assert (await vmcp("explain", url, "web_search")).code == Exit.FAILED
    done = await vmcp("explain", f"{url}/explain", "test://a", "--kind", "resource", "--as", "bob")
    assert (done.code, done.out.splitlines()[0]) == (Exit.FAILED, "resource test://a for bob: denied, not listed")


async def test_programs_read_it_as_json(url, vmcp, tmp_path: Path):
    claims = tmp_path / "alice.json"
    claims.write_text('{"iss": "https://idp.example", "sub": "alice", "scope": "a b"}')
    done = await vmcp("explain", url, "web_search", "--claims", str(claims), "--arguments", '{"q": 1}', "-o", "json")
    said = json.loads(done.out)
    assert (done.code, said["conclusion"], said["listed"]) == (Exit.OK, "allowed", True)
    assert (said["issuer"], said["subject"]) == ("https://idp.example", "alice")
    assert [step["stage"] for step in said["chains"][0]["steps"]] == [
        "backend",
        "conflict",
        "filter",
        "admission",
        "limit",
    ]


def test_files_are_explained_without_a_running_endpoint(tmp_path: Path):
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"ex": {"command": EXAMPLE[0], "args": EXAMPLE[1:]}}}))
    done = run_vmcp("explain", "ex_echo", "--mcp-config", str(file))
    assert done.code == Exit.OK, done.err
    assert done.out.startswith("tool ex_echo for anonymous: allowed, listed\n")
    done = run_vmcp("explain", "echo", "--mcp-config", str(file), "-o", "json")
    assert done.code == Exit.FAILED
    assert [chain["exposed"] for chain in json.loads(done.out)["chains"]] == ["ex_echo"]


def test_manifests_are_explained_too(tmp_path: Path):
    file = write(tmp_path / "v.yaml", *endpoint(), server("one"))
    done = run_vmcp("explain", "one_add", "-f", str(file))
    assert (done.code, done.out.splitlines()[0]) == (Exit.OK, "tool one_add for anonymous: allowed, listed"), done.err


def test_the_policies_of_manifests_are_asked_before_anybody_serves_them(tmp_path: Path):
    claims = tmp_path / "alice.json"
    claims.write_text('{"sub": "alice", "groups": ["dev"]}')
    policy = '@id("devs") permit(principal in Group::"dev", action, resource);'
    documents = endpoint()
    documents[0]["spec"]["incomingAuth"]["authzConfig"] = {"type": "inline", "inline": {"policies": [policy]}}
    file = write(tmp_path / "v.yaml", *documents, server("one"))
    done = run_vmcp("explain", "one_add", "-f", file, "--claims", str(claims))
    assert (done.code, "policy devs permits call_tool 'one_add'" in done.out) == (Exit.OK, True), done.err + done.out
    done = run_vmcp("explain", "one_add", "-f", file, "--as", "bob")
    assert (done.code, "no policy permits call_tool 'one_add' to 'bob'" in done.out) == (Exit.FAILED, True)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--issuer", "https://idp.example"), Exit.USAGE, "Say who is asked about: --as SUB"),
        (("--claims", "none.json"), Exit.USAGE, "Say who is asked about: --as SUB"),
        (("--claims", "bob.json", "--as", "alice"), Exit.USAGE, "--as says 'alice' and the claims say 'bob'"),
        (("--claims", "list.json", "--as", "a"), Exit.INVALID, "list.json holds no JSON object; write the claims"),
        (("--claims", "token.txt", "--as", "a"), Exit.INVALID, "token.txt is no JSON (line 1); write the claims"),
        (("--claims", "odd.json"), Exit.INVALID, "the claim `sub` of the file is no text"),
        (("--arguments", "[1]"), Exit.USAGE, "--arguments must be an object such as"),
        (("--arguments", "{"), Exit.USAGE, "--arguments is no JSON"),
        (("--kind", "template"), Exit.USAGE, "'template' is not one of"),
        (("more", "words"), Exit.USAGE, "Give [URL] NAME."),
        (("-f", ".", "http://127.0.0.1:9090"), Exit.USAGE, "Give [URL] NAME."),
    ],
)
def test_a_wrong_command_line_hears_what_came_and_what_to_do(capsys, tmp_path, monkeypatch, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    files = {"none.json": '{"a": 1}', "bob.json": '{"sub": "bob"}', "list.json": "[]", "odd.json": '{"sub": 1}'}
    for name, text in {**files, "token.txt": "eyJhbGciOiJSUzI1NiJ9.e30.c2VjcmV0"}.items():
        (tmp_path / name).write_text(text)
    done = call_vmcp(capsys, "explain", "web_search", *arguments)
    assert (done.code, says in done.err) == (code, True), done.err
    assert "c2VjcmV0" not in done.err


async def test_no_endpoint_and_a_wrong_port_are_told_with_a_remedy(vmcp, url):
    done = await vmcp("explain", f"http://127.0.0.1:{free_port()}", "a")
    assert (done.code, "is `vmcp serve` running?" in done.err) == (Exit.UNAVAILABLE, True), done.err
    done = await vmcp("explain", f"{url}/status", "a")
    assert (done.code, "name the admin port" in done.err) == (Exit.UNAVAILABLE, True), done.err
