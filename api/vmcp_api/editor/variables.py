"""What to do about a variable of a server file that nothing fills in."""

from typing import Final

_EDITOR_VARIABLES: Final = frozenset(
    {
        "/",
        "cwd",
        "execPath",
        "extensionPath",
        "file",
        "fileBasename",
        "fileBasenameNoExtension",
        "fileDirname",
        "fileExtname",
        "fileWorkspaceFolder",
        "pathSeparator",
        "relativeFile",
        "userHome",
        "workspaceFolder",
        "workspaceFolderBasename",
        "workspaceRoot",
    }
)
"""What only an editor can know; each may name a folder of the workspace after a colon."""


def remedy_for(name: str) -> str:
    """What to do about a variable, named as it is written (``input:token``)."""
    if name.partition(":")[0] in _EDITOR_VARIABLES:
        aside = "" if ":" in name else f", or set {name} in the environment"
        return f"only editors fill it in; write what it stands for{aside}"
    if ":" in name:
        return "only editors fill it in; write ${env:NAME} and set NAME in the environment"
    return "set it in the environment, or write ${" + name + ":-default}"
