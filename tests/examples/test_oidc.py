"""The how-to of the OIDC example: every command of it, as it stands, and what it prints."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.ports import free_port

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "how-to" / "try-identity.md"
EXAMPLE = Path("examples") / "oidc"
SECONDS = 500
"""A ceiling, for a machine that has better things to do."""

MARK = "@@@"
WRAPPER = """#!/bin/sh
case $1 in
  serve) shift; set -- serve --port {mcp} --admin-port {admin} "$@" ;;
  tools | call) word=$1; shift; set -- "$word" http://127.0.0.1:{mcp}/mcp "$@" ;;
  explain | status) word=$1; shift; set -- "$word" http://127.0.0.1:{admin} "$@" ;;
esac
exec {python} -m vmcp_proxy "$@"
"""
"""The command on ports that nobody else takes; `exec`, so that a job is the process itself."""

WAIT = """
import json, time, urllib.request
while True:
    try:
        backends = json.load(urllib.request.urlopen("http://127.0.0.1:{admin}/status"))["backends"]
        if all(each["status"] == "healthy" for each in backends):
            break
    except OSError:
        pass
    time.sleep(0.1)
"""


def steps() -> list[tuple[str, list[str]]]:
    """The commands of the document with what follows them: in a block without a prompt every line is a command."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"(?:^ {4}.*\n(?:^\n(?= {4}))?)+", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE):
        lines = [line[4:] for line in block.rstrip("\n").split("\n")]
        for line in lines:
            if line.startswith("$ ") or not any(each.startswith("$ ") for each in lines):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


def script(commands: list[str]) -> str:
    """Each command after a mark, in one shell; what goes on in the background writes to a file."""
    lines = []
    for command in commands:
        if command.endswith("&"):
            quiet = "2>> log.txt" if ">" in command else ">> log.txt 2>&1"
            lines.append(f"{command[:-1]} {quiet} &")
        elif not command.startswith(". .venv"):
            lines.append(f"{{ {command}\n}} 2>&1")
        lines.append(f"echo; echo {MARK}")
        if command.startswith("vmcp serve"):
            lines.append(f"python wait.py; echo; echo {MARK}")
    return "\n".join((*lines, "wait"))


def run(text: str, folder: Path, environment: Mapping[str, str]) -> tuple[str, str]:
    """What a shell prints; nothing that it has started goes on."""
    shell = subprocess.Popen(
        ["bash", "-c", text],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        return shell.communicate(timeout=SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)


@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.scenario("D-1", "I-6", "Z-1")
def test_every_command_of_the_how_to_prints_what_it_says(tmp_path):
    shutil.copytree(ROOT / EXAMPLE, tmp_path / EXAMPLE, ignore=shutil.ignore_patterns("__pycache__"))
    issuer, mcp, admin = free_port(), free_port(), free_port()
    for file in (tmp_path / EXAMPLE).iterdir():
        if file.is_file():
            file.write_text(file.read_text(encoding="utf-8").replace("9400", str(issuer)), encoding="utf-8")
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / "vmcp"
    wrapper.write_text(WRAPPER.format(mcp=mcp, admin=admin, python=shlex.quote(sys.executable)))
    wrapper.chmod(0o755)
    path = os.pathsep.join((str(wrapper.parent), str(Path(sys.executable).parent), os.environ["PATH"]))
    (tmp_path / "wait.py").write_text(WAIT.format(admin=admin))
    told = steps()
    out, err = run(script([command for command, _ in told]), tmp_path, os.environ | {"PATH": path})
    shown = [part.strip("\n") for part in out.replace(str(mcp), "4483").split(f"{MARK}\n")]
    # The wait for the endpoint stands in no document.
    served = next(index for index, (command, _) in enumerate(told) if command.startswith("vmcp serve"))
    del shown[served + 1]
    log = (tmp_path / "log.txt").read_text()
    for (command, expected), printed in zip(told, shown, strict=False):
        assert printed == "\n".join(expected).strip("\n"), f"{command}\n{err}\n{log}"
    assert len(shown) == len(told) + 1, out
