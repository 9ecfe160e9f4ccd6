"""Examples on both sides of the rules on identity providers and credentials."""

from typing import Any

from tests.api.rulecase import RuleCase

SECRET = {"name": "s", "key": "k"}
TOKEN_URL = "https://idp.example.com/token"
CLIENT = {"tokenUrl": TOKEN_URL, "clientId": "proxy", "clientSecretRef": SECRET}
EXCHANGE = {"tokenUrl": TOKEN_URL, "audience": "files"}
STRATEGIES: dict[str, dict[str, Any]] = {
    "headerInjection": {"headerName": "X-Key", "valueSecretRef": SECRET},
    "bearerToken": {"tokenSecretRef": SECRET},
    "clientCredentials": CLIENT,
    "tokenExchange": EXCHANGE,
    "identityAssertion": {**CLIENT, "audience": "https://as.example.com", "idp": CLIENT},
    "relay": {"headers": ["Authorization"]},
}
"""Settings of every strategy, whole."""

_PLAIN = "http://idp.example.com/token"
_LOOPBACK = "http://localhost:8080/token"


def strategy(kind: str, **changed: Any) -> dict[str, Any]:
    """The spec of a strategy with some of its settings replaced."""
    return {"type": kind, kind: {**STRATEGIES[kind], **changed}}


def _oidc(**part: Any) -> dict[str, Any]:
    return {"inline": {"issuer": "https://idp.example.com", **part}}


def _relay(*headers: str) -> dict[str, Any]:
    return strategy("relay", headers=list(headers))


def _case(path: str, words: str, rejected: dict[str, Any], accepted: dict[str, Any]) -> RuleCase:
    return RuleCase("MCPExternalAuthConfig", f"spec.{path}", words, rejected, accepted)


def _front(path: str, words: str, rejected: dict[str, Any], accepted: dict[str, Any]) -> RuleCase:
    return RuleCase("VirtualMCPServer", f"spec.{path}", words, rejected, accepted)


def _incoming(**part: Any) -> dict[str, Any]:
    return {"incomingAuth": {"type": "anonymous", **part}}


def _backend(**said: Any) -> dict[str, Any]:
    return {"outgoingAuth": {"backends": {"a": said}}}


_OIDC_REF = {"name": "idp", "audience": "vmcp"}
_INLINE = {"inline": {"policies": ["permit(principal, action, resource);"]}}
_MAP = {"configMap": {"name": "policies"}}

_INCOMING_CASES = (
    _front(
        "incomingAuth.oidcConfigRef",
        "is required for type oidc",
        _incoming(type="oidc"),
        _incoming(type="oidc", oidcConfigRef=_OIDC_REF),
    ),
    _front("incomingAuth.oidcConfigRef", "belongs to type oidc", _incoming(oidcConfigRef=_OIDC_REF), _incoming()),
    _front(
        "incomingAuth.authzConfigRef",
        "stands beside authzConfig",
        _incoming(authzConfig=_INLINE, authzConfigRef={"name": "policies"}),
        _incoming(authzConfigRef={"name": "policies"}),
    ),
    *(
        _front(
            "incomingAuth.authzConfig",
            "write exactly one",
            _incoming(authzConfig=rejected),
            _incoming(authzConfig=accepted),
        )
        for rejected, accepted in (({}, _INLINE), (_INLINE | _MAP, _MAP))
    ),
    *(
        _front(
            "incomingAuth.authzConfig.type",
            "is not where the policies are",
            _incoming(authzConfig={"type": kind, **other}),
            _incoming(authzConfig={"type": kind, **own}),
        )
        for kind, own, other in (("inline", _INLINE, _MAP), ("configMap", _MAP, _INLINE))
    ),
    *(
        _front("passthroughHeaders[1]", "with relay in", {"passthroughHeaders": ["X-A", name]}, {})
        for name in ("authorization", "Cookie")
    ),
)

_OUTGOING_CASES = (
    *(
        _front(
            f"outgoingAuth.backends.a.{kind}",
            f"is required for type {kind}",
            _backend(type=kind),
            _backend(**strategy(kind)),
        )
        for kind in STRATEGIES
    ),
    *(
        _front(
            f"outgoingAuth.backends.a.{kind}",
            f"belongs to type {kind}",
            _backend(type="unauthenticated", **{kind: settings}),
            _backend(type="unauthenticated"),
        )
        for kind, settings in STRATEGIES.items()
    ),
    _front(
        "outgoingAuth.default.externalAuthConfigRef",
        "is required for type externalAuthConfigRef",
        {"outgoingAuth": {"default": {"type": "externalAuthConfigRef"}}},
        {"outgoingAuth": {"default": {"type": "externalAuthConfigRef", "externalAuthConfigRef": {"name": "keys"}}}},
    ),
    _front(
        "outgoingAuth.default.externalAuthConfigRef",
        "belongs to type externalAuthConfigRef",
        {"outgoingAuth": {"default": {"type": "discovered", "externalAuthConfigRef": {"name": "keys"}}}},
        {"outgoingAuth": {"source": "inline", "default": {"type": "discovered"}}},
    ),
)

_KEYS = {"name": "vmcp-front-keys", "key": "1"}
"""A reference to the session keys of an endpoint."""


def _no_keys(kind: str, path: str, rejected: dict[str, Any], accepted: dict[str, Any]) -> RuleCase:
    return RuleCase(kind, f"spec.{path}.name", "session keys of an endpoint", rejected, accepted)


def _syslog(name: str) -> dict[str, Any]:
    server = {"address": "logs:6514", "transport": "tls", "clientCertificateRef": {"name": name}}
    return {"config": {"audit": {"enabled": True, "sink": "syslog", "syslog": server}}}


_KEYS_CASES = (
    *(
        _no_keys(
            "MCPExternalAuthConfig",
            f"{kind}.{field}",
            strategy(kind, **{field: _KEYS}),
            strategy(kind, **{field: {**_KEYS, "name": name}}),
        )
        for kind, field in (
            ("headerInjection", "valueSecretRef"),
            ("bearerToken", "tokenSecretRef"),
            ("clientCredentials", "clientSecretRef"),
        )
        for name in ("vmcp-keys", "vmcp-front-key", "my-vmcp-front-keys")
    ),
    _no_keys(
        "VirtualMCPServer",
        "outgoingAuth.backends.a.bearerToken.tokenSecretRef",
        _backend(**strategy("bearerToken", tokenSecretRef=_KEYS)),
        _backend(**strategy("bearerToken")),
    ),
    _no_keys(
        "VirtualMCPServer",
        "sessionStorage.passwordRef",
        {"sessionStorage": {"provider": "redis", "address": "redis", "passwordRef": _KEYS}},
        {"sessionStorage": {"provider": "redis", "address": "redis", "passwordRef": SECRET}},
    ),
    _no_keys(
        "MCPOIDCConfig",
        "inline.clientSecretRef",
        _oidc(clientId="proxy", clientSecretRef=_KEYS),
        _oidc(clientId="proxy", clientSecretRef=SECRET),
    ),
    _no_keys("MCPServer", "secrets[0]", {"secrets": [_KEYS]}, {"secrets": [SECRET]}),
    _no_keys(
        "MCPServer",
        "headerForward.addHeadersFromSecret[0].valueSecretRef",
        {"headerForward": {"addHeadersFromSecret": [{"headerName": "X-A", "valueSecretRef": _KEYS}]}},
        {},
    ),
    _no_keys(
        "VirtualMCPServer",
        "config.audit.syslog.clientCertificateRef",
        _syslog(_KEYS["name"]),
        _syslog("vmcp-front"),
    ),
    _no_keys(
        "MCPServerEntry",
        "tls.clientCertificateRef",
        {"tls": {"clientCertificateRef": {"name": _KEYS["name"]}}},
        {"tls": {"clientCertificateRef": {"name": "vmcp-front"}}},
    ),
)

AUTH_CASES = (
    *(
        RuleCase(
            "MCPOIDCConfig",
            f"spec.inline.{field}",
            "without TLS",
            _oidc(**{field: _PLAIN, "clientId": "proxy"}),
            _oidc(**accepted, clientId="proxy"),
        )
        for field in ("issuer", "jwksUrl", "introspectionUrl")
        for accepted in (
            {field: _LOOPBACK},
            {field: "http://[::1]/token"},
            {field: "http://127.0.0.1"},
            {field: _PLAIN, "insecureAllowHTTP": True},
        )
    ),
    *(
        RuleCase("MCPOIDCConfig", "spec.inline.issuer", "without TLS", _oidc(issuer=url), _oidc())
        for url in ("http://localhost.example.com", "http://127.0.0.1.example.com/x", "http://localhostx:80")
    ),
    RuleCase(
        "MCPOIDCConfig",
        "spec.inline.clientId",
        "is required beside clientSecretRef",
        _oidc(clientSecretRef=SECRET),
        _oidc(clientSecretRef=SECRET, clientId="proxy"),
    ),
    RuleCase(
        "MCPOIDCConfig",
        "spec.inline.clientId",
        "is required beside introspectionUrl",
        _oidc(introspectionUrl=TOKEN_URL),
        _oidc(introspectionUrl=TOKEN_URL, clientId="proxy"),
    ),
    RuleCase(
        "MCPOIDCConfig",
        "spec.inline.issuer",
        "where a document of the issuer is; write what that document says",
        _oidc(issuer="https://idp.example.com/realms/a/.well-known/openid-configuration"),
        _oidc(issuer="https://idp.example.com/realms/a"),
    ),
    *(_case(kind, f"is required for type {kind}", {"type": kind}, strategy(kind)) for kind in STRATEGIES),
    *(
        _case(kind, f"belongs to type {kind}", {**strategy(other), kind: STRATEGIES[kind]}, strategy(other))
        for kind, other in zip(STRATEGIES, ("relay", "relay", "relay", "relay", "relay", "tokenExchange"), strict=True)
    ),
    _case(
        "relay",
        "stands beside no other",
        {"type": "unauthenticated", **_relay("X-A")}
        | {"type": "bearerToken", "bearerToken": STRATEGIES["bearerToken"]},
        {"type": "unauthenticated"},
    ),
    *(
        _case(f"{kind}.tokenUrl", "without TLS", strategy(kind, tokenUrl=_PLAIN), strategy(kind, **accepted))
        for kind in ("clientCredentials", "tokenExchange", "identityAssertion")
        for accepted in ({"tokenUrl": _LOOPBACK}, {"tokenUrl": _PLAIN, "insecureAllowHTTP": True})
    ),
    _case(
        "identityAssertion.idp.tokenUrl",
        "without TLS",
        strategy("identityAssertion", idp={**CLIENT, "tokenUrl": _PLAIN}),
        strategy("identityAssertion", idp={**CLIENT, "tokenUrl": _LOOPBACK}),
    ),
    _case(
        "tokenExchange.clientId",
        "is required beside clientSecretRef",
        strategy("tokenExchange", clientSecretRef=SECRET),
        strategy("tokenExchange", clientSecretRef=SECRET, clientId="proxy"),
    ),
    _case(
        "tokenExchange.audience",
        "write audience or resource",
        {"type": "tokenExchange", "tokenExchange": {"tokenUrl": TOKEN_URL}},
        {"type": "tokenExchange", "tokenExchange": {"tokenUrl": TOKEN_URL, "resource": "https://files.example.com"}},
    ),
    *(
        _case(
            f"{kind}.{field}", "belongs to", strategy(kind, **{field: name}), strategy(kind, **{field: "authorization"})
        )
        for kind, field in (("tokenExchange", "externalTokenHeaderName"), ("headerInjection", "headerName"))
        for name in ("Host", "mcp-session-id", "CONTENT-LENGTH")
    ),
    *(
        _case("relay.headers[1]", "belongs to", _relay("Cookie", name), _relay("Cookie", "X-Key"))
        for name in ("TE", "Mcp-Name")
    ),
    _case("relay.headers[1]", "listed twice", _relay("Cookie", "cookie"), _relay("Cookie", "Authorization")),
    *_INCOMING_CASES,
    *_OUTGOING_CASES,
    *_KEYS_CASES,
    *(
        _front(
            "outgoingAuth.allowedTokenHosts[1]",
            "is no host",
            {"outgoingAuth": {"allowedTokenHosts": ["a", rejected]}},
            {"outgoingAuth": {"allowedTokenHosts": ["a", accepted]}},
        )
        for rejected, accepted in (
            ("https://idp.example.com/token", "https://idp.example.com"),
            ("user@idp.example.com", "idp.example.com:8443"),
            ("*/", "http://10.0.0.1:8080"),
            ("idp.example.com:port", "[2001:db8::1]:8443"),
        )
    ),
)
