"""Asks a server of embeddings for vectors, by the API of OpenAI, which text-embeddings-inference has as well."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from vmcp_api.secret import SecretBytes
from vmcp_api.spec.optimizer import Embeddings
from vmcp_proxy.http_client import (
    HttpClient,
    HttpError,
    InvalidUrl,
    Peer,
    Response,
    ResponseHeaders,
    Timeout,
    TrustSetting,
    Url,
)
from vmcp_proxy.search.embeddings.answer import read_answer
from vmcp_proxy.search.embeddings.errors import EmbeddingsError, Fault

MAX_BATCH: Final = 32
"""Texts of one request: what a server of text-embeddings-inference takes by default."""
MAX_ANSWER_BYTES: Final = 4 << 20
"""Of one answer: 32 vectors of 4096 numbers, each of 32 characters."""

_OK: Final = 200
_TEXTS_AT_FAULT: Final = frozenset({400, 413, 422})
_LONGEST_PAUSE: Final = 300
_REMEDIES: Final = {
    401: "; check apiKeySecretRef",
    403: "; check apiKeySecretRef",
    404: "; check url and model",
}


class EmbeddingsClient:
    """One server as the config says it: dialled within its network, trusted by its CA bundle, each wait bounded."""

    def __init__(self, client: HttpClient, settings: Embeddings, api_key: SecretBytes | None) -> None:
        self._client: Final = client
        self._settings: Final = settings
        self._api_key: Final = api_key

    @property
    def timeout(self) -> float:
        """The bound of one request, in seconds."""
        return self._settings.timeout

    async def embed(self, texts: Sequence[str]) -> tuple[bytes, ...]:
        """The vector of each text; as many texts as `MAX_BATCH` at most.

        Raises:
            EmbeddingsError: there are none, or not in time.
        """
        model = self._settings.model
        body = msgspec.json.encode({"input": list(texts)} | ({"model": model} if model else {}))
        try:
            async with asyncio.timeout(self.timeout):
                response, raw = await self._ask(body)
        except (TimeoutError, Timeout):
            raise EmbeddingsError("no answer in time", Fault.SLOW) from None
        except (HttpError, ValueError) as error:
            # ValueError: a header of the settings that may not be sent; it says which one.
            raise EmbeddingsError(str(error)) from None
        if response.status != _OK:
            fault = Fault.REFUSED if response.status in _TEXTS_AT_FAULT else Fault.AWAY
            reason = f"HTTP status {response.status}{_REMEDIES.get(response.status, '')}"
            raise EmbeddingsError(reason, fault, _pause(response.headers))
        # An answer of 4 MiB takes 50 ms to read.
        return await asyncio.to_thread(read_answer, raw, len(texts))

    async def _ask(self, body: bytes) -> tuple[Response, bytes]:
        # The same question has the same answer, so that it may be asked again.
        response = await self._client.request(
            self._peer(), b"POST", self._headers(), body, timeout=self.timeout, is_repeatable=True
        )
        return response, await response.read(MAX_ANSWER_BYTES, timeout=self.timeout)

    def _peer(self) -> Peer:
        settings = self._settings
        try:
            peer = Peer(Url.parse(settings.endpoint), settings.network, TrustSetting(ca_bundle=settings.ca_bundle))
        except InvalidUrl as error:
            raise EmbeddingsError(str(error)) from None
        if peer.url.scheme != "https" and not settings.insecure_allow_http:
            raise EmbeddingsError("its URL begins with http://; use https://, or allow it with insecureAllowHttp")
        return peer

    def _headers(self) -> tuple[tuple[bytes, bytes], ...]:
        headers = {b"accept": b"application/json", b"content-type": b"application/json"}
        headers |= {name.lower().encode("ascii"): value.encode() for name, value in self._settings.headers.items()}
        if self._api_key is not None:
            headers[b"authorization"] = b"Bearer " + self._api_key.reveal()
        return tuple(headers.items())


def _pause(headers: ResponseHeaders) -> float:
    """`Retry-After` in seconds; 0 where it is not a number of them."""
    written = (headers.get(b"retry-after") or b"").strip()
    return float(min(int(written[:6]), _LONGEST_PAUSE)) if written.isdigit() else 0.0
