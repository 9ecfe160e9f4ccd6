"""`vmcp explain`: why a caller may or may not use a tool, a resource or a prompt."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import httpx2
import msgspec

from vmcp_proxy.cli.completion import DEFAULT_ADMIN, complete_names
from vmcp_proxy.cli.endpoint.arguments import parse_object
from vmcp_proxy.cli.endpoint.conversation import parse_endpoint
from vmcp_proxy.cli.endpoint.target import local_group, local_options, split_words
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.explain.caller import read_caller
from vmcp_proxy.cli.explain.report import describe
from vmcp_proxy.cli.output import print_json
from vmcp_proxy.core.explain.explainer import KINDS
from vmcp_proxy.core.explain.explanation import Explanation
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.serve.apps.explain import Question, parse_question

if TYPE_CHECKING:
    from vmcp_proxy.cli.endpoint.local import LocalGroup
    from vmcp_proxy.run.proxy import Proxy

_SECONDS: Final = 30.0
_OFF: Final = "is `vmcp serve` running? --admin-port names its port; -f and --mcp-config need none"
_NAME_ADMIN: Final = "name the admin port, not the endpoint, of a vmcp that has /explain"


@click.command("explain")
@click.argument("words", nargs=-1, required=True, metavar="[URL] NAME", shell_complete=complete_names)
@click.option("--as", "subject", metavar="SUB", help="The caller, as its token's `sub`; without it an anonymous one.")
@click.option("--issuer", metavar="ISS", help="Who vouches for the caller, as its token's `iss`.")
@click.option(
    "--claims",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="The claims of the caller's token as a JSON object; - reads them from stdin.",
)
@click.option("--arguments", metavar="OBJECT", help="The arguments of the call as a JSON object.")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in KINDS]),
    default=Kind.TOOL.value,
    show_default=True,
    help="What NAME names; a resource is named by its URI.",
)
@local_options
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(
    words: tuple[str, ...],
    subject: str | None,
    issuer: str | None,
    claims: Path | None,
    arguments: str | None,
    kind: str,
    files: tuple[Path, ...],
    mcp_config: Path | None,
    output: str,
) -> None:
    """Say step by step whether a caller may use a name, who decided it and what would change it.

    URL is the admin port of an endpoint, by default that of `vmcp serve` on this machine. Nothing is called. Exit code
    0: allowed, or allowed with some arguments; 1: not.

    Example: vmcp explain --as alice --claims alice.json web_fetch
    """
    url, name = split_words(words, "NAME")
    given = None if arguments is None else _parse_arguments(arguments)
    asked = Question(name, Kind(kind), read_caller(subject, issuer, claims), given)
    problem = parse_question(msgspec.json.encode(asked))
    if isinstance(problem, str):
        raise click.UsageError(problem)
    group = local_group(files, mcp_config)
    if group is not None and url is not None:
        raise click.UsageError("A URL does not go with -f and --mcp-config.")
    explanation = _ask(url or DEFAULT_ADMIN, asked) if group is None else _start(group, asked)
    if output == "json":
        print_json(msgspec.to_builtins(explanation))
    else:
        for line in describe(explanation):
            click.echo(line)
    if not explanation.conclusion.is_allowed:
        raise click.exceptions.Exit(Exit.FAILED)


def _parse_arguments(text: str) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in parse_object(text, "--arguments").items()}


def _start(group: "LocalGroup", asked: Question) -> Explanation:
    async def explain(proxy: "Proxy") -> Explanation:
        return await proxy.explain(asked.asked)

    return asyncio.run(group.run(explain))


def _ask(url: str, asked: Question) -> Explanation:
    endpoint = parse_endpoint(url, ())
    base = endpoint.url.rstrip("/").removesuffix("/explain")
    try:
        with httpx2.Client(timeout=_SECONDS) as client:
            body = msgspec.json.encode(asked)
            answer = client.post(f"{base}/explain", content=body, headers={"content-type": "application/json"})
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=Explanation)
    except httpx2.HTTPStatusError as error:
        message = f"{endpoint.shown} answered with HTTP {error.response.status_code}"
        raise CommandError(Exit.UNAVAILABLE, message, _NAME_ADMIN) from None
    except httpx2.HTTPError:
        raise CommandError(Exit.UNAVAILABLE, f"nothing answers at {endpoint.shown}", _OFF) from None
    except msgspec.DecodeError:
        raise CommandError(Exit.UNAVAILABLE, f"{endpoint.shown} gave no explanation", _NAME_ADMIN) from None
