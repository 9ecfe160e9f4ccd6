"""`vmcp clients`: prints the entry of a client, or puts it into its file."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Final

import click

from vmcp_api.text.suggest import suggest
from vmcp_proxy.cli.clients.edit import CannotEditError, add_json, add_toml, toml_entry
from vmcp_proxy.cli.clients.known import CLIENTS, Client, Entry
from vmcp_proxy.cli.clients.write import ChangedMeanwhileError, read, replace
from vmcp_proxy.cli.endpoint.conversation import parse_endpoint
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.output import print_table

_URL: Final = "http://127.0.0.1:4483/mcp"
_PATH = click.Path(exists=True, path_type=Path)


@click.command("clients")
@click.argument("client", required=False)
@click.option("--url", help=f"The endpoint, for clients that take one.  [default: {_URL}]")
@click.option("-f", "--file", "files", multiple=True, type=_PATH, help="Let the client start `vmcp serve --stdio -f`.")
@click.option("--mcp-config", type=_PATH, help="Let the client start `vmcp serve --stdio --mcp-config`.")
@click.option("--name", default="vmcp", show_default=True, help="Name of the entry.")
@click.option("--write", is_flag=True, help="Put the entry into the client's file; everything else in it stays.")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Another file of the client.")
def command(
    client: str | None,
    url: str | None,
    files: tuple[Path, ...],
    mcp_config: Path | None,
    name: str,
    *,
    write: bool,
    to: Path | None,
) -> None:
    """List the known clients, or print the entry of one; nothing is written without --write.

    Example: vmcp clients claude-desktop -f vmcp.yaml --write
    """
    if client is None:
        if write:
            raise click.UsageError("--write needs the name of a client.")
        rows = [(each.name, each.title, str(place(each)), _has(place(each))) for each in CLIENTS]
        print_table(("Client", "Title", "File", "There"), rows)
        return
    found = next((each for each in CLIENTS if each.name == client), None)
    if found is None:
        raise click.UsageError(
            f"There is no client {client!r}; {suggest(client, [c.name for c in CLIENTS], noun='clients')}"
        )
    if not name.strip():
        raise click.UsageError("--name is empty; write one, such as vmcp.")
    if url is not None:
        parse_endpoint(url, ())
    entry = _entry(found, url, files, mcp_config)
    file = to or place(found)
    if write:
        _write(found, file, name, entry)
        return
    click.echo(f"# {found.title}: {file}", err=True)
    click.echo(shown(found, name, entry))


def place(client: Client) -> Path:
    """The file of a client on this machine."""
    home = Path.home()
    if sys.platform == "darwin":
        settings = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        settings = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    else:
        settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return Path(client.file(sys.platform, home, settings))


def shown(client: Client, name: str, entry: Entry) -> str:
    """The entry as the client's file has it."""
    if client.name == "codex":
        return toml_entry(client.root, name, entry).rstrip("\n")
    return json.dumps({client.root: {name: entry}}, indent=2, ensure_ascii=False)


def _entry(client: Client, url: str | None, files: tuple[Path, ...], mcp_config: Path | None) -> Entry:
    words = [word for file in files for word in ("-f", str(file.absolute()))]
    words += ["--mcp-config", str(mcp_config.absolute())] if mcp_config else []
    if (url is not None) + bool(files) + (mcp_config is not None) > 1:
        raise click.UsageError("Give one of --url, -f and --mcp-config.")
    if not words and client.http is None:
        raise click.UsageError(f"{client.title} starts its servers itself; add -f FILE or --mcp-config FILE.")
    return client.entry(None if words else url or _URL, (*_program(), "serve", "--stdio", *words))


def _program() -> tuple[str, ...]:
    """How to start this command from a folder and with a PATH that are not ours; a link stays one."""
    found = shutil.which("vmcp")
    return (str(Path(found).absolute()),) if found else (sys.executable, "-m", "vmcp_proxy")


def _write(client: Client, file: Path, name: str, entry: Entry) -> None:
    add = add_toml if client.name == "codex" else add_json
    by_hand = f"put it there by hand:\n{shown(client, name, entry)}"
    try:
        before = read(file)
        text = (before or b"").decode()
        after = add(text, client.root, name, entry).encode()
        if after == before:
            click.echo(f"{file} has the entry already")
            return
        if not file.parent.is_dir():
            remedy = f"is {client.title} installed? --to names another file"
            raise CommandError(Exit.FAILED, f"there is no folder {file.parent}", remedy)
        backup = replace(file, before, after)
    except UnicodeDecodeError:
        raise CommandError(Exit.INVALID, f"{file} is not written in UTF-8", by_hand) from None
    except CannotEditError as error:
        raise CommandError(Exit.INVALID, f"{file} is left as it is: {error}", by_hand) from None
    except ChangedMeanwhileError:
        raise CommandError(Exit.FAILED, f"{file} was changed by another program", "try again") from None
    except OSError as error:
        raise CommandError(Exit.FAILED, f"{file} cannot be written: {error.strerror}", by_hand) from None
    kept = f"; what it held is in {backup}" if backup else ""
    click.echo(f"wrote {name!r} to {file}{kept}\nrestart {client.title} to use it")


def _has(file: Path) -> str:
    return "yes" if file.exists() else "no"
