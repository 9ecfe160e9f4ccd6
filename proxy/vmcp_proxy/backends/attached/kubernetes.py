"""The attachment as the Kubernetes API server carries it: a WebSocket whose frames begin with the number of a stream.

Subprotocols `v5.channel.k8s.io` and `v4.channel.k8s.io` (k8s.io/apimachinery, `util/remotecommand`). The token is read
again for each connection, for the kubelet replaces it.
"""

import asyncio
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from vmcp_api.config import Network
from vmcp_proxy.backends.attached.pipe import Pipe
from vmcp_proxy.backends.attached.stream import AttachError
from vmcp_proxy.backends.refusals.words import printable
from vmcp_proxy.http_client import HttpClient, HttpError, Peer, TrustSetting, Url

_SUBPROTOCOLS: Final = (Subprotocol("v5.channel.k8s.io"), Subprotocol("v4.channel.k8s.io"))
_STDIN: Final = 0
_STDOUT: Final = 1
_STDERR: Final = 2
_STATUS: Final = 3

_FRAME_BYTES: Final = 32 << 10
"""Of one frame to the process; the API server passes each on as a whole."""
_MOST_FRAME_BYTES: Final = 4 << 20
_MOST_ANSWER_BYTES: Final = 1 << 20
_PING_SECONDS: Final = 20.0
_PONG_SECONDS: Final = 60.0
"""The API server answers no ping while a process does not read what it is sent."""
_CLOSE_SECONDS: Final = 2.0
_REQUEST_SECONDS: Final = 10.0
_WORDS: Final = 200
"""Characters of what the API server says that are shown."""
_NOT_FOUND: Final = 404
_OK: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class KubernetesPod:
    """A container of a pod, by the API server and with the token in `credentials`, a ServiceAccount's folder."""

    api_server: str
    credentials: Path
    namespace: str
    pod: str
    container: str
    network: Network = Network.CLUSTER

    async def attach(self, seconds: float) -> "Attachment":
        """See `Pod.attach`."""
        query = urlencode({"container": self.container, "stdin": 1, "stdout": 1, "stderr": 1, "tty": 0})
        url = f"{self._url.replace('http', 'ws', 1)}/attach?{query}"
        try:
            connection = await connect(
                url,
                subprotocols=_SUBPROTOCOLS,
                additional_headers={"Authorization": f"Bearer {self._token()}"},
                ssl=self._tls() if url.startswith("wss:") else None,
                user_agent_header="vmcp-bridge",
                compression=None,
                proxy=None,
                open_timeout=seconds,
                ping_interval=_PING_SECONDS,
                ping_timeout=_PONG_SECONDS,
                close_timeout=_CLOSE_SECONDS,
                max_size=_MOST_FRAME_BYTES,
                max_queue=16,
            )
        except InvalidStatus as error:
            raise AttachError(_refusal(error.response.status_code, bytes(error.response.body or b""))) from None
        except (InvalidHandshake, OSError) as error:
            raise AttachError(f"the API server cannot be reached: {type(error).__name__}") from error
        return Attachment(connection)

    async def replace(self) -> str:
        """See `Pod.replace`: the pod is deleted, and its StatefulSet makes another."""
        headers = ((b"authorization", f"Bearer {self._token()}".encode()), (b"accept", b"application/json"))
        peer = Peer(Url.parse(self._url), self.network, TrustSetting(ca_bundle=self._ca()))
        client = HttpClient()
        try:
            answer = await client.request(peer, b"DELETE", headers, timeout=_REQUEST_SECONDS)
            body = await answer.read(_MOST_ANSWER_BYTES, timeout=_REQUEST_SECONDS)
        except HttpError as error:
            return f"the API server cannot be reached: {type(error).__name__}"
        finally:
            await client.aclose()
        if answer.status in _OK or answer.status == _NOT_FOUND:
            return ""
        return _refusal(answer.status, body)

    @property
    def _url(self) -> str:
        return f"{self.api_server}/api/v1/namespaces/{quote(self.namespace)}/pods/{quote(self.pod)}"

    def _token(self) -> str:
        return self._read("token").strip()

    def _ca(self) -> str | None:
        return self._read("ca.crt") if self.api_server.startswith("https:") else None

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self._ca())
        # Python 3.13 asks for extensions that certificate authorities of older clusters lack.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    def _read(self, name: str) -> str:
        try:
            return (self.credentials / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise AttachError(f"{name} of the ServiceAccount cannot be read: {type(error).__name__}") from None


class Attachment:
    """See `Stream`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.stdout = Pipe()
        self.stderr = Pipe()
        self.verdict = ""

    async def run(self) -> None:
        """See `Stream.run`."""
        try:
            async for message in self._connection:
                if isinstance(message, bytes) and message:
                    await self._sort(message[0], message[1:])
        except ConnectionClosed:
            pass
        finally:
            self.stdout.end()
            self.stderr.end()

    async def write(self, data: bytes) -> None:
        """See `Stream.write`."""
        try:
            for start in range(0, len(data), _FRAME_BYTES):
                await self._connection.send(bytes((_STDIN,)) + data[start : start + _FRAME_BYTES])
        except ConnectionClosed as error:
            raise ConnectionResetError("the attachment has ended") from error

    async def aclose(self) -> None:
        """See `Stream.aclose`."""
        await asyncio.shield(self._connection.close())

    async def _sort(self, number: int, data: bytes) -> None:
        if number == _STDOUT:
            await self.stdout.feed(data)
        elif number == _STDERR:
            await self.stderr.feed(data)
        elif number == _STATUS:
            self.verdict = _message_of(data)


def _refusal(status: int, body: bytes) -> str:
    said = _message_of(body)
    return f"the API server answers {status}" + (f": {said}" if said else "")


def _message_of(body: bytes) -> str:
    """The message of a `Status` of the API server's, or a plain text; empty where neither says what went wrong."""
    try:
        status = json.loads(body)
    except (ValueError, RecursionError):
        return printable(body[: 4 * _WORDS].decode("utf-8", "replace"), _WORDS)
    message = status.get("message") if isinstance(status, dict) else None
    return printable(message, _WORDS) if isinstance(message, str) else ""
