"""A backend that asks Keycloak about the tokens which it is shown."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from tests.support.scripted_backend import ScriptedBackend, Status, text


@dataclass
class Checking(ScriptedBackend):
    """Serves whom its realm vouches for, with a token for the client `client`; the claims of all that were served.

    Lists and handshakes are free, as at backends that let the gateway look around before a user calls.
    """

    realm: Any = None
    client: str = "orders"
    served: list[dict[str, Any]] = field(default_factory=list)

    async def result_for(self, call):
        if call.heard.method != "tools/call":
            return await super().result_for(call)
        token = call.heard.headers.get("authorization", "").removeprefix("Bearer ")
        claims = await asyncio.to_thread(self.realm.introspected, token, self.client)
        audiences = claims.get("aud", [])
        if not claims["active"] or self.client not in ([audiences] if isinstance(audiences, str) else audiences):
            raise Status(401)
        self.served.append(claims)
        return text(f"hello {claims['username']}")


def said(answer):
    return answer["content"][0]["text"]
