"""`python -m e2e.images`: makes image archives."""

import argparse
import sys
from collections.abc import Sequence

from e2e.cluster.errors import ClusterError
from e2e.images.catalog import IMAGES, build_images


def main(arguments: Sequence[str] | None = None) -> int:
    """Builds what is named and prints the paths of the archives; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m e2e.images", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("build", help="build images and print their archives, one a line")
    verb.add_argument("image", nargs="*", choices=[*IMAGES, []], default=[])
    options = parser.parse_args(arguments)
    try:
        for archive in build_images(options.image or IMAGES):
            print(archive)
    except ClusterError as error:
        print(f"e2e.images: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
