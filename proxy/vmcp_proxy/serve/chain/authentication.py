"""The layer that finds out who the caller is."""

from typing import Final

from vmcp_proxy.auth.incoming import Authenticator, Refusal
from vmcp_proxy.serve.chain.auditing import Auditor
from vmcp_proxy.serve.context import Handler, RequestContext

NAME: Final = "authentication"


def authentication(inner: Handler, authenticator: Authenticator, auditor: Auditor | None) -> Handler:
    """Sets the identity, or refuses; refusals go to the auditor from here, for the audit layer is inside."""

    async def handle(context: RequestContext) -> None:
        verdict = await authenticator.authenticate(context.header(b"authorization"))
        if isinstance(verdict, Refusal):
            await context.reject(NAME, verdict.status, verdict.code, verdict.message, headers=verdict.headers)
            if auditor is not None:
                auditor.record(context)
            return
        context.identity = verdict
        await inner(context)

    return handle
