"""The build of the cluster's programs, with a small program in the place of Go."""

import asyncio
import json
import os
import re
import sys

import pytest

from e2e.cluster import gobuild
from e2e.cluster.errors import ClusterError
from e2e.cluster.gobuild import GoProgram, go_build

GO = """#!{python} -IS
import json, os, pathlib, sys, time

here = pathlib.Path(__file__).parent
verb, target = sys.argv[1], sys.argv[-2]
heard = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
here.joinpath(verb).write_text(json.dumps(heard))
print({said}[verb], file=sys.stderr, flush=True)
while here.joinpath(f"hold-{{verb}}").exists():
    time.sleep(0.01)
if {exits}[verb]:
    sys.exit({exits}[verb])
if verb == "list":
    print("errors\\nfmt\\nexample.org/one")
else:
    pathlib.Path(target).write_text("a program")
"""
FETCHING = "go: downloading example.org/{0} v1.0.0\n"
SAID = {"list": FETCHING.format("one") + FETCHING.format("two"), "build": f"{FETCHING.format('two')}errors\nfmt"}
SUMS = """example.org/one v1.0.0 h1:aaaa=
example.org/one v1.0.0/go.mod h1:bbbb=
example.org/two v1.0.0 h1:cccc=
example.org/two v1.0.0/go.mod h1:dddd=
example.org/three v1.0.0/go.mod h1:eeee=
"""


@pytest.fixture
def module(tmp_path):
    """A Go module."""
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "go.sum").write_text(SUMS)
    return folder


@pytest.fixture
def go(tmp_path, monkeypatch):
    """Puts a program first on the path that takes what Go takes; returns how to, which returns its folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def put(*, said=SAID, list_exits=0, build_exits=0):
        program = folder / "go"
        exits = {"list": list_exits, "build": build_exits}
        program.write_text(GO.format(python=sys.executable, said=said, exits=exits))
        program.chmod(0o755)
        return folder

    return put


def heard(folder, verb):
    return json.loads((folder / verb).read_text())


def test_a_program_is_written_with_its_tags_and_stamps_and_the_screen_says_how_long_it_took(
    go, module, tmp_path, capsys
):
    folder, target = go(), tmp_path / "out"
    go_build(GoProgram(module, "one 1.0", "./cmd/one", ("small", "static"), ("a.version=1", "b.version=2")), target)
    assert target.read_text() == "a program"
    assert re.fullmatch(r"one 1\.0: built in \d+ s\n", capsys.readouterr().out)
    listed, built = heard(folder, "list"), heard(folder, "build")
    assert listed["arguments"] == ["list", "-deps", "-tags=small,static", "./cmd/one"]
    flags = "-s -w -X a.version=1 -X b.version=2"
    options = ["-v", "-trimpath", "-tags=small,static", "-ldflags", flags, "-o", str(target)]
    assert built["arguments"] == ["build", *options, "./cmd/one"]
    assert {each["folder"] for each in (listed, built)} == {str(module)}


def test_go_is_told_to_do_without_c_and_keeps_what_else_the_environment_says(go, module, tmp_path, monkeypatch):
    kept = {
        "GOPROXY": "https://modules.example.org",
        "HTTPS_PROXY": "http://proxy.example.org:3128",
        "NO_PROXY": "localhost",
    }
    for name, value in {**kept, "CGO_ENABLED": "1"}.items():
        monkeypatch.setenv(name, value)
    folder = go()
    go_build(GoProgram(module, "one"), tmp_path / "out")
    for verb in ("list", "build"):
        environment = heard(folder, verb)["environment"]
        assert environment["CGO_ENABLED"] == "0"
        assert {name: environment[name] for name in kept} == kept


async def test_the_screen_says_how_far_a_build_is_while_it_runs(go, module, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gobuild, "TELL_SECONDS", 0.0)
    folder = go()
    holds = {verb: folder / f"hold-{verb}" for verb in ("list", "build")}
    for hold in holds.values():
        hold.touch()
    building = asyncio.create_task(asyncio.to_thread(go_build, GoProgram(module, "one"), tmp_path / "out"))
    try:
        for verb, line in (
            ("list", "fetched 2 Go modules of at most 2"),
            ("build", "compiled 2 packages of at most 3"),
        ):
            said = ""
            while re.search(rf"^one: {line}, \d+ s$", said, re.MULTILINE) is None:
                assert not building.done()
                await asyncio.sleep(0.01)
                said += capsys.readouterr().out
            holds[verb].unlink()
    finally:
        for hold in holds.values():
            hold.unlink(missing_ok=True)
        await building


@pytest.mark.parametrize("verb", ["list", "build"])
def test_a_failure_shows_the_end_of_what_go_said(go, module, tmp_path, verb):
    lines = [f"one.go:{number}: undefined: x" for number in range(1000)]
    go(said={**SAID, verb: "\n".join(lines)}, **{f"{verb}_exits": 2})
    with pytest.raises(ClusterError) as failure:
        go_build(GoProgram(module, "one"), tmp_path / "out")
    first, *rest = str(failure.value).splitlines()
    assert first == f"go {verb}: exit 2"
    assert rest[1:] == lines[-len(rest) + 1 :]
    assert 100 < len(rest) < len(lines)
    assert not (tmp_path / "out").exists()


def test_a_build_that_takes_too_long_is_ended_with_how_far_it_was(go, module, tmp_path, monkeypatch):
    monkeypatch.setattr(gobuild, "BUILD_TIMEOUT", 0.0)
    (go() / "hold-list").touch()
    with pytest.raises(ClusterError, match=r"^one: fetched \d Go modules of at most 2: gave up after \d+ s$"):
        go_build(GoProgram(module, "one"), tmp_path / "out")


def test_a_machine_without_go_is_told_what_it_needs(module, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match=r"one is built with Go 1\.21 or newer, which is not there"):
        go_build(GoProgram(module, "one"), tmp_path / "out")
