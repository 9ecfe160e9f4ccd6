"""Where the `vmcp` and `kubectl-vmcp` commands begin: says what to install where a package that it needs is missing.

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
    """Runs `vmcp` and exits."""
    _run("vmcp", "vmcp_proxy.cli.main")


def plugin() -> NoReturn:
    """Runs `kubectl vmcp` and exits."""
    _run("kubectl-vmcp", "vmcp_proxy.cli.kube.main")


def _run(name: str, module: str) -> NoReturn:
    try:
        command = import_module(module)
    except ModuleNotFoundError as error:
        message = explain_missing(error, "cli")
        if sys.argv[1:] == ["--version"]:
            sys.stdout.write(f"{name} {version(DISTRIBUTION)}\n")
            sys.exit(0)
        sys.stderr.write(f"vmcp: {message}\n")
        sys.exit(_USAGE)
    command.main()
    raise AssertionError("the command exits by itself")
