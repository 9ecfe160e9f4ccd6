"""Why two sides cannot agree on TLS, in plain words: the same ones whoever they are."""

import ssl
from collections.abc import Iterator
from typing import Final

_ADD: Final = "add it to the CA bundle for it, or to the PEM file that SSL_CERT_FILE names"
_X509_REASONS: Final = {
    9: "the certificate is not valid yet; check the clocks of both sides",
    10: "the certificate has expired",
    18: f"the certificate is self-signed; {_ADD}",
    19: f"the certificate's CA is unknown; {_ADD}",
    20: f"the certificate's CA is unknown; {_ADD}",
    21: f"the certificate's CA is unknown; {_ADD}",
    62: "the certificate is for another host name",
    64: "the certificate is not for this IP address",
}
"""X509_V_ERR_* numbers (OpenSSL x509_vfy.h) that users meet."""

HANDSHAKE_REFUSED: Final = (
    "the peer ended the handshake; it may ask for a client certificate, or for another version of TLS"
)

NO_TLS: Final = "the peer does not speak TLS on this port; name its TLS port, or turn TLS off where that is allowed"

WANTS_TLS: Final = "the peer speaks TLS on this port; turn TLS on for it (https:// in a URL), or name another port"

HANGS_UP: Final = "the peer hangs up; if it speaks TLS on this port, turn TLS on for it"
"""What many a TLS server does to plaintext."""

_ALERT: Final = b"\x15\x03"
"""How a record of the alert protocol begins, whatever the version (RFC 8446 section 5.1)."""

_PLAIN_ON_TLS: Final = (
    b"sent an HTTP request to an HTTPS server",  # Go
    b"plain HTTP request was sent to HTTPS port",  # nginx
    b"speaking plain HTTP to an SSL-enabled server port",  # Apache
)
_LOOKED_INTO: Final = 1024


def explain_tls_error(error: ssl.SSLError) -> str:
    """Say in plain words why TLS failed, with the remedy where there is one."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _X509_REASONS.get(error.verify_code, f"the certificate is not trusted: {error.verify_message}")
    reason = (error.reason or "handshake failed").lower().replace("_", " ")
    if "wrong version number" in reason or "http request" in reason or "record layer failure" in reason:
        return NO_TLS
    if "certificate required" in reason:
        return "the peer asks for a client certificate"
    if "alert handshake failure" in reason:
        return HANDSHAKE_REFUSED
    return reason


def wants_tls(answer: bytes) -> bool:
    """Whether what came first on a connection in plaintext is how a TLS server takes that: an alert, or HTTP 400."""
    if answer[9:12] != b"400":
        return answer.startswith(_ALERT)
    head = answer[:_LOOKED_INTO]
    return any(text in head for text in _PLAIN_ON_TLS)


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it came of, for libraries wrap what TLS says."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
