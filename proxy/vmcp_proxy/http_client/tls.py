"""TLS contexts, one per trust setting, and what TLS errors mean."""

import asyncio
import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from vmcp_api.certificates import to_ascii
from vmcp_proxy.http_client.errors import TlsFailed
from vmcp_proxy.http_client.peer import TrustSetting

_MAX_CONTEXTS: Final = 128
"""Contexts that are kept; certificates rotate, so settings come and go for as long as the process runs."""


class TlsContexts:
    """Builds a context on first use, off the event loop, and keeps it (20 ms each: ADR-0012)."""

    def __init__(self) -> None:
        self._contexts: OrderedDict[TrustSetting, ssl.SSLContext] = OrderedDict()
        self._building = asyncio.Lock()
        self.built = 0

    async def get(self, trust: TrustSetting) -> ssl.SSLContext:
        """Return the setting's context; TlsFailed when its PEM text is unusable."""
        async with self._building:
            context = self._contexts.get(trust)
            if context is None:
                context = await asyncio.to_thread(build_context, trust)
                self.built += 1
                self._contexts[trust] = context
                if len(self._contexts) > _MAX_CONTEXTS:
                    self._contexts.popitem(last=False)
            else:
                self._contexts.move_to_end(trust)
            return context

    def __repr__(self) -> str:
        return f"<TlsContexts {len(self._contexts)} kept, {self.built} built>"


def build_context(trust: TrustSetting) -> ssl.SSLContext:
    """Build a verifying client context for TLS 1.2 and later, HTTP/1.1 only; blocks for about 20 ms."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if trust.ca_bundle is not None:
        try:
            context.load_verify_locations(cadata=to_ascii(trust.ca_bundle))
        except (ssl.SSLError, ValueError):
            raise TlsFailed("the CA bundle holds no usable PEM certificate") from None
    if trust.client_certificate is not None and trust.client_key is not None:
        _load_client_certificate(context, trust.client_certificate, trust.client_key)
    return context


def _load_client_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        with _as_file(certificate) as certificate_path, _as_file(key) as key_path:
            # The password callback keeps OpenSSL from asking at a terminal.
            context.load_cert_chain(certificate_path, key_path, password=lambda: b"")
    except (ssl.SSLError, ValueError):
        raise TlsFailed("the client certificate and its key are no usable, unencrypted PEM pair") from None


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """Give text a path for as long as OpenSSL needs one; in memory where the system can."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("pem"), "w") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile("w") as file:  # mode 0600
            file.write(text)
            file.flush()
            yield file.name
