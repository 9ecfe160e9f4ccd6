"""A Keycloak process of the tests' own, and what its administrator and its users do."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2

from e2e.keycloak.launch import ADMIN, ADMIN_PASSWORD, Launch

REALM = Path(__file__).with_name("realm.json")
START_SECONDS = 300.0
STOP_SECONDS = 30.0


class Keycloak:
    """A server that is up; `realm` makes one that is like no other test's."""

    def __init__(self, url: str, http: httpx2.Client) -> None:
        self.url = url
        self.http = http

    def realm(self, name: str, document: Mapping[str, Any] | None = None) -> "Realm":
        """Imports `realm.json`, or another document, under a name."""
        # A realm's own default role has the realm's name in it.
        text = REALM.read_text() if document is None else json.dumps(document)
        imported = json.loads(text.replace("default-roles-company", f"default-roles-{name}"))
        self.admin("POST", "/realms", {**imported, "realm": name})
        return Realm(self, name)

    def admin(self, verb: str, path: str, body: Any = None) -> Any:
        """One request of the administrator; the answer's JSON."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMIN, "password": ADMIN_PASSWORD}
        # An administrator's token lives for a minute only.
        token = self.http.post("/realms/master/protocol/openid-connect/token", data=form).raise_for_status()
        headers = {"authorization": f"Bearer {token.json()['access_token']}"}
        answer = self.http.request(verb, f"/admin{path}", json=body, headers=headers)
        assert answer.is_success, f"{verb} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None


class Realm:
    """One realm: its addresses, its users' logins, its keys."""

    def __init__(self, keycloak: Keycloak, name: str) -> None:
        self._keycloak = keycloak
        self.name = name
        self.issuer = f"{keycloak.url}/realms/{name}"
        self.token_url = f"{self.issuer}/protocol/openid-connect/token"
        self.introspection_url = f"{self.token_url}/introspect"
        self.jwks_url = f"{self.issuer}/protocol/openid-connect/certs"

    def login(self, user: str, client: str = "agent", **more: str) -> dict[str, Any]:
        """What a user gets who gives the password to a client: `access_token`, `refresh_token`, and the rest."""
        form = {"grant_type": "password", "client_id": client, "username": user, "password": f"{user}-password"}
        return self._posted(self.token_url, {**form, **more})

    def token(self, user: str, client: str = "agent", **more: str) -> str:
        """A user's access token."""
        return str(self.login(user, client, **more)["access_token"])

    def logout(self, login: Mapping[str, Any], client: str = "agent") -> None:
        """Ends the session of a login: its tokens are no good from then on, for those who ask."""
        form = {"client_id": client, "refresh_token": login["refresh_token"]}
        self._posted(f"{self.issuer}/protocol/openid-connect/logout", form)

    def introspected(self, token: str, client: str = "orders") -> dict[str, Any]:
        """What the realm says of a token to a client that may ask."""
        form = {"token": token, "client_id": client, "client_secret": f"{client}-secret"}
        return self._posted(self.introspection_url, form)

    def revoke(self, token: str, client: str) -> None:
        """Ends a token that a client was given (RFC 7009)."""
        form = {"token": token, "client_id": client, "client_secret": f"{client}-secret"}
        self._posted(f"{self.issuer}/protocol/openid-connect/revoke", form)

    def kids(self) -> set[str]:
        """The names of its keys for signatures."""
        keys = self._keycloak.http.get(self.jwks_url).raise_for_status().json()["keys"]
        return {each["kid"] for each in keys if each["use"] == "sig"}

    def rotate(self) -> None:
        """Signs with a new key from now on; the old ones can still be checked."""
        body = {
            "name": f"rotated-{len(self.kids())}",
            "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": {"priority": [str(1000 + len(self.kids()))], "algorithm": ["RS256"]},
        }
        self.admin("POST", "/components", body)

    def admin(self, verb: str, path: str, body: Any = None) -> Any:
        """One request of the administrator within the realm."""
        return self._keycloak.admin(verb, f"/realms/{self.name}{path}", body)

    def exchange(self, token: str, client: str = "vmcp", **more: str) -> dict[str, Any]:
        """What a client gets for a user's token (RFC 8693)."""
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": token,
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "client_id": client,
            "client_secret": f"{client}-secret",
        }
        return self._posted(self.token_url, {**form, **more})

    def _posted(self, url: str, form: Mapping[str, str]) -> dict[str, Any]:
        answer = self._keycloak.http.post(url, data=form)
        assert answer.is_success, f"{url}: {answer.status_code} {answer.text}"
        return dict(answer.json()) if answer.content else {}


@contextlib.contextmanager
def running(start: Launch, log: Path) -> Iterator[Keycloak]:
    """A Keycloak for the length of a block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            start.command, env=start.environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(process, start.url, log)
        with httpx2.Client(base_url=start.url, trust_env=False, timeout=60) as http:
            yield Keycloak(start.url, http)
    finally:
        _end(process)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, f"Keycloak ended: {log.read_text()[-2000:]}"
        assert time.monotonic() < until, f"Keycloak is not ready: {log.read_text()[-2000:]}"
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(f"{url}/health/ready", trust_env=False, timeout=5).status_code == httpx2.codes.OK:
                return
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Its script hands SIGTERM to Java; both are in a group of their own."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
