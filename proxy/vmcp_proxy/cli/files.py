"""Files and folders as commands read them."""

from pathlib import Path

from vmcp_api.manifests.problems import Problem, Problems


def list_visible(folder: Path) -> tuple[Path, ...]:
    """What lies in a folder, sorted, without hidden entries (mounted volumes keep links under `..`)."""
    try:
        return tuple(sorted(child for child in folder.iterdir() if not child.name.startswith(".")))
    except OSError:
        return ()


def read_text(path: Path | str) -> str | Problems:
    """The text of a file, or why there is none."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        problem = Problem(f"cannot be read: {error.strerror}", "correct the path or its permissions", file=str(path))
    except UnicodeDecodeError:
        problem = Problem("is not written in UTF-8", "save it as UTF-8", file=str(path))
    return Problems.of(problem)
