"""`vmcp policy test`: what other policies would change of what was audited."""

import asyncio
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import BinaryIO, Final

import click
import msgspec
from pydantic import ValidationError

from vmcp_api.manifests.problems import Problem, Problems
from vmcp_api.render.policies import is_about_policies
from vmcp_api.spec.authorization import DEFAULT_GROUP_CLAIMS, Authorization
from vmcp_api.text.cedar_doubts import find_doubts
from vmcp_api.text.cedar_flaw import CedarFlaw
from vmcp_api.text.cedar_names import CedarDoubt, Names
from vmcp_api.text.cedar_text import find_entities_flaw, find_policy_flaws
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.files import read_text
from vmcp_proxy.cli.output import print_json
from vmcp_proxy.cli.policy.report import describe, remedy_of_nothing, why_nothing
from vmcp_proxy.cli.policy.totals import Calls
from vmcp_proxy.cli.serve.process import invalid
from vmcp_proxy.cli.serve.sources import ManifestSource
from vmcp_proxy.core.policy.cedar.policies import PolicyError
from vmcp_proxy.core.policy.cedar.replay import Replay

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_LOG: Final = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
_STDIN: Final = Path("-")
_NOTHING: Final = "nothing is judged"
_CORRECT: Final = "correct them; `vmcp validate` checks those of manifests"


@click.group("policy")
def command() -> None:
    """Try policies on what was audited."""


@command.command("test")
@click.argument("logs", nargs=-1, required=True, metavar="AUDIT...", type=_LOG)
@click.option("--policies", "texts", multiple=True, metavar="FILE", type=_FILE, help="Cedar policies. Repeat it.")
@click.option("--entities", type=_FILE, help="Further Cedar entities, a JSON list; with --policies.")
@click.option(
    "--group-claim",
    "groups",
    multiple=True,
    metavar="NAME",
    help=f"A claim with the caller's groups, by default {DEFAULT_GROUP_CLAIMS[0]}; with --policies. Repeat it.",
)
@click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    metavar="FILE_OR_DIR",
    type=click.Path(exists=True, path_type=Path),
    help="Manifests whose policies to take, instead of --policies. Repeat it.",
)
@click.option("--name", help="The VirtualMCPServer of the manifests, as [NS/]NAME.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def test(
    logs: tuple[Path, ...],
    texts: tuple[Path, ...],
    entities: Path | None,
    groups: tuple[str, ...],
    files: tuple[Path, ...],
    name: str | None,
    output: str,
) -> None:
    """Say who would lose or gain what if these policies were in force, by audit lines; - reads them from stdin.

    Nothing is called. Exit code 0: no call that can be judged would come out otherwise; 1: some would; 6: there is no
    call that can be judged.

    Example: vmcp policy test --policies new.cedar audit.jsonl
    """
    if texts and files:
        raise click.UsageError("Give the policies by --policies or by -f, not both.")
    if not texts and not files:
        raise click.UsageError("Give --policies FILE or -f FILE_OR_DIR.")
    if files and (entities is not None or groups):
        raise click.UsageError("--entities and --group-claim go with --policies; manifests say their own.")
    if texts and name is not None:
        raise click.UsageError("--name goes with -f.")
    settings = _of_manifests(files, name) if files else _of_files(texts, entities, groups)
    replay_of = _replays(settings, texts)
    calls = Calls(with_arguments=replay_of("").reads_arguments)
    for log in logs:
        _read(log, calls.add)
    totals = asyncio.run(calls.judge(replay_of))
    if output == "json":
        print_json(msgspec.to_builtins(totals))
    else:
        for line in describe(totals):
            click.echo(line)
    if not totals.judged:
        raise CommandError(Exit.NOTHING, f"no call could be judged: {why_nothing(totals)}", remedy_of_nothing(totals))
    if totals.changes:
        raise click.exceptions.Exit(Exit.FAILED)


def _of_files(texts: tuple[Path, ...], entities: Path | None, groups: tuple[str, ...]) -> Authorization:
    policies = tuple(map(_text, texts))
    told = "[]" if entities is None else _text(entities)
    flaws = [(texts[index], flaw) for index, flaw in find_policy_flaws(policies)]
    if entities is not None and (flaw := find_entities_flaw(told)):
        flaws.append((entities, flaw))
    if problems := Problems(tuple(_problem(flaw, path) for path, flaw in flaws)):
        raise invalid(problems, _NOTHING)
    doubts = find_doubts(policies, told, Names())
    _warn(Problems(tuple(_problem(each, texts[each.text]) for each in doubts)).as_warnings())
    try:
        return Authorization(policies=policies, entities_json=told, group_claims=groups or DEFAULT_GROUP_CLAIMS)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise CommandError(Exit.INVALID, f"the policies cannot be used: {place}: {first['msg']}") from None


def _problem(flaw: CedarFlaw | CedarDoubt, path: Path) -> Problem:
    message = flaw.message.removeprefix(f"line {flaw.line}: ")
    return Problem(message, flaw.remedy, file=str(path), line=flaw.line or None)


def _warn(problems: Problems) -> None:
    for each in problems:
        click.echo(str(each), err=True)


def _of_manifests(files: tuple[Path, ...], name: str | None) -> Authorization:
    outcome = ManifestSource(files, name).load()
    if isinstance(outcome, Problems):
        raise invalid(outcome, _NOTHING)
    settings = outcome.loaded.config.authorization
    if settings is None:
        raise CommandError(
            Exit.INVALID, "the VirtualMCPServer has no policies", "refer to some, or give --policies FILE"
        )
    _warn(Problems(tuple(each for each in outcome.warnings if is_about_policies(each))))
    return settings


def _text(path: Path) -> str:
    text = read_text(path)
    if isinstance(text, Problems):
        raise invalid(text, _NOTHING)
    return text


def _replays(settings: Authorization, files: tuple[Path, ...]) -> Callable[[str], Replay]:
    """The policies at an endpoint of a name, which policies may ask for (`MCP::"name"`); errors name their file."""

    @cache
    def replay_of(server: str) -> Replay:
        entities, groups = settings.entities_json, settings.group_claims
        try:
            return Replay(settings.policies, server=server, entities=entities, group_claims=groups)
        except PolicyError as error:
            said = str(error)
            for position, file in enumerate(files):
                said = said.replace(f"policies[{position}]: ", f"{file}: ", 1)
            raise CommandError(Exit.INVALID, said, _CORRECT) from None

    return replay_of


def _read(log: Path, add: Callable[[BinaryIO], None]) -> None:
    if log == _STDIN:
        add(sys.stdin.buffer)
        return
    try:
        with log.open("rb") as lines:
            add(lines)
    except OSError as error:
        raise CommandError(Exit.INVALID, f"{log} cannot be read: {error.strerror}") from None
