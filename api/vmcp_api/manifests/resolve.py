"""The references of one VirtualMCPServer: its group, the members, and what is missing."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from vmcp_api.headers import find_value_flaw, trim_secret
from vmcp_api.kinds import MCPGroup, MCPServer, MCPServerEntry, Resource, VirtualMCPServer
from vmcp_api.kinds.foreign.core import ConfigMap, Secret
from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.manifests.resources import Resources
from vmcp_api.spec.references import CERTIFICATE_KEY, PRIVATE_KEY, KeyRef
from vmcp_api.text.suggest import suggest

Member: TypeAlias = MCPServer | MCPServerEntry

ResourceT = TypeVar("ResourceT", bound=Resource)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A VirtualMCPServer with its group and members, sorted by name; two of one name stand side by side."""

    vmcp: VirtualMCPServer
    group: MCPGroup
    members: tuple[Member, ...]
    warnings: Problems


def resolve(resources: Resources, name: str) -> Resolved | Problems:
    """Follow the references that the whole endpoint needs; those of a member are the member's matter."""
    known = resources.of(VirtualMCPServer)
    vmcp = known.get(name)
    if vmcp is None:
        remedy = suggest(name, known, noun="VirtualMCPServers")
        return Problems.of(Problem(f"VirtualMCPServer {name!r} does not exist", remedy))
    subject = f"VirtualMCPServer/{name}"
    group = follow(resources, MCPGroup, vmcp.spec.group_ref.name, ("spec", "groupRef", "name"))
    if isinstance(group, Problem):
        return Problems.of(group).about(subject)
    problems = Problems((*_storage_problems(vmcp, resources), *_audit_problems(vmcp, resources)))
    if problems:
        return problems.about(subject)
    members = find_members(resources, group.metadata.name)
    warnings = Problems(tuple(_workload_warnings(vmcp, {member.metadata.name for member in members})))
    return Resolved(vmcp, group, members, warnings.as_warnings().about(subject))


def find_members(resources: Resources, group: str) -> tuple[Member, ...]:
    """The MCPServers and entries that point to a group, by name, servers before entries."""
    everyone: list[Member] = [*resources.of(MCPServer).values(), *resources.of(MCPServerEntry).values()]
    own = [member for member in everyone if member.spec.group_ref and member.spec.group_ref.name == group]
    return tuple(sorted(own, key=lambda member: member.metadata.name))


def follow(resources: Resources, kind: type[ResourceT], name: str, loc: Loc) -> ResourceT | Problem:
    """An object of ours that is referred to; one that is there and does not validate is not told to be missing."""
    known = resources.of(kind)
    if name in known:
        return known[name]
    if flaws := resources.invalid.get((kind.__name__, name)):
        first = next(iter(flaws.about(f"{kind.__name__}/{name}")))
        return Problem(f"{kind.__name__} {name!r} is not valid: {first}", "correct it there", loc)
    return _missing(loc, kind.__name__, name, _known(resources, known))


def check_config_map(resources: Resources, ref: KeyRef, loc: Loc) -> Problem | None:
    """What is missing of a ConfigMap key that is referred to."""
    return _check_key(resources, resources.of(ConfigMap), ref, loc, "ConfigMap")


def check_secret(resources: Resources, ref: KeyRef, loc: Loc) -> Problem | None:
    """What is missing of a Secret key that is referred to; nothing where Secrets may not be read."""
    return _check_key(resources, resources.of(Secret), ref, loc, "Secret") if resources.reads_secrets else None


def check_credential(resources: Resources, ref: KeyRef, loc: Loc) -> Problem | None:
    """As ``check_secret``, and what is empty lets in nowhere."""
    return check_secret(resources, ref, loc) or find_empty(resources, ref, loc)


def find_empty(resources: Resources, ref: KeyRef, loc: Loc) -> Problem | None:
    """A key of a Secret that is there and holds nothing; the line break at a file's end is no part of a value."""
    holder = resources.of(Secret).get(ref.name)
    value = holder.data.get(ref.key) if holder else None
    if value is None or trim_secret(value.reveal()):
        return None
    return Problem(f"key {ref.key!r} of Secret {ref.name!r} is empty", "write the secret into it", (*loc, "key"))


def find_unsendable(resources: Resources, ref: KeyRef, loc: Loc) -> Problem | None:
    """A key of a Secret that is there and whose value no header can have."""
    holder = resources.of(Secret).get(ref.name)
    value = holder.data.get(ref.key) if holder else None
    flaw = None if value is None else find_value_flaw(trim_secret(value.reveal()))
    if flaw is None:
        return None
    message, _, remedy = flaw.partition("; ")
    return Problem(f"key {ref.key!r} of Secret {ref.name!r} {message}", remedy, (*loc, "key"))


def _check_key(
    resources: Resources, holders: Mapping[str, ConfigMap] | Mapping[str, Secret], ref: KeyRef, loc: Loc, kind: str
) -> Problem | None:
    holder = holders.get(ref.name)
    if holder is None:
        return _missing((*loc, "name"), kind, ref.name, _known(resources, holders))
    if ref.key not in holder.data:
        remedy = suggest(ref.key, holder.data, noun="keys in it")
        return Problem(f"{kind} {ref.name!r} has no key {ref.key!r}", remedy, (*loc, "key"))
    return None


def _known(resources: Resources, names: Collection[str]) -> Collection[str] | None:
    """The names that there are; None where there may be others."""
    return names if resources.is_whole else None


def _missing(loc: Loc, kind: str, name: str, known: Collection[str] | None) -> Problem:
    hint = "" if known is None else f" ({suggest(name, known, noun=f'{kind}s')})"
    remedy = f"create it, or name another{hint}"
    return Problem(f"{kind} {name!r} does not exist in this namespace", remedy, loc, is_missing=True)


def _storage_problems(vmcp: VirtualMCPServer, resources: Resources) -> Iterator[Problem]:
    storage = vmcp.spec.session_storage
    loc = ("spec", "sessionStorage")
    found = []
    if storage.password_ref:
        found.append(check_credential(resources, storage.password_ref, (*loc, "passwordRef")))
    if storage.sentinel_password_ref:
        found.append(check_credential(resources, storage.sentinel_password_ref, (*loc, "sentinelPasswordRef")))
    if storage.tls.ca_bundle_ref:
        found.append(check_config_map(resources, storage.tls.ca_bundle_ref, (*loc, "tls", "caBundleRef")))
    yield from (problem for problem in found if problem)


def _audit_problems(vmcp: VirtualMCPServer, resources: Resources) -> Iterator[Problem]:
    audit = vmcp.spec.config.audit
    loc = ("spec", "config", "audit")
    places: list[tuple[KeyRef, Loc]] = []
    if audit.otlp:
        headers = enumerate(audit.otlp.sensitive_headers)
        places += [
            (each.secret_key_ref, (*loc, "otlp", "sensitiveHeaders", index, "secretKeyRef")) for index, each in headers
        ]
    if audit.syslog and (certificate := audit.syslog.client_certificate_ref):
        keys = (CERTIFICATE_KEY, PRIVATE_KEY)
        places += [(KeyRef(name=certificate.name, key=key), (*loc, "syslog", "clientCertificateRef")) for key in keys]
    yield from (problem for ref, place in places if (problem := check_credential(resources, ref, place)))


def _workload_warnings(vmcp: VirtualMCPServer, known: Collection[str]) -> Iterator[Problem]:
    """Settings for backends that the group does not have."""
    aggregation = vmcp.spec.config.aggregation
    places: list[tuple[Loc, str]] = [
        (("aggregation", "tools", index, "workload"), tools.workload) for index, tools in enumerate(aggregation.tools)
    ]
    places += [
        (("aggregation", "conflictResolutionConfig", "priorityOrder", index), name)
        for index, name in enumerate(aggregation.conflict_resolution_config.priority_order)
    ]
    places += [
        (("operational", "timeouts", "perWorkload", name), name)
        for name in vmcp.spec.config.operational.timeouts.per_workload
    ]
    own = [(("spec", "outgoingAuth", "backends", name), name) for name in vmcp.spec.outgoing_auth.backends]
    for loc, name in (*((("spec", "config", *loc), name) for loc, name in places), *own):
        if name not in known:
            remedy = suggest(name, known, noun="backends")
            yield Problem(f"the group has no backend {name!r}", remedy, loc)
