"""An issuer of tokens for the contenders that check some: its key set on a loopback port, one token for the load."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

AUDIENCE: Final = "bench"
_KEY_BITS: Final = 2048
_KID: Final = "bench"
_LIFETIME_SECONDS: Final = 24 * 3600
_GROUPS: Final = ("engineering", "readers")


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who vouches for the load: the name in its tokens, where its keys are, a token that outlives the run.

    `stranger` is the token of a caller without groups, to whom nothing is allowed.
    """

    name: str
    jwks_url: str
    token: str
    stranger: str


@contextlib.contextmanager
def issuer() -> Iterator[Issuer]:
    """An issuer for the time of a block."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    public = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    keys = json.dumps({"keys": [{**public, "kid": _KID, "use": "sig", "alg": "RS256"}]}).encode()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(keys))
    name = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, name="issuer", daemon=True).start()
    try:
        yield Issuer(name, f"{name}/jwks", _token(name, key, "load", _GROUPS), _token(name, key, "stranger", ()))
    finally:
        server.shutdown()
        server.server_close()


def _handler_of(keys: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(keys)))
            self.end_headers()
            self.wfile.write(keys)

        def log_message(self, *_: object) -> None:
            """Says nothing: the report is on the same terminal."""

    return Handler


def _token(name: str, key: rsa.RSAPrivateKey, subject: str, groups: tuple[str, ...]) -> str:
    now = int(time.time())
    claims = {
        "iss": name,
        "sub": subject,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + _LIFETIME_SECONDS,
        "scope": "mcp",
        "groups": groups,
    }
    return jwt.encode(claims, key, algorithm="RS256", headers={"kid": _KID})
