"""Programs of stdio backends that cannot be found."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from vmcp_api.config import Backend, Transport
from vmcp_api.manifests.problems import Problem, Problems, Severity
from vmcp_api.render import Rendered


def find_missing_programs(rendered: Rendered, environ: Mapping[str, str]) -> Problems:
    """A warning for each backend whose program is not there, looked for as it is when it is started."""
    found = (_check(backend, rendered, environ) for backend in rendered.config.backends)
    return Problems(tuple(problem for problem in found if problem is not None))


def _check(backend: Backend, rendered: Rendered, environ: Mapping[str, str]) -> Problem | None:
    if backend.transport is not Transport.STDIO or not backend.command:
        return None
    program = backend.command[0]
    if os.sep in program:
        if shutil.which(Path(backend.cwd or ".") / program):
            return None
        message, remedy = "which is not there or no program", "correct the path, or make the file executable"
    else:
        if shutil.which(program, path=_search_path(backend, rendered, environ)):
            return None
        message, remedy = "which is not on PATH", "install it, or write its whole path"
        if any(character.isspace() for character in program):
            remedy = "put its arguments into args"
    named = f"backend {backend.name!r} is started by {program!r}, {message}"
    return Problem(named, remedy, severity=Severity.WARNING)


def _search_path(backend: Backend, rendered: Rendered, environ: Mapping[str, str]) -> str:
    """The PATH that a program is looked for in: its own where it has one."""
    if (ref := backend.env_from_secret.get("PATH")) and (secret := rendered.secrets.get((ref.name, ref.key))):
        return secret.reveal().decode(errors="replace")
    return backend.env.get("PATH", environ.get("PATH", os.defpath))
