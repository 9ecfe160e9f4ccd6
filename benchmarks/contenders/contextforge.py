"""ContextForge, from a Python environment that has `mcp-contextforge-gateway`: SQLite, in-process cache, no limits."""

import json
import secrets
import subprocess
import time
import urllib.request
from functools import partial
from pathlib import Path

from benchmarks.contenders.fast_mcp import python_of, version_in
from benchmarks.contenders.site import Absent, Contender, Launch, Site, answers

TITLE = "ContextForge"
_ADMIN = "admin@example.com"
_ASK_SECONDS = 60
_REGISTER_SECONDS = 30.0


def contender(environment: Path | None) -> Contender | Absent:
    """The gateway, where an environment (its folder or its interpreter) is named and has it."""
    if environment is None:
        return Absent(TITLE, "not installed: name an environment with --contextforge")
    interpreter = python_of(environment)
    number = version_in(interpreter, "mcp-contextforge-gateway")
    if number is None:
        return Absent(TITLE, f"not installed in {environment}")
    return Contender("contextforge", TITLE, partial(_launch, interpreter), number)


def settings(site: Site, key: str) -> dict[str, str]:
    """Its environment: public items without a token, backends on the loopback, no rate limit, errors only."""
    return {
        "DATABASE_URL": f"sqlite:///{site.folder / 'contextforge.db'}",
        "CACHE_TYPE": "memory",
        "JWT_SECRET_KEY": key,
        "AUTH_ENCRYPTION_SECRET": secrets.token_hex(32),
        "PLATFORM_ADMIN_EMAIL": _ADMIN,
        "PLATFORM_ADMIN_PASSWORD": f"Aa1-{secrets.token_hex(16)}",
        "MCP_REQUIRE_AUTH": "false",
        "SSRF_ALLOW_LOCALHOST": "true",
        "RATE_LIMITING_ENABLED": "false",
        "TOOL_RATE_LIMIT": "1000",
        "LOG_LEVEL": "ERROR",
    }


def _launch(interpreter: Path, site: Site) -> Launch:
    key = secrets.token_hex(32)
    env = settings(site, key)
    command = (str(interpreter), "-m", "mcpgateway.cli", "--host", "127.0.0.1", "--port", str(site.port))
    return Launch(
        command,
        ready=partial(answers, site.port, "/health"),
        env=env,
        settle=partial(_register, interpreter, site, env),
    )


def _register(interpreter: Path, site: Site, env: dict[str, str]) -> None:
    """Tells it of every backend by its API; it goes on without those that it cannot reach.

    Raises:
        TimeoutError: it took none.
    """
    token = _token(interpreter, env)
    taken = [_post(site.port, token, f"b{number:03}", url) for number, url in enumerate(site.backends)]
    if not any(taken):
        raise TimeoutError(f"it took none of {len(taken)} backends")


def _token(interpreter: Path, env: dict[str, str]) -> str:
    command = (str(interpreter), "-m", "mcpgateway.utils.create_jwt_token", "--username", _ADMIN, "--exp", "1000")
    made = subprocess.run(
        (*command, "--secret", env["JWT_SECRET_KEY"]),
        capture_output=True,
        timeout=_ASK_SECONDS,
        check=True,
        text=True,
        env=env,
    )
    return made.stdout.strip().splitlines()[-1]


def _post(port: int, token: str, name: str, url: str) -> bool:
    """Whether it took one backend in time; asked again, for it is ready before its database is."""
    gateway = {"name": name, "url": url, "transport": "STREAMABLEHTTP", "visibility": "public"}
    fields = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    until = time.monotonic() + _REGISTER_SECONDS
    while (left := until - time.monotonic()) > 0:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/gateways", json.dumps(gateway).encode(), fields)
        try:
            with urllib.request.urlopen(request, timeout=left):
                return True
        except OSError:
            time.sleep(0.2)
    return False
