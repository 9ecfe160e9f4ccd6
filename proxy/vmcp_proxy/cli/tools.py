"""`vmcp tools`: what an endpoint offers to call."""

from typing import Final

import click
from mcp_types import Tool

from vmcp_api.base import Json
from vmcp_proxy.cli.arguments import required_names, type_names
from vmcp_proxy.cli.client import DEFAULT_URL, converse, list_all_tools, parse_endpoint
from vmcp_proxy.cli.output import first_line, print_json, print_table

_HINTS: Final = (
    ("read_only_hint", "read-only"),
    ("destructive_hint", "destructive"),
    ("idempotent_hint", "idempotent"),
    ("open_world_hint", "open-world"),
)


@click.command("tools")
@click.argument("url", default=DEFAULT_URL)
@click.option("--header", "headers", multiple=True, metavar="'K: V'", help="A header of every request; repeat it.")
@click.option("-o", "--output", type=click.Choice(["table", "wide", "json"]), default="table", show_default=True)
def command(url: str, headers: tuple[str, ...], output: str) -> None:
    """List the tools of an endpoint (by default of `vmcp serve` on this machine)."""
    tools = converse(parse_endpoint(url, headers), list_all_tools)
    match output:
        case "json":
            print_json([tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools])
        case "wide":
            rows = [(tool.name, describe_arguments(tool.input_schema), hints(tool), whole(tool)) for tool in tools]
            print_table(("Tool", "Arguments", "Hints", "Description"), rows)
        case _:
            print_table(("Tool", "Description"), [(tool.name, first_line(tool.description)) for tool in tools])


def describe_arguments(schema: dict[str, Json]) -> str:
    """The arguments with their types; those that may be left out in brackets."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return ""
    required = required_names(schema)
    described = [
        (name, f"{name}:{'|'.join(type_names(value) if isinstance(value, dict) else ()) or 'any'}")
        for name, value in properties.items()
    ]
    return " ".join(text if name in required else f"[{text}]" for name, text in described)


def hints(tool: Tool) -> str:
    """What the tool says of itself."""
    if tool.annotations is None:
        return ""
    return " ".join(word for name, word in _HINTS if getattr(tool.annotations, name))


def whole(tool: Tool) -> str:
    """The description on one line."""
    return " ".join((tool.description or "").split())
