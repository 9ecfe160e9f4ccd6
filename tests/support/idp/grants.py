"""What the token endpoint gives for each grant (RFC 6749, 7523, 8693, and the draft of identity assertions)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt

if TYPE_CHECKING:
    from tests.support.idp.provider import Idp
    from tests.support.idp.requests import TokenRequest

TOKEN_TYPE = "urn:ietf:params:oauth:token-type:"
ID_JAG = f"{TOKEN_TYPE}id-jag"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
IDENTITY_ASSERTIONS = (f"{TOKEN_TYPE}id_token", f"{TOKEN_TYPE}saml2")
ID_JAG_TYP = "oauth-id-jag+jwt"


class Denied(Exception):  # noqa: N818 - an answer, not a fault of the test
    """An error of the token endpoint."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


def granted(idp: Idp, request: TokenRequest) -> dict[str, Any]:
    """The successful answer.

    Raises:
        Denied: the grant is none of these, or what it rests on is no good here.
    """
    match request.form.get("grant_type"):
        case "client_credentials":
            return _access(idp, request, request.client.id)
        case grant if grant == TOKEN_EXCHANGE:
            return _exchanged(idp, request)
        case grant if grant == JWT_BEARER:
            return _access(idp, request, _asserted(idp, request.form.get("assertion", "")))
        case _:
            raise Denied("unsupported_grant_type", "no such grant")


def _access(idp: Idp, request: TokenRequest, subject: str) -> dict[str, Any]:
    """An access token for a subject; what was asked for stands in its claims."""
    form = request.form
    token = idp.opaque(
        subject,
        aud=form.get("audience") or form.get("resource") or None,
        scope=form.get("scope"),
        client_id=request.client.id,
        lifetime=300 if idp.expires_in is None else idp.expires_in,
    )
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": idp.expires_in,
        "scope": form.get("scope"),
    }


def _exchanged(idp: Idp, request: TokenRequest) -> dict[str, Any]:
    """RFC 8693: a token of somebody for another of the same."""
    form = request.form
    if not form.get("subject_token_type", "").startswith(TOKEN_TYPE):
        raise Denied("invalid_request", "subject_token_type is missing or no token type")
    claims = idp.known.get(form.get("subject_token", ""))
    if claims is None:
        raise Denied("invalid_grant", "the subject token is not known here")
    if form.get("requested_token_type") != ID_JAG:
        return {**_access(idp, request, claims["sub"]), "issued_token_type": f"{TOKEN_TYPE}access_token"}
    if not form.get("audience"):
        raise Denied("invalid_request", "an identity assertion needs an audience")
    if form["subject_token_type"] not in IDENTITY_ASSERTIONS:
        raise Denied("invalid_request", "an access token says for whom a client acts, not who somebody is")
    assertion = idp.claims(
        claims["sub"],
        aud=form["audience"],
        client_id=request.client.id,
        resource=form.get("resource"),
        scope=form.get("scope"),
    )
    # The assertion is for another server: nobody may come in with it here, so it is not among the known.
    return {
        "access_token": idp.keys[0].sign(assertion, typ=ID_JAG_TYP),
        "issued_token_type": ID_JAG,
        "token_type": "N_A",
        "expires_in": idp.expires_in,
    }


def _asserted(idp: Idp, assertion: str) -> str:
    """RFC 7523: the subject of an assertion by a provider that is trusted."""
    for trusted in idp.trusts:
        for key in trusted.keys:
            try:
                claims = jwt.decode(
                    assertion, key.private.public_key(), [key.alg], audience=idp.issuer, issuer=trusted.issuer
                )
            except jwt.PyJWTError:
                continue
            return str(claims["sub"])
    raise Denied("invalid_grant", "the assertion is of nobody who is trusted, or for somebody else")
