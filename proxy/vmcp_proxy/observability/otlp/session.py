"""Requests to one collector, within bounds whatever it answers."""

import io
import ssl
import time
from collections.abc import Mapping
from http.client import BadStatusLine
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NameResolutionError

from vmcp_api.certificates import to_ascii
from vmcp_proxy.observability.otlp.connection import OtlpConnection
from vmcp_proxy.protocol.tls_trouble import HANGS_UP, WANTS_TLS, chain_of, explain_tls_error, wants_tls

MOST_BYTES: Final = 64 * 1024
"""What is read of an answer: one that says more says nothing that is of use."""

_REDIRECTS: Final = range(300, 400)
_FAILURES: Final = range(300, 600)
_SPOKEN: Final = frozenset({"", "application/x-protobuf", "application/protobuf", "application/json"})
"""Content types of a collector's answers; one that names none may be read all the same."""


class _WantsTlsError(requests.RequestException):
    """A TLS server has been spoken to in plaintext: what it says is no word on what was sent."""


class _NoCollectorError(requests.RequestException):
    """A success of something else, such as the start page of a web server: nothing was taken."""


_CAUSES: Final[Mapping[type[Exception], str]] = {
    NameResolutionError: "its name cannot be resolved",
    ConnectionRefusedError: "it refuses connections",
}
"""What libraries wrap into a failed connection: the first that is found tells more."""

_WORDS: Final[Mapping[type[Exception], str]] = {
    _WantsTlsError: WANTS_TLS,
    _NoCollectorError: "its answer is not one of a collector; check the URL",
    requests.exceptions.ConnectTimeout: "it cannot be reached in time",
    requests.exceptions.ReadTimeout: "it does not answer in time",
    requests.exceptions.SSLError: "TLS failed; its certificate may be of a CA that is not known here",
    requests.exceptions.TooManyRedirects: "it redirects; write the URL that it redirects to",
    requests.exceptions.ConnectionError: "it cannot be reached",
}
"""The first class that fits counts. Errors quote URLs and what the collector said: their texts are not for logs."""


class OtlpSession(requests.Session):
    """Sends the headers of the connection with every request; neither proxies nor files of the environment count.

    `problem` says in words fit for logs what is wrong with the last request, empty where nothing is; `answer` is what
    the collector said to it.
    """

    def __init__(self, connection: OtlpConnection) -> None:
        super().__init__()
        self.problem = ""
        self.answer = b""
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers.update({"Accept-Encoding": "identity", **connection.headers})
        self.mount("https://", _Adapter(_context(connection.ca_bundle)))
        self.mount("http://", _Adapter(None))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere, whatever the caller says of redirects: another host must not get our headers and records."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """See `requests.Session.send`; a redirect is an error, as nothing has arrived."""
        self.answer = b""
        try:
            response = super().send(request, **kwargs)
            if response.status_code in _REDIRECTS:
                raise requests.exceptions.TooManyRedirects
            if wants_tls(b"HTTP/1.1 %d " % response.status_code + response.content):
                raise _WantsTlsError
            if response.ok and response.content and _content_type(response) not in _SPOKEN:
                raise _NoCollectorError
        except requests.RequestException as error:
            self.problem = _explain(error)
            raise
        self.answer = response.content
        self.problem = f"it answers {response.status_code}" if response.status_code in _FAILURES else ""
        return response


def _explain(error: requests.RequestException) -> str:
    is_plain = error.request is not None and str(error.request.url).startswith("http://")
    for cause in chain_of(error):
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {explain_tls_error(cause)}"
        if isinstance(cause, BadStatusLine) and wants_tls(str(cause).encode("latin-1", "replace")):
            return WANTS_TLS
        if is_plain and isinstance(cause, ConnectionResetError):
            return HANGS_UP
        if words := next((words for kind, words in _CAUSES.items() if isinstance(cause, kind)), ""):
            return words
    return next((words for kind, words in _WORDS.items() if isinstance(error, kind)), "it failed")


def _content_type(response: requests.Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class _Adapter(HTTPAdapter):
    """The connections to one collector, with a TLS context of ours and answers of bounded size."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context: Final = context
        super().__init__(pool_connections=1, pool_maxsize=1)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """See `HTTPAdapter`: the place for a context of one's own."""
        host, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {} if self._context is None else {"cert_reqs": "CERT_REQUIRED", "ssl_context": self._context}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing: the context verifies, and by the system's roots instead of those of a package."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """See `HTTPAdapter.send`; the body is read here, as much as is of use and within the same time again."""
        began = time.monotonic()
        response = super().send(request, *args, **{**kwargs, "stream": True})
        timeout = kwargs.get("timeout")
        deadline = began + timeout if isinstance(timeout, int | float) else None
        response.raw = io.BytesIO(_read(response.raw, deadline))
        return response


def _read(raw: Any, deadline: float | None) -> bytes:
    chunks: list[bytes] = []
    left = MOST_BYTES
    try:
        while left > 0 and (deadline is None or time.monotonic() < deadline):
            chunk = raw.read1(left, decode_content=False)
            if not chunk:
                raw.release_conn()
                return b"".join(chunks)
            chunks.append(chunk)
            left -= len(chunk)
    except (HTTPError, OSError):
        # The status has been said already, and that is what counts.
        pass
    raw.close()
    return b"".join(chunks)


def _context(ca_bundle: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_bundle is not None:
        context.load_verify_locations(cadata=to_ascii(ca_bundle))
    return context
