"""`vmcp convert`: manifests on stdout, the report on stderr, and how it ends."""

import json
import subprocess
import sys

import pytest

from tests.api.convert.manifests import endpoint, theirs
from tests.proxy.cli.commands import call_vmcp, write
from vmcp_api.convert.yaml_out import to_yaml
from vmcp_proxy.cli.exits import Exit

pytestmark = pytest.mark.scenario("K-17")
SERVER = theirs("MCPServer", "files", image="i", transport="sse", proxyPort=8080, groupRef={"name": "team"})


def test_files_and_folders_become_one_stream_that_validates(tmp_path, capsys):
    write(tmp_path / "a.yaml", endpoint(), theirs("MCPGroup", "team"))
    write(tmp_path / "b.yaml", SERVER)
    done = call_vmcp(capsys, "convert", str(tmp_path))
    assert done.code == Exit.OK
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "all.yaml").write_text(done.out)
    assert done.out.count("apiVersion: vmcp.dev/v1beta1") == 3
    lines = done.err.splitlines()
    assert lines[0] == f"{tmp_path}/b.yaml:2: MCPServer/files"
    assert lines[1].startswith("  changed: spec.proxyPort: no proxy stands before each server here")
    assert lines[-1] == "3 objects written; fields: 15 kept, 4 changed, 0 lost"
    checked = call_vmcp(capsys, "validate", str(tmp_path / "out"))
    assert checked.out.splitlines()[-1].startswith("ok: 3 objects in 1 file, serving one")


def test_something_lost_has_a_code_of_its_own_and_the_rest_is_written_all_the_same(tmp_path, capsys):
    file = write(
        tmp_path / "a.yaml", endpoint(embeddingServerRef={"name": "e"}), theirs("EmbeddingServer", "e", model="m")
    )
    target = tmp_path / "ours.yaml"
    done = call_vmcp(capsys, "convert", file, "--write", str(target))
    assert (done.code, done.out) == (Exit.INCOMPLETE, "")
    assert "kind: VirtualMCPServer" in target.read_text()
    assert "  changed: spec.embeddingServerRef.name → spec.config.optimizer: switched tool search on" in done.err
    assert (
        "  lost:    is left out: there is no kind EmbeddingServer here; remove it: tools are ranked in the" in done.err
    )


def test_the_report_for_programs_holds_every_field(tmp_path, capsys):
    file = write(tmp_path / "a.yaml", SERVER)
    done = call_vmcp(capsys, "convert", file, "-o", "json")
    told = json.loads(done.err)
    assert told["counts"] == {"kept": 6, "changed": 2, "lost": 0}
    (one,) = told["objects"]
    assert (one["subject"], one["results"], one["file"]) == ("MCPServer/files", ["MCPServer/files"], file)
    port = next(each for each in one["fields"] if each["path"] == "spec.proxyPort")
    assert (port["fate"], port["to"], port["remedy"]) == ("changed", None, "")
    assert isinstance(port["line"], int)


def test_stdin_is_read_where_a_dash_stands():
    done = subprocess.run(
        [sys.executable, "-m", "vmcp_proxy", "convert", "-"],
        input=to_yaml([SERVER]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == Exit.OK
    assert "kind: MCPServer" in done.stdout
    assert done.stderr.startswith("stdin:1: MCPServer/files")


@pytest.mark.parametrize(
    ("text", "words"),
    [("kind: [\n", "is no YAML"), ("- 1\n", "is no object"), ("a: \udcff".encode(errors="surrogateescape"), "UTF-8")],
)
def test_a_file_that_cannot_be_read_is_told_with_its_line_and_has_a_code_of_its_own(tmp_path, capsys, text, words):
    file = tmp_path / "a.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = call_vmcp(capsys, "convert", str(file))
    assert done.code == Exit.INVALID
    assert str(file) in done.err
    assert words in done.err


def test_a_folder_without_manifests_and_a_file_that_cannot_be_written_are_told(tmp_path, capsys):
    assert call_vmcp(capsys, "convert", str(tmp_path)).code == Exit.INVALID
    file = write(tmp_path / "a.yaml", SERVER)
    done = call_vmcp(capsys, "convert", file, "-w", str(tmp_path / "none" / "b.yaml"))
    assert done.code == Exit.FAILED
    assert "cannot be written" in done.err


@pytest.mark.parametrize(
    "words",
    [(), (".", "--diff", "http://a", "http://b"), (".", "--old-header", "A: b"), ("--diff", "no url", "http://b/mcp")],
)
def test_a_wrong_command_line_says_what_to_give(capsys, words):
    assert call_vmcp(capsys, "convert", *words).code == Exit.USAGE
