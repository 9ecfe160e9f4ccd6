"""The product as it was some commits ago: its charts, and images of it."""

import subprocess
from dataclasses import replace
from pathlib import Path

from e2e.images.catalog import OPERATOR, PROXY
from e2e.images.dockerfile import DockerImage, build_dockerfile
from e2e.support.installation import ROOT

COMMITS = 20
"""How far back, where there is no tag: so far that charts, images and CRDs differ."""


def former_commit() -> str:
    """The last tag before this commit, or the commit of some time ago, or the oldest that a shallow clone has.

    In a clone of one commit that is this one: its images have other names, so that all of it is rolled all the same.
    """
    tag = _git("describe", "--tags", "--abbrev=0", "HEAD^")
    if tag:
        return tag
    known = _git("rev-list", "--first-parent", f"--max-count={COMMITS + 1}", "HEAD").split()
    return known[-1]


def checked_out(commit: str, folder: Path) -> Path:
    """The files of a commit."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "--extract", f"--directory={folder}"], check=True, input=archive)
    return folder


def build_former(source: Path, folder: Path) -> tuple[Path, ...]:
    """Archives of the images of the operator and of the proxy, built from those files."""
    return tuple(_build(image, source, folder) for image in (former(OPERATOR), former(PROXY)))


def former(image: DockerImage) -> DockerImage:
    """An image under the name that the former one has."""
    return replace(image, name=image.name.replace(":e2e", ":former"))


def _build(image: DockerImage, source: Path, folder: Path) -> Path:
    target = folder / f"{Path(image.dockerfile).suffix[1:]}.tar"
    build_dockerfile(image, target, source)
    return target


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""
