"""Where the `vmcp` command begins: says what to install where a package that it needs is missing.

Imports nothing but what every installation has; without an extra there is not even click.
"""

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Final, NoReturn

from vmcp_api.distribution import DISTRIBUTION, explain_missing

_USAGE: Final = 2
"""`Exit.USAGE`, which lies behind click."""


def main() -> NoReturn:
    """Runs the command and exits."""
    try:
        command = import_module("vmcp_proxy.cli.main")
    except ModuleNotFoundError as error:
        message = explain_missing(error, "cli")
        if sys.argv[1:] == ["--version"]:
            sys.stdout.write(f"vmcp {version(DISTRIBUTION)}\n")
            sys.exit(0)
        sys.stderr.write(f"vmcp: {message}\n")
        sys.exit(_USAGE)
    command.main()
    raise AssertionError("the command exits by itself")
