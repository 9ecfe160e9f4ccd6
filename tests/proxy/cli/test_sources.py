"""Where the config comes from, and what is said when it cannot be had."""

import json
import os
from pathlib import Path

import pytest

from tests.proxy.cli.commands import endpoint, server, write
from vmcp_api.manifests.problems import Problems
from vmcp_api.render import encode_config
from vmcp_api.spec.optimizer import Optimizer
from vmcp_proxy.cli.serve.mounted import MountedSource
from vmcp_proxy.cli.serve.sources import AdjustedSource, ManifestSource, McpConfigSource
from vmcp_proxy.run.reload import Reading, is_same, needs_restart


def named(name, namespace):
    vmcp, group = endpoint(name)
    for each in (vmcp, group):
        each["metadata"]["namespace"] = namespace
    return vmcp, group


@pytest.fixture
def two(tmp_path):
    write(tmp_path / "v.yaml", *named("a", "x"), named("b", "x")[0], *named("a", "y"))
    return (tmp_path,)


def test_the_only_server_is_served_without_a_name(tmp_path):
    write(tmp_path / "v.yaml", *endpoint(), server("one"))
    reading = ManifestSource((tmp_path,)).load()
    assert isinstance(reading, Reading)
    assert [backend.name for backend in reading.loaded.config.backends] == ["one"]


@pytest.mark.parametrize(("name", "found"), [("b", ("x", "b")), ("y/a", ("y", "a"))])
def test_a_name_picks_one_of_several(two, name, found):
    reading = ManifestSource(two, name).load()
    assert isinstance(reading, Reading)
    assert (reading.loaded.config.namespace, reading.loaded.config.name) == found


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (None, "declare 3 VirtualMCPServers; choose one with --name: x/a, x/b, y/a"),
        ("a", "several VirtualMCPServers are called 'a'; name the namespace too: x/a, y/a"),
        ("bb", "no VirtualMCPServer 'bb'; "),
        ("y/b", "no VirtualMCPServer 'y/b'; "),
    ],
)
def test_a_name_that_picks_none_or_several_is_answered_with_what_there_is(two, name, said):
    problems = ManifestSource(two, name).load()
    assert isinstance(problems, Problems)
    assert said in str(problems)


def test_files_without_a_server_say_how_to_begin(tmp_path):
    problems = ManifestSource((tmp_path,)).load()
    assert "no *.yaml or *.yml file" in str(problems)
    write(tmp_path / "v.yaml", server("one"))
    assert "vmcp init" in str(ManifestSource((tmp_path,)).load())


def test_a_secret_of_the_manifests_reaches_the_config_and_no_repr(tmp_path):
    backend = server("one")
    backend["spec"]["secrets"] = [{"name": "s", "key": "k"}]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "token-4711"}}
    write(tmp_path / "v.yaml", *endpoint(), backend, secret)
    reading = ManifestSource((tmp_path,)).load()
    assert reading.loaded.secrets["s", "k"].reveal() == b"token-4711"
    assert "token-4711" not in repr(reading)


def test_an_editors_file_is_read_with_the_environment(tmp_path):
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"a": {"command": "x", "env": {"K": "${TOKEN}"}}}}))
    reading = McpConfigSource(file, {"TOKEN": "token-4711"}).load()
    assert [secret.reveal() for secret in reading.loaded.secrets.values()] == [b"token-4711"]
    reading = McpConfigSource(file, {}).load()
    assert [each.name for each in reading.loaded.config.withheld] == ["a"]
    assert "needs the variable TOKEN, which is not set" in str(reading.warnings)
    file.unlink()
    assert "cannot be read" in str(McpConfigSource(file, {}).load())


def test_a_file_of_variables_is_read_and_watched(tmp_path):
    file, variables = tmp_path / "mcp.json", tmp_path / "x.env"
    variables.write_text("K=token-4711\n")
    file.write_text(json.dumps({"mcpServers": {"a": {"command": "x", "envFile": "${DIR}/x.env"}}}))
    source = McpConfigSource(file, {"DIR": str(tmp_path)})
    before = source.load()
    assert [secret.reveal() for secret in before.loaded.secrets.values()] == [b"token-4711"]
    assert "token-4711" not in repr(before)
    assert tuple(source.paths()) == (file, variables)
    variables.write_text("K=token-4712\n")
    assert not is_same(before.loaded, source.load().loaded)
    variables.unlink()
    assert "mcpServers.a.envFile: names a file that cannot be read: No such file" in str(source.load().warnings)
    file.write_text("{")
    assert tuple(source.paths()) == (file,)


def test_a_pipe_is_left_to_be_read_once():
    text = b'{"mcpServers": {"a": {"command": "x"}}}'
    reader, writer = os.pipe()
    try:
        os.write(writer, text)
        os.close(writer)
        pipe = Path(f"/dev/fd/{reader}")
        assert tuple(McpConfigSource(pipe, {}).paths()) == (pipe,)
        assert os.read(reader, 99) == text
    finally:
        os.close(reader)


def mounted(tmp_path):
    backend = server("one")
    backend["spec"]["secrets"] = [{"name": "s", "key": "k"}]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "x"}}
    write(tmp_path / "v.yaml", *endpoint(), backend, secret)
    config = ManifestSource((tmp_path / "v.yaml",)).load().loaded.config
    (tmp_path / "config.json").write_text(encode_config(config))
    (tmp_path / "secrets" / "s").mkdir(parents=True)
    (tmp_path / "secrets" / "s" / "k").write_text("token-4711")
    return MountedSource(tmp_path / "config.json", tmp_path / "secrets")


def test_mounted_files_give_the_config_with_its_secrets(tmp_path):
    source = mounted(tmp_path)
    reading = source.load()
    assert reading.loaded.secrets["s", "k"].reveal() == b"token-4711"
    assert MountedSource(source.config).load().loaded.missing != ()


def test_a_mounted_config_that_is_away_or_broken_is_a_problem_with_its_name(tmp_path):
    source = mounted(tmp_path)
    source.config.write_text("{")
    assert f"{source.config}:1: is no JSON" in str(source.load())
    source.config.write_bytes(b"\xff")
    assert "is not written in UTF-8" in str(source.load())
    source.config.unlink()
    assert f"{source.config}: cannot be read" in str(source.load())


def test_audit_is_turned_on_and_nothing_else_changes(tmp_path):
    write(tmp_path / "v.yaml", *endpoint())
    plain = ManifestSource((tmp_path,))
    adjusted = AdjustedSource(plain, {}, audit=True, optimizer=False, remote=True)
    before, after = plain.load().loaded.config, adjusted.load().loaded.config
    assert (before.config.audit.enabled, after.config.audit.enabled) == (False, True)
    off = after.config.model_copy(update={"audit": before.config.audit})
    assert after.model_copy(update={"config": off}) == before


@pytest.mark.parametrize("settings", [None, {"threshold": 3}, {"enabled": False, "threshold": 3}])
def test_tool_search_is_turned_on_and_keeps_what_the_file_says_of_it(tmp_path, settings):
    write(tmp_path / "v.yaml", *endpoint(config={"optimizer": settings} if settings else {}))
    plain = ManifestSource((tmp_path,))
    adjusted = AdjustedSource(plain, {}, audit=False, optimizer=True, remote=False)
    before, after = plain.load().loaded.config, adjusted.load().loaded.config
    assert after.config.optimizer == Optimizer(threshold=3 if settings else 20)
    off = after.config.model_copy(update={"optimizer": before.config.optimizer})
    assert after.model_copy(update={"config": off}) == before


@pytest.mark.parametrize(("remote", "identity"), [(False, "local"), (True, "anonymous")])
def test_callers_of_other_machines_are_not_taken_for_the_user_of_this_one(tmp_path, remote, identity):
    file = tmp_path / "mcp.json"
    file.write_text('{"mcpServers": {"a": {"command": "x"}}}')
    reading = AdjustedSource(McpConfigSource(file, {}), {}, audit=False, optimizer=False, remote=remote).load()
    assert reading.loaded.config.incoming_auth.type == identity


def test_a_changed_secret_alone_is_another_config_and_a_changed_store_needs_a_restart(tmp_path):
    source = mounted(tmp_path)
    before = source.load().loaded
    assert is_same(before, source.load().loaded)
    (source.secrets / "s" / "k").write_text("token-4712")
    after = source.load().loaded
    assert not is_same(before, after)
    assert not needs_restart(before, after)
    write(tmp_path / "v.yaml", *endpoint(sessionStorage={"provider": "redis", "address": "127.0.0.1:6379"}))
    assert needs_restart(before, ManifestSource((tmp_path / "v.yaml",)).load().loaded)
