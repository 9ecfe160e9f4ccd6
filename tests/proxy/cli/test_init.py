"""`vmcp init`: a file that validates and serves."""

import asyncio
import sys

import pytest

from tests.proxy.cli.commands import call_vmcp, run_vmcp, serving
from vmcp_proxy.cli.exits import Exit
from vmcp_proxy.cli.scaffold import build_manifest

pytestmark = pytest.mark.scenario("D-4")


async def test_the_file_that_init_writes_validates_serves_and_answers_a_call(tmp_path, capsys):
    file = str(tmp_path / "vmcp.yaml")
    written = run_vmcp("init", file)
    assert written.code == Exit.OK, written.err
    async with serving("-f", file) as server:
        url = await server.url()
        assert "tools=2" in await server.line("backend is up", "name=example")
        called = await asyncio.to_thread(
            call_vmcp, capsys, "call", url, "example_add", "--arg", "a=2", "--arg", "b=0.5"
        )
    assert (called.code, called.out) == (Exit.OK, "2.5\n")


@pytest.mark.parametrize("has_time", [True, False])
def test_the_file_validates_whatever_is_installed(tmp_path, capsys, has_time):
    file = tmp_path / "vmcp.yaml"
    python = tmp_path / "a b" / '"py\'thon"'
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    file.write_text(build_manifest("vmcp.yaml", str(python), has_time=has_time))
    done = call_vmcp(capsys, "validate", str(file))
    assert (done.code, done.out) == (Exit.OK, f"ok: {4 if has_time else 3} objects in 1 file, serving local\n")


def test_a_file_that_exists_is_overwritten_only_if_forced(tmp_path, capsys):
    file = tmp_path / "vmcp.yaml"
    file.write_text("mine")
    done = call_vmcp(capsys, "init", str(file))
    assert done.code == Exit.FAILED
    assert "add --force" in done.err
    assert file.read_text() == "mine"
    assert call_vmcp(capsys, "init", str(file), "--force").code == Exit.OK
    assert sys.executable in file.read_text()


def test_a_file_in_a_folder_that_does_not_exist_is_told(tmp_path, capsys):
    done = call_vmcp(capsys, "init", str(tmp_path / "no" / "vmcp.yaml"))
    assert done.code == Exit.FAILED
    assert "cannot be written: No such file or directory" in done.err
