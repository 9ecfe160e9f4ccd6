"""`vmcp convert`: reads manifests, writes ours, and says of each value what became of it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from vmcp_api.convert.convert import convert
from vmcp_api.convert.report import Conversion, Fate, Field, fold
from vmcp_api.convert.yaml_out import to_yaml
from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.problems import Problems, format_path
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.manifests import read_sources
from vmcp_proxy.cli.output import clean, to_json

STDIN: Final = "-"


@click.command("convert")
@click.argument("paths", nargs=-1, metavar="[FILE_OR_DIR...]", type=click.Path(exists=True, allow_dash=True))
@click.option("-w", "--write", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write there.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the report."
)
@click.option("--diff", "urls", nargs=2, metavar="OLD_URL NEW_URL", help="Compare what two endpoints serve instead.")
@click.option("--old-header", multiple=True, metavar="'K: V'", help="A header of every request to OLD_URL; repeat it.")
@click.option("--new-header", multiple=True, metavar="'K: V'", help="A header of every request to NEW_URL; repeat it.")
def command(
    paths: tuple[str, ...],
    write: Path | None,
    output: str,
    urls: tuple[str, str] | None,
    old_header: tuple[str, ...],
    new_header: tuple[str, ...],
) -> None:
    """Turn manifests for ToolHive (toolhive.stacklok.dev) into ours.

    Reads files, folders, or with - stdin; manifests go to stdout, the report to stderr. Exit code 7 where something
    that was asked for is lost, 3 where a file cannot be read.

    Example: vmcp convert toolhive/ --write vmcp.yaml
    """
    if bool(paths) == bool(urls):
        raise click.UsageError("Give FILE_OR_DIR... or --diff OLD_URL NEW_URL.")
    if urls:
        # The SDK's client, which whoever converts files would load for nothing.
        from vmcp_proxy.cli.convert.endpoints import compare  # noqa: PLC0415

        compare(urls, (old_header, new_header), output)
        return
    if old_header or new_header:
        raise click.UsageError("--old-header and --new-header go with --diff.")
    conversion = convert_paths(paths)
    report = to_json(conversion.describe()) if output == "json" else "\n".join(summarise(conversion))
    _write(to_yaml(conversion.results), write)
    click.echo(report, err=True)
    if conversion.problems:
        raise click.exceptions.Exit(Exit.INVALID)
    if conversion.loses:
        raise click.exceptions.Exit(Exit.INCOMPLETE)


def convert_paths(paths: tuple[str, ...]) -> Conversion:
    """What files, folders and stdin become."""
    named = [Path(path) for path in paths if path != STDIN]
    sources, problems = read_sources(named) if named else ([], Problems())
    if STDIN in paths:
        sources.append(Source("stdin", _read_stdin()))
    conversion = convert(sources)
    return Conversion(conversion.objects, problems + conversion.problems)


def summarise(conversion: Conversion) -> Iterator[str]:
    """Problems first, then the objects with what is not as it was, then how much met which fate."""
    yield from map(str, conversion.problems)
    for one in conversion.objects:
        # That the API group is another one goes without saying.
        told = [each for each in fold(one) if each.path != ("apiVersion",) or not one.results]
        if told:
            yield clean(f"{one.file}:{one.line}: {one.subject}")
            yield from (clean(f"  {_say(each)}") for each in told)
    counts = conversion.count()
    said = ", ".join(f"{counts[fate]} {fate}" for fate in Fate)
    objects = len(conversion.results)
    yield f"{objects} {'object' if objects == 1 else 'objects'} written; fields: {said}"


def _say(field: Field) -> str:
    place = "" if field.path is None else format_path(field.path)
    target = "" if field.to is None or field.to == field.path else format_path(field.to)
    words = f"{field.why}; {field.remedy}" if field.remedy else field.why
    if field.path is None:
        return f"added:   {target}: {words}"
    subject = f"{place} → {target}" if target else place
    return f"{field.fate.value + ':':<8} {': '.join(filter(None, (subject, words)))}"


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise CommandError(Exit.INVALID, "stdin is not written in UTF-8", "save it as UTF-8") from None


def _write(text: str, file: Path | None) -> None:
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(Exit.FAILED, f"{file} cannot be written: {error.strerror}", "name another file") from None
