"""Keycloak from Maven Central: one version, checked by its sum, made ready once for each machine."""

import fcntl
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

VERSION = "26.7.3"
SHA256 = "77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47"
CACHE = Path("~/.cache/vmcp-keycloak").expanduser()
DOWNLOAD_SECONDS = 600
BUILD_SECONDS = 300
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:tar.gz"

FEATURES = ("identity-assertion-jwt", "jwt-authorization-grant")
"""Both ends of identity assertions, which it has but does not show unless it is asked to."""

BUILD_OPTIONS = (
    # H2 in the memory of the process: every start is of an empty server.
    "--db=dev-mem",
    "--health-enabled=true",
    "--http-management-health-enabled=false",
    f"--features={','.join(FEATURES)}",
    "--features-disabled=account,account-api,ciba,device-flow,kerberos,organization,passkeys,ipa-tuura-federation",
)


def installed() -> Path:
    """The folder of a Keycloak that is built and ready to start; the first call of a machine takes minutes.

    Raises:
        RuntimeError: Maven or Keycloak's own build failed, or the archive is not the one that is expected.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    # Options that are built in belong to the name: with others it is another Keycloak.
    options = hashlib.sha256("\n".join(BUILD_OPTIONS).encode()).hexdigest()[:8]
    home = CACHE / f"keycloak-{VERSION}-{options}"
    with (CACHE / "busy").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        if not home.exists():
            unfinished = CACHE / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            archive = _archive()
            _unpacked(archive, unfinished)
            _run([str(unfinished / "bin" / "kc.sh"), "build", *BUILD_OPTIONS], BUILD_SECONDS)
            unfinished.rename(home)
            # Maven has a copy of its own.
            archive.unlink()
    return home


def _archive() -> Path:
    """The archive as Maven Central has it."""
    archive = CACHE / f"keycloak-quarkus-dist-{VERSION}.tar.gz"
    _run(["mvn", "-q", "-B", _COPY, f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={CACHE}"], DOWNLOAD_SECONDS)
    found = _sum(archive)
    if found != SHA256:
        archive.unlink()
        raise RuntimeError(f"{_ARTIFACT} has the SHA-256 {found}, not {SHA256}")
    return archive


def _sum(archive: Path) -> str:
    with archive.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _unpacked(archive: Path, target: Path) -> None:
    """The archive without its uppermost folder."""
    with tarfile.open(archive) as content:
        content.extractall(target, filter="data")
    (inner,) = target.iterdir()
    for each in tuple(inner.iterdir()):
        each.rename(target / each.name)
    inner.rmdir()


def _run(command: list[str], seconds: float) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except FileNotFoundError as error:
        raise RuntimeError(f"{command[0]} is not installed; make keycloak installs what is needed") from error
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {(done.stdout + done.stderr)[-2000:]}")
