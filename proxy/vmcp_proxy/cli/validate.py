"""`vmcp validate`: every problem of manifests or of an editor's server file."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from vmcp_api.base import Json
from vmcp_api.editor.servers import parse_mcp_servers
from vmcp_api.manifests.problems import Problem, Problems, Severity
from vmcp_api.naming import MCP_PORT
from vmcp_api.render import Mode, Rendered, render
from vmcp_proxy.cli.checks.itself import itself
from vmcp_proxy.cli.checks.programs import find_missing_programs
from vmcp_proxy.cli.exits import Exit
from vmcp_proxy.cli.files import read_text
from vmcp_proxy.cli.manifests import find_files, load_manifests


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was checked, in words, and what is wrong."""

    checked: str
    problems: Problems


@click.command("validate")
@click.argument("paths", nargs=-1, metavar="[FILE_OR_DIR...]", type=click.Path(exists=True, path_type=Path))
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE_OR_DIR",
    type=click.Path(exists=True, path_type=Path),
    help="Manifests, as `vmcp serve` takes them; the same as FILE_OR_DIR.",
)
@click.option(
    "--mcp-config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The server file of Claude, Cursor, VS Code or another editor.",
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(paths: tuple[Path, ...], files: tuple[Path, ...], mcp_config: Path | None, output: str) -> None:
    """Check files without serving them; prints `file:line: Kind/name: path: message; remedy`.

    Warnings do not fail; errors end with exit code 3.
    """
    paths += files
    if bool(paths) == bool(mcp_config):
        raise click.UsageError("Give FILE_OR_DIR... or --mcp-config FILE.")
    verdict = check_mcp_config(mcp_config) if mcp_config else check_manifests(paths)
    if output == "json":
        click.echo(json.dumps(describe(verdict.problems), indent=2, ensure_ascii=False))
    else:
        for line in summarise(verdict):
            click.echo(line)
    if verdict.problems.errors:
        raise click.exceptions.Exit(Exit.INVALID)


_NO_ENDPOINT: Final = Problem(
    "nothing would be served: there is no VirtualMCPServer",
    "add one, unless it stands elsewhere; `vmcp init` writes a file to start from",
    severity=Severity.WARNING,
)
_NO_SERVER: Final = Problem(
    "nothing would be served: no server is left", "add one, or mend what is withheld", severity=Severity.WARNING
)


def check_manifests(paths: tuple[Path, ...]) -> Verdict:
    """The problems of manifests and, where there are no errors, of what each VirtualMCPServer renders to."""
    loaded, problems = load_manifests(paths)
    servers = loaded.virtual_servers()
    if not problems.errors:
        for namespace, name in servers:
            rendered = render(loaded.namespaces[namespace], name, mode=Mode.LOCAL)
            found = rendered.warnings if isinstance(rendered, Rendered) else rendered
            problems += loaded.place(found, namespace)
            if isinstance(rendered, Rendered):
                problems += find_missing_programs(rendered, os.environ)
        if not servers:
            problems += Problems.of(_NO_ENDPOINT)
    checked = f"{_count(len(loaded.documents.items), 'object')} in {_count(len(find_files(paths)), 'file')}"
    names = ", ".join(name for _, name in servers)
    return Verdict(f"{checked}, serving {names}" if names else checked, problems)


def check_mcp_config(file: Path) -> Verdict:
    """The problems of an editor's server file, by the variables of this environment, served at the default port."""
    text = read_text(file)
    if isinstance(text, Problems):
        return Verdict(str(file), text)
    outcome = parse_mcp_servers(
        text, file=str(file), environment=os.environ, read_text=read_text, is_itself=itself(file, MCP_PORT)
    )
    if isinstance(outcome, Problems):
        return Verdict(str(file), outcome)
    missing = find_missing_programs(outcome, os.environ)
    if not outcome.config.backends:
        missing += Problems.of(_NO_SERVER)
    missing = missing.in_file(str(file))
    withheld = f", {len(outcome.config.withheld)} withheld" if outcome.config.withheld else ""
    return Verdict(f"{_count(len(outcome.config.backends), 'server')} in {file}{withheld}", outcome.warnings + missing)


def summarise(verdict: Verdict) -> tuple[str, ...]:
    """The problems, one a line, then the verdict."""
    errors, warnings = len(verdict.problems.errors), len(verdict.problems.warnings)
    aside = f" ({_count(warnings, 'warning')})" if warnings else ""
    last = f"{_count(errors, 'error')}{aside}" if errors else f"ok: {verdict.checked}{aside}"
    return (*map(str, verdict.problems), last)


_FIELDS: Final = ("file", "line", "subject", "path", "message", "value", "remedy")


def describe(problems: Problems) -> dict[str, Json]:
    """The problems for programs."""
    return {"ok": not problems.errors, "problems": [_describe(problem) for problem in problems]}


def _describe(problem: Problem) -> dict[str, Json]:
    return {"severity": problem.severity.value, **{name: getattr(problem, name) for name in _FIELDS}}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
