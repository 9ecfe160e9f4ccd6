"""Writes what is generated from the models: ``python -m vmcp_api crds|reference DIR``."""

import sys
from pathlib import Path

from vmcp_api.generate.crds import build_files
from vmcp_api.generate.reference import build_pages


def main(arguments: list[str]) -> int:
    """Write the files of one kind into a folder; 2 when the arguments are wrong."""
    match arguments:
        case ["crds", folder]:
            files = build_files()
        case ["reference", folder]:
            files = build_pages()
        case _:
            sys.stderr.write("usage: python -m vmcp_api crds|reference DIR\n")
            return 2
    for name, text in files.items():
        (Path(folder) / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
