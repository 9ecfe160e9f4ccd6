"""The layer that finds out who the caller is."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vmcp_proxy.auth.incoming.authenticator import Authenticator
from vmcp_proxy.auth.incoming.refusal import Fault, Refusal
from vmcp_proxy.serve.chain.auditing import Auditor
from vmcp_proxy.serve.chain.header_validation import TRANSPORT_ERROR
from vmcp_proxy.serve.context import Handler, RequestContext

NAME: Final = "authentication"

_STATUS: Final[Mapping[Fault, int]] = MappingProxyType(
    {
        Fault.NO_CREDENTIALS: 401,
        Fault.INVALID_REQUEST: 400,
        Fault.INVALID_TOKEN: 401,
        Fault.INSUFFICIENT_SCOPE: 403,
    }
)
"""The HTTP status of each refusal (RFC 6750 section 3.1)."""


def authentication(inner: Handler, authenticator: Authenticator, auditor: Auditor | None) -> Handler:
    """Sets the identity, or refuses with a challenge.

    Refusals go to the auditor from here, for the audit layer is inside.
    """

    async def handle(context: RequestContext) -> None:
        verdict = await authenticator.authenticate(context.header(b"authorization"))
        if isinstance(verdict, Refusal):
            status = _STATUS[verdict.fault]
            await context.reject(NAME, status, TRANSPORT_ERROR, verdict.message, headers=verdict.headers)
            if auditor is not None:
                auditor.record(context)
            return
        context.identity = verdict
        await inner(context)

    return handle
