"""Manifest files on disk: which they are, and what they say."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.load import Loaded, load
from vmcp_api.manifests.problems import Problem, Problems
from vmcp_api.text.suggest import suggest
from vmcp_proxy.cli.files import list_visible, read_text

SUFFIXES: Final = (".yaml", ".yml")


def find_files(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The files, with folders replaced by the `*.yaml` and `*.yml` files directly in them, each file once."""
    return tuple(dict.fromkeys(file for path in paths for file in _expand(path)))


def _expand(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for child in list_visible(path):
        if child.suffix in SUFFIXES and child.is_file():
            yield child


def load_manifests(paths: Iterable[Path]) -> tuple[Loaded, Problems]:
    """What files and folders declare, and every problem of theirs, those of reading them first."""
    sources, problems = read_sources(paths)
    loaded = load(sources)
    return loaded, problems + loaded.problems


def read_sources(paths: Iterable[Path]) -> tuple[list[Source], Problems]:
    """The texts of files and folders, and why others could not be read."""
    named = tuple(paths)
    files = find_files(named)
    sources: list[Source] = []
    problems = Problems()
    if not files:
        found = f"there is no *.yaml or *.yml file in {', '.join(map(str, named))}"
        problems += Problems.of(Problem(found, "name a file, or a folder that has one"))
    for file in files:
        text = read_text(file)
        if isinstance(text, Problems):
            problems += text
        else:
            sources.append(Source(str(file), text))
    return sources, problems


def choose_server(known: tuple[tuple[str, str], ...], wanted: str | None) -> tuple[str, str] | Problems:
    """The (namespace, name) to serve: the only one, or the one called `[namespace/]name`."""
    names = {f"{namespace}/{name}": (namespace, name) for namespace, name in known}
    if not known:
        return Problems.of(
            Problem("the files declare no VirtualMCPServer", "add one; `vmcp init` writes a file to start from")
        )
    if wanted is None:
        if len(known) == 1:
            return known[0]
        remedy = f"choose one with --name: {', '.join(names)}"
        return Problems.of(Problem(f"the files declare {len(known)} VirtualMCPServers", remedy))
    matching = [key for key in names if wanted in {key, names[key][1]}]
    if len(matching) > 1:
        remedy = f"name the namespace too: {', '.join(matching)}"
        return Problems.of(Problem(f"several VirtualMCPServers are called {wanted!r}", remedy))
    if not matching:
        short = names if "/" in wanted else {name for _, name in known}
        remedy = suggest(wanted, short, noun="VirtualMCPServers")
        return Problems.of(Problem(f"the files declare no VirtualMCPServer {wanted!r}", remedy))
    return names[matching[0]]
