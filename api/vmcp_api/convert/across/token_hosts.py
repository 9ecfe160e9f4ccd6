"""Hosts that shared strategies send tokens of callers to: an endpoint here has to name them, ToolHive's has not."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from vmcp_api.base import Json
from vmcp_api.convert.across.manifests import at, namespace_of
from vmcp_api.convert.report import Converted, Fate, Field
from vmcp_api.render.token_hosts import find_host

_LIST: Final = ("spec", "outgoingAuth", "allowedTokenHosts")
_WHY: Final = "names where strategies that others wrote may send tokens of callers; in ToolHive they may everywhere"


def allow_token_hosts(objects: Iterable[Converted]) -> Iterator[Converted]:
    """The objects, with the hosts of the token exchanges that reach each endpoint whose callers come with tokens.

    Endpoints that were not converted stay as they are.
    """
    everything = tuple(objects)
    results = [result for each in everything for result in each.results]
    for each in everything:
        first = each.results[0] if each.results else {}
        is_converted = any(field.fate is not Fate.KEPT for field in each.fields)
        hosts = sorted(_hosts_of(first, results)) if is_converted and _wants(first) else []
        if not hosts:
            yield each
            continue
        spec: Any = first["spec"]
        outgoing = {**(spec.get("outgoingAuth") or {}), "allowedTokenHosts": hosts}
        changed = {**first, "spec": {**spec, "outgoingAuth": outgoing}}
        added = Field(Fate.CHANGED, None, _LIST, _WHY)
        yield replace(each, results=(changed, *each.results[1:]), fields=(*each.fields, added))


def _wants(manifest: Mapping[str, Json]) -> bool:
    is_endpoint = manifest.get("kind") == "VirtualMCPServer"
    return is_endpoint and at(manifest, "spec", "incomingAuth", "type") == "oidc" and at(manifest, *_LIST) is None


def _hosts_of(vmcp: Mapping[str, Json], results: Iterable[Mapping[str, Json]]) -> set[str]:
    near = [each for each in results if namespace_of(each) == namespace_of(vmcp)]
    group = at(vmcp, "spec", "groupRef", "name")
    members = [each for each in near if at(each, "spec", "groupRef", "name") == group]
    outgoing: Any = at(vmcp, "spec", "outgoingAuth") or {}
    said = [outgoing.get("default"), *(outgoing.get("backends") or {}).values()]
    # What was not converted may be anything.
    refs = [at(each, "spec", "externalAuthConfigRef", "name") for each in members]
    refs += [at(each, "externalAuthConfigRef", "name") for each in said if each]
    urls = (
        at(each, "spec", "tokenExchange", "tokenUrl")
        for each in near
        if each.get("kind") == "MCPExternalAuthConfig" and at(each, "metadata", "name") in refs
    )
    return {host for url in urls if isinstance(url, str) and (host := find_host(url))}
