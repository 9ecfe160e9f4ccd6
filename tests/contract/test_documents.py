"""Documents keep their word: links lead somewhere, verbs and commands exist, whole manifests are valid."""

import re
import subprocess
from pathlib import Path

import pytest

from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.load import load
from vmcp_proxy.cli.main import SUBCOMMANDS

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {".venv", ".cache", ".git", "node_modules"}
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if not any(part in SKIPPED for part in path.relative_to(ROOT).parts)
)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ +(?P<text>.+)$", re.MULTILINE)
VERB = re.compile(r"(?:^ {4}|`)(?:\$ )?make (?P<verb>[a-z0-9]+)", re.MULTILINE)
BLOCK = re.compile(r"^```\w*\n(?P<fenced>[\s\S]*?)^```|(?P<indented>(?:^(?: {4}.*)?\n)+)", re.MULTILINE)
MANIFEST = re.compile(r"^apiVersion: [\s\S]*?(?=^EOF$|\Z)", re.MULTILINE)
COMMAND = re.compile(r"(?:^ {4}|`|&& )(?:\$ )?vmcp (?P<command>[a-z]+)", re.MULTILINE)


def slug(heading):
    """The anchor that repository hosts make of a heading."""
    words = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def broken_links(document):
    for found in LINK.finditer(document.read_text(encoding="utf-8")):
        target, _, anchor = found["target"].partition("#")
        if "://" in found["target"] or target.startswith("mailto:"):
            continue
        file = (document.parent / target).resolve() if target else document
        if not file.exists() or not file.is_relative_to(ROOT):
            yield f"{found['target']}: no such file"
        elif anchor and anchor not in {slug(each["text"]) for each in HEADING.finditer(file.read_text("utf-8"))}:
            yield f"{found['target']}: no such heading"


def manifests(document):
    """The whole manifests of our kinds in a document, alone in a block or handed to a command."""
    for block in BLOCK.finditer(document.read_text(encoding="utf-8")):
        text = block["fenced"] or re.sub(r"^ {4}", "", block["indented"] or "", flags=re.MULTILINE)
        found = MANIFEST.search(text)
        if found and "apiVersion: vmcp.dev/" in found[0]:
            yield found[0]


MANIFESTS = [
    pytest.param(document, text, id=f"{document.relative_to(ROOT)}-{number}")
    for document in DOCUMENTS
    for number, text in enumerate(manifests(document))
]


def makefile_verbs():
    return set(re.findall(r"^([a-z0-9]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_of_a_document_lead_to_files_and_headings_that_exist(document):
    assert list(broken_links(document)) == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_the_make_verbs_that_a_document_names_exist(name):
    named = {found["verb"] for found in VERB.finditer((ROOT / name).read_text(encoding="utf-8"))}
    assert named
    assert named <= makefile_verbs()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_vmcp_commands_that_a_document_names_exist(document):
    named = {found["command"] for found in COMMAND.finditer(document.read_text(encoding="utf-8"))}
    # Named in the scenarios as what is to come.
    coming = {"doctor", "explain", "convert"} if document.name == "acceptance.md" else set()
    assert named - coming <= set(SUBCOMMANDS)


@pytest.mark.parametrize(("document", "text"), MANIFESTS)
def test_a_whole_manifest_in_a_document_is_valid(document, text):
    problems = load([Source(document.name, text)]).problems
    assert [str(problem) for problem in problems.errors] == []


def test_every_document_is_reached_from_the_readme():
    seen, ahead = set(), [ROOT / "README.md"]
    while ahead:
        document = ahead.pop()
        if document in seen:
            continue
        seen.add(document)
        targets = (found["target"].partition("#")[0] for found in LINK.finditer(document.read_text(encoding="utf-8")))
        ahead += [file for each in targets if (file := (document.parent / each).resolve()).suffix == ".md"]
    guides = {path for path in DOCUMENTS if path.is_relative_to(ROOT / "docs")}
    assert sorted(str(path.relative_to(ROOT)) for path in guides - seen) == []


def test_no_tracked_file_of_code_or_prose_is_longer_than_400_lines():
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "Makefile"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [ROOT / name for name in listed.stdout.split() if (ROOT / name).is_file()]
    assert files
    generated = ROOT / "docs" / "reference"
    long = [
        str(path.relative_to(ROOT))
        for path in files
        if not path.is_relative_to(generated) and len(path.read_text(encoding="utf-8").splitlines()) > 400
    ]
    assert long == []
