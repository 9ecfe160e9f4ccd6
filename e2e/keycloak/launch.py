"""How a Keycloak is started: a command and its environment, for this machine or for a cluster's node."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ADMIN = "admin"
ADMIN_PASSWORD = "admin-of-a-test"
_JAVA_OPTS = (
    # It lives for minutes: quick to start beats quick to serve.
    "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xms64m -Xmx512m -XX:MaxMetaspaceSize=256m"
    " -XX:+ExitOnOutOfMemoryError -Djava.net.preferIPv4Stack=true -Dfile.encoding=UTF-8"
)


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start, and where it is reached then."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    url: str


def launch(home: Path, host: str, port: int, origin: str = "") -> Launch:
    """A Keycloak that listens on one address, which is in the issuers of its realms unless it has another origin."""
    url = f"http://{host}:{port}"
    command = (
        str(home / "bin" / "kc.sh"),
        "start",
        "--optimized",
        "--http-enabled=true",
        f"--http-host={host}",
        f"--http-port={port}",
        f"--hostname={origin or url}",
        # Nobody to share caches with, and no sockets to find others by.
        "--cache=local",
    )
    environment = {
        **os.environ,
        "JAVA_OPTS": _JAVA_OPTS,
        "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN,
        "KC_BOOTSTRAP_ADMIN_PASSWORD": ADMIN_PASSWORD,
    }
    return Launch(command, environment, url)
