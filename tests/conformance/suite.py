"""Runs the official suite against a URL or a client, and reads what it found."""

import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from tests.conformance.installing import ROOT, FailedError, finished

LEGACY: Final = "2025-11-25"
MODERN: Final = "2026-07-28"
REVISIONS: Final = (LEGACY, MODERN)
SUITE_SECONDS: Final = 600.0
CLIENT_SECONDS: Final = 60.0
_TIME: Final = re.compile(r"-\d{4}-\d\d-\d\dT[\d-]+Z$")
"""Of a folder of results: behind the scenario's name stands when it began."""
_REMARKS: Final = ("WARNING", "SKIPPED")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a scenario: the checks that failed, and those that only warn or were left out."""

    scenario: str
    failures: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    checks: int = 1
    is_of_handshake: bool = False
    """Whether all that failed is that `initialize` is no request of the modern era."""

    @property
    def passed(self) -> bool:
        """Whether something was checked and nothing of it failed."""
        return self.checks > 0 and not self.failures


def outcome_of(scenario: str, checks: Sequence[dict[str, Any]]) -> Outcome:
    """What the checks of a scenario come to; those of status INFO say what went over the wire and judge nothing."""
    judged = [check for check in checks if check["status"] in {"SUCCESS", "FAILURE"}]
    failures = [f"{each['id']}: {each.get('errorMessage', '')}" for each in judged if each["status"] == "FAILURE"]
    remarks = [f"{each['status']} {each['id']}" for each in checks if each["status"] in _REMARKS]
    failed = [each for each in checks if each["status"] in {"FAILURE", "WARNING"}]
    is_of_handshake = bool(failures) and all(_is_of_handshake(each) for each in failed)
    return Outcome(scenario, tuple(failures), tuple(dict.fromkeys(remarks)), len(judged), is_of_handshake)


def _is_of_handshake(check: dict[str, Any]) -> bool:
    details = check.get("details") or {}
    return "initialize" in {details.get("method"), details.get("expectedMethod")}


def read_outcomes(folder: Path) -> Iterator[Outcome]:
    """What the suite wrote of each scenario, in the order of their names."""
    for written in sorted(folder.glob("*/checks.json")):
        scenario = _TIME.sub("", written.parent.name).removeprefix("server-")
        yield outcome_of(scenario, json.loads(written.read_text()))


@dataclass(frozen=True, slots=True)
class Suite:
    """The official suite: its Node, its folder of packages."""

    node: Path
    modules: Path

    def scored(self, revision: str) -> list[str]:
        """The scenarios of servers that a revision requires."""
        return self._requirements(revision)["server"]

    def unscored(self, revision: str) -> list[str]:
        """The scenarios of servers that it runs and does not count, but for those of extensions."""
        named = self._requirements(revision).get("not_scored", [])
        return [each["scenario"] for each in named if each["leg"] == "server" and each["reason"] != "extension"]

    def _requirements(self, revision: str) -> dict[str, Any]:
        text = (self._package("conformance") / "requirements" / f"{revision}.yaml").read_text()
        return yaml.safe_load(text)

    def _package(self, name: str) -> Path:
        return self.modules / "@modelcontextprotocol" / name if name == "conformance" else self.modules / name

    async def judge_server(self, url: str, revision: str, results: Path) -> dict[str, Outcome]:
        """Every scenario of servers that a revision names, by name."""
        await self._run("conformance", ["server", "--url", url, "--requirements", revision, "-o", results])
        return {each.scenario: each for each in read_outcomes(results)}

    async def judge_server_by_latest(self, url: str, results: Path) -> dict[str, Outcome]:
        """The scenarios of the suite that npm calls `latest`, which knows no later revision than 2025-11-25."""
        await self._run("conformance-latest", ["server", "--url", url, "-o", results])
        return {each.scenario: each for each in read_outcomes(results)}

    async def judge_client(self, scenario: str, revision: str, command: Sequence[str], results: Path) -> Outcome:
        """One scenario of clients; the suite appends the URL of its server to the command."""
        milliseconds = str(int(CLIENT_SECONDS * 1000))
        chosen = ["--scenario", scenario, "--spec-version", revision, "--timeout", milliseconds, "-o", results]
        code, said = await self._run("conformance", ["client", "--command", shlex.join(command), *chosen])
        found = next(read_outcomes(results), None)
        if found is None:
            raise FailedError(f"the suite left no result of {scenario}:\n{said[-2000:]}")
        if code and not found.failures:
            # Nothing that the server judges was wrong, and still the client could not do what it was to do.
            return replace(found, failures=("the client failed, or a check warns",))
        return found

    async def _run(self, package: str, arguments: Sequence[object]) -> tuple[int, str]:
        program = self._package(package) / "dist" / "index.js"
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": paths}
        return await finished([self.node, program, *arguments], SUITE_SECONDS, ROOT, environment)
