"""What the packages are called where they are installed from, and what to say of an installation that lacks one."""

from typing import Final

DISTRIBUTION: Final = "vmcp-gateway"
"""The name of the distribution, of which the index of Python packages has no release yet; the command is ``vmcp``."""

_OWN: Final = ("vmcp_api", "vmcp_operator", "vmcp_proxy")


def explain_missing(error: ModuleNotFoundError, extra: str) -> str:
    """Which package is missing, and what to type for an installation with the extra that holds it.

    Raises:
        ModuleNotFoundError: the error as it is, where the module is one of ours: no installation lacks it.
    """
    package = (error.name or "").partition(".")[0]
    if package in _OWN:
        raise error
    wanted = f"'.[{extra}]'"
    return (
        f"this installation lacks the package {package!r}; "
        f"in a clone of the repository type: uv tool install {wanted}, or pip install {wanted}"
    )
