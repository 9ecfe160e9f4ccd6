"""An issuer of tokens for trying only: whoever asks gets a token for anybody, and nobody is asked for a password.

It has what `vmcp` needs of an OpenID provider: discovery, keys, and a token endpoint that exchanges tokens (RFC 8693).
"""

import base64
import time
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from users import USERS, claims_of

CLIENTS: Final = {"vmcp": "example-secret"}
AUDIENCE: Final = "http://127.0.0.1:4483/mcp"

_ALGORITHM: Final = "RS256"
_KEY_NAME: Final = "example"
_SECONDS: Final = 3600
_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type, no token


@dataclass(frozen=True)
class Issuer:
    """Signs tokens with a key of this process: they are of no use to the next one."""

    url: str
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048), repr=False)

    def sign(self, user: str, audience: str) -> str:
        """An access token of a user for an audience."""
        now = int(time.time())
        claims = {**claims_of(user), "iss": self.url, "aud": audience, "iat": now, "exp": now + _SECONDS}
        return jwt.encode(claims, self.key, _ALGORITHM, headers={"kid": _KEY_NAME})

    def read(self, token: str, audience: str) -> dict[str, Any]:
        """The claims of a token that is good for an audience.

        Raises:
            jwt.PyJWTError: it is not.
        """
        return jwt.decode(token, self.key.public_key(), [_ALGORITHM], audience=audience, issuer=self.url)

    def routes(self) -> list[Route]:
        """Where all of it is asked for."""
        return [
            Route("/.well-known/openid-configuration", self._discovery),
            Route("/keys", self._keys),
            Route("/token", self._token, methods=["POST"]),
        ]

    async def _discovery(self, _: Request) -> JSONResponse:
        return JSONResponse({"issuer": self.url, "jwks_uri": f"{self.url}/keys", "token_endpoint": f"{self.url}/token"})

    async def _keys(self, _: Request) -> JSONResponse:
        public = jwt.get_algorithm_by_name(_ALGORITHM).to_jwk(self.key.public_key(), as_dict=True)
        return JSONResponse({"keys": [{**public, "kid": _KEY_NAME, "alg": _ALGORITHM, "use": "sig"}]})

    async def _token(self, request: Request) -> JSONResponse:
        form = {name: str(value) for name, value in (await request.form()).items()}
        match form.get("grant_type"):
            case "password" if (user := form.get("username", "")) in USERS:
                return _granted(self.sign(user, AUDIENCE))
            case grant if grant == _EXCHANGE:
                return self._exchanged(form, request.headers.get("authorization", ""))
        return _refused("invalid_grant", f"write username={' or '.join(USERS)}")

    def _exchanged(self, form: dict[str, str], authorization: str) -> JSONResponse:
        """A token of the same user for somebody else, to a client that is known here."""
        if authorization not in {f"Basic {_basic(*each)}" for each in CLIENTS.items()}:
            return _refused("invalid_client", "the client or its secret is not known here", 401)
        try:
            claims = self.read(form.get("subject_token", ""), AUDIENCE)
        except jwt.PyJWTError:
            return _refused("invalid_grant", "the subject token is not good here")
        return _granted(self.sign(claims["sub"], form.get("audience", "")), issued_token_type=_ACCESS_TOKEN)


def _basic(client: str, secret: str) -> str:
    return base64.b64encode(f"{client}:{secret}".encode()).decode()


def _granted(token: str, **more: str) -> JSONResponse:
    return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": _SECONDS, **more})


def _refused(code: str, description: str, status: int = 400) -> JSONResponse:
    return JSONResponse({"error": code, "error_description": description}, status)
