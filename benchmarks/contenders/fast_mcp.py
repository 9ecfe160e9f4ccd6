"""FastMCP's proxy, from a Python environment that has it.

Not called `fastmcp`: the script beside it is run by path, and imports the real one.
"""

import subprocess
from functools import partial
from pathlib import Path

from benchmarks.contenders.site import Absent, Contender, Launch, Site, initializes

TITLE = "FastMCP proxy"
_SCRIPT = Path(__file__).with_name("fastmcp_script.py")
_ASK_SECONDS = 60


def _launch(interpreter: Path, site: Site) -> Launch:
    command = (str(interpreter), str(_SCRIPT), str(site.port), *site.backends)
    return Launch(command, partial(initializes, site.port))


def contender(environment: Path | None) -> Contender | Absent:
    """The proxy, where an environment (its folder or its interpreter) is named and has it."""
    if environment is None:
        return Absent(TITLE, "not installed: name an environment with --fastmcp")
    interpreter = python_of(environment)
    number = version_in(interpreter, "fastmcp")
    if number is None:
        return Absent(TITLE, f"not installed in {environment}")
    return Contender("fastmcp", TITLE, partial(_launch, interpreter), number)


def python_of(environment: Path) -> Path:
    """The interpreter of an environment."""
    # Not resolved: the interpreter of an environment is a link, and the environment is where the link stands.
    path = environment.absolute()
    return path / "bin" / "python" if path.is_dir() else path


def version_in(interpreter: Path, package: str) -> str | None:
    """The version of a package of an environment; None where it is not there."""
    question = f"from importlib.metadata import version; print(version({package!r}))"
    try:
        asked = subprocess.run(
            (interpreter, "-c", question), capture_output=True, timeout=_ASK_SECONDS, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None
