"""The layer that finds out who the caller is."""

from collections.abc import Awaitable
from dataclasses import replace
from typing import Final

from vmcp_proxy.auth.incoming.authenticator import Authenticator
from vmcp_proxy.auth.incoming.protected_resource import ProtectedResource, RequestAddress
from vmcp_proxy.auth.incoming.refusal import Refusal
from vmcp_proxy.serve.chain.parsing import find_request
from vmcp_proxy.serve.chain.sources import Network, source_of
from vmcp_proxy.serve.context import Handler, RequestContext, Told
from vmcp_proxy.serve.rejections import unauthorized

NAME: Final = "authentication"


def authentication(
    inner: Handler,
    authenticator: Authenticator,
    audit: Told | None,
    resource: ProtectedResource | None,
    trusted_proxies: tuple[Network, ...] = (),
) -> Handler:
    """Sets the identity, or refuses with a challenge, which names where the `resource` says who gives tokens for it.

    `audit` hears of refusals from here, for the audit layer is inside. Whom nobody can judge now hears so as the answer
    to its request.
    """

    def handle(context: RequestContext) -> Awaitable[None]:
        identity = authenticator.recognise(context.header(b"authorization"), context.same_head)
        if identity is None:
            return judge(context)
        context.identity = identity
        return inner(context)

    async def judge(context: RequestContext) -> None:
        verdict = await authenticator.authenticate(
            context.header(b"authorization"), lambda: source_of(context.scope, trusted_proxies) or ""
        )
        if isinstance(verdict, Refusal):
            rejection = unauthorized(_complete(verdict, context, resource))
            try:
                if rejection.is_answer:
                    await find_request(context)
                await context.reject(NAME, rejection)
            finally:
                if audit is not None:
                    audit(context)
            return
        context.identity = verdict
        await inner(context)

    return handle


def _complete(refusal: Refusal, context: RequestContext, resource: ProtectedResource | None) -> Refusal:
    if resource is None:
        return refusal
    address = RequestAddress(context.header(b"host"), context.header(b"x-forwarded-proto"))
    return replace(refusal, resource_metadata=resource.metadata_url(address))
