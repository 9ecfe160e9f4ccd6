"""What holds for one member in every mode: its backend, or why it is withheld."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from vmcp_api.certificates import BUNDLE_REMEDY, find_bundle_flaw
from vmcp_api.config import Backend, BackendTls, Withheld
from vmcp_api.headers import find_collisions
from vmcp_api.kinds import MCPServer, MCPServerEntry
from vmcp_api.kinds.foreign.core import ConfigMap
from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.manifests.resolve import Member, check_config_map, check_secret, find_unsendable
from vmcp_api.manifests.resources import Resources
from vmcp_api.render.reasons import Reason
from vmcp_api.spec.headers import HeaderForward
from vmcp_api.spec.references import CERTIFICATE_KEY, PRIVATE_KEY, KeyRef

_MESSAGE_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a member is withheld."""

    reason: Reason
    problem: Problem


Outcome: TypeAlias = Backend | Refusal


def subject_of(member: Member) -> str:
    """``Kind/name`` of a member."""
    return f"{member.kind}/{member.metadata.name}"


def withhold(member: Member, refusal: Refusal) -> tuple[Withheld, Problems]:
    """The entry of a withheld member in the config, and the warning about it."""
    own = subject_of(member)
    problem = replace(refusal.problem, subject=refusal.problem.subject or own)
    place = ": ".join(filter(None, (problem.subject if problem.subject != own else "", problem.path)))
    message = f"{place}: {problem.message}; {problem.remedy}" if place else f"{problem.message}; {problem.remedy}"
    withheld = Withheld(
        name=member.metadata.name,
        kind=member.kind,
        reason=refusal.reason,
        message=message[:_MESSAGE_LIMIT],
    )
    return withheld, Problems.of(problem).as_warnings()


def refuse_collision(member: Member, passthrough: tuple[str, ...]) -> Refusal | None:
    """A member whose static headers name one that clients pass through: neither may silently win."""
    names = find_collisions(passthrough, static_names(member.spec.header_forward))
    if not names:
        return None
    message = f"{', '.join(names)} is both static here and in passthroughHeaders of the VirtualMCPServer"
    remedy = "remove it from one of the two"
    return Refusal(Reason.HEADER_COLLISION, Problem(message, remedy, ("spec", "headerForward")))


def refuse_missing(member: Member, resources: Resources) -> Refusal | None:
    """A member that refers to a ConfigMap or Secret that is known to be missing, or to be of no use."""
    bundle = ca_bundle_ref(member) if isinstance(member, MCPServerEntry) else None
    if bundle and (refusal := refuse_bundle(bundle, resources, ("spec", "caBundleRef", "configMapRef"))):
        return refusal
    for ref, loc in _secret_refs(member):
        if problem := check_secret(resources, ref, loc):
            return Refusal(Reason.SECRET_NOT_FOUND, problem)
    problem = next(_unsendable(member, resources), None)
    return None if problem is None else Refusal(Reason.SECRET_INVALID, problem)


def refuse_bundle(ref: KeyRef, resources: Resources, loc: Loc) -> Refusal | None:
    """CA certificates that are missing or of no use; ``loc`` is the place of the reference."""
    if problem := check_config_map(resources, ref, loc):
        return Refusal(Reason.CA_BUNDLE_NOT_FOUND, problem)
    if flaw := find_bundle_flaw(resources.of(ConfigMap)[ref.name].data[ref.key]):
        message = f"key {ref.key!r} of ConfigMap {ref.name!r} {flaw}"
        return Refusal(Reason.CA_BUNDLE_INVALID, Problem(message, BUNDLE_REMEDY, (*loc, "key")))
    return None


def ca_bundle_ref(entry: MCPServerEntry) -> KeyRef | None:
    """Where an entry's CA certificates are."""
    return entry.spec.ca_bundle_ref.key_ref if entry.spec.ca_bundle_ref else None


def build_tls(entry: MCPServerEntry, resources: Resources) -> BackendTls:
    """TLS of an entry, with the CA certificates copied in; call it once nothing is missing."""
    bundle = ca_bundle_ref(entry)
    certificate = entry.spec.tls.client_certificate_ref
    return BackendTls(
        ca_bundle=resources.of(ConfigMap)[bundle.name].data[bundle.key] if bundle else None,
        client_certificate_ref=KeyRef(name=certificate.name, key=CERTIFICATE_KEY) if certificate else None,
    )


def static_names(forward: HeaderForward) -> tuple[str, ...]:
    """The names of the headers that every request to a member carries."""
    secret = tuple(header.header_name for header in forward.add_headers_from_secret)
    return (*forward.add_plaintext_headers, *secret)


def _unsendable(member: Member, resources: Resources) -> Iterator[Problem]:
    for index, header in enumerate(member.spec.header_forward.add_headers_from_secret):
        loc: Loc = ("spec", "headerForward", "addHeadersFromSecret", index, "valueSecretRef")
        if problem := find_unsendable(resources, header.value_secret_ref, loc):
            yield problem


def _secret_refs(member: Member) -> Iterator[tuple[KeyRef, Loc]]:
    for index, header in enumerate(member.spec.header_forward.add_headers_from_secret):
        loc: Loc = ("spec", "headerForward", "addHeadersFromSecret", index, "valueSecretRef")
        yield header.value_secret_ref, loc
    if isinstance(member, MCPServer):
        for index, secret in enumerate(member.spec.secrets):
            yield secret, ("spec", "secrets", index)
    elif certificate := member.spec.tls.client_certificate_ref:
        loc = ("spec", "tls", "clientCertificateRef")
        yield KeyRef(name=certificate.name, key=CERTIFICATE_KEY), loc
        yield KeyRef(name=certificate.name, key=PRIVATE_KEY), loc
