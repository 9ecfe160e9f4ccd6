"""The proxy's config: rendered from the resources, or the last good one."""

from dataclasses import dataclass, field, replace
from typing import Final, TypedDict

from vmcp_api.config import ProxyConfig, Withheld
from vmcp_api.kinds import VirtualMCPServer
from vmcp_api.manifests.problems import Problems
from vmcp_api.render import Mode, Rendered, Unguarded, config_hash, decode_config, encode_config, render_parts
from vmcp_api.render.member import Refusal
from vmcp_api.render.members import clash
from vmcp_api.render.reasons import Reason
from vmcp_api.render.server import MAX_BACKENDS, refuse_crowd
from vmcp_api.spec.outgoing import OutgoingAuthType
from vmcp_operator.plan.kinds import CONFIG_MAP, Manifest, Ref
from vmcp_operator.plan.members import invalid_members
from vmcp_operator.plan.objects.children import build_child
from vmcp_operator.plan.objects.naming import config_map_name
from vmcp_operator.plan.vmcp.keys import find_signing_key
from vmcp_operator.plan.world import Invalid, World

CONFIG_KEY = "config.json"
_MESSAGE_LIMIT = 1024
_OF_CALLERS: Final = frozenset(
    {OutgoingAuthType.TOKEN_EXCHANGE, OutgoingAuthType.IDENTITY_ASSERTION, OutgoingAuthType.RELAY}
)


class _Told(TypedDict):
    """What a rendering says beside the config."""

    warnings: Problems
    telemetry: Refusal | None
    composites: tuple[Refusal, ...]
    embeddings: Refusal | None


@dataclass(frozen=True, slots=True)
class Choice:
    """The config that pods shall run.

    `config` is None when none was ever good. `is_frozen` says that it is the live one because the resources cannot
    be rendered; `errors` say why. With `unguarded`, one of who may come in and what they may do cannot be told: both
    are as in the live one, and the rest is not (ADR-0043). With `telemetry` it is so with what is sent by OTLP.
    `composites` say why composite tools are not served, `embeddings` why tools are ranked without the server of
    embeddings that the resource names.
    """

    config: ProxyConfig | None = None
    is_frozen: bool = False
    errors: Problems = field(default_factory=Problems)
    unguarded: Unguarded | None = None
    warnings: Problems = field(default_factory=Problems)
    telemetry: Refusal | None = None
    composites: tuple[Refusal, ...] = ()
    embeddings: Refusal | None = None

    @property
    def digest(self) -> str | None:
        """The hash that a pod reports once it runs this config."""
        return None if self.config is None else config_hash(self.config)


def choose_config(world: World) -> Choice:
    """Render, or fail stale: a resource that cannot be rendered keeps what its pods run."""
    live = live_config(world)
    if world.problems:
        return Choice(live, is_frozen=True, errors=world.problems)
    choice = _choose(world, live)
    if choice.config is None:
        return choice
    signs = {"signing_key": find_signing_key(world, live)}
    return replace(choice, config=choice.config.model_copy(update=signs))


def _choose(world: World, live: ProxyConfig | None) -> Choice:
    rendered = render_parts(world.resources, world.key.name, mode=Mode.CLUSTER, live=live)
    if isinstance(rendered, Problems):
        return Choice(live, is_frozen=True, errors=rendered.errors)
    if isinstance(rendered, Rendered):
        return _complete(world, rendered, live)
    if live is None or not _goes_with(world, rendered, live):
        return Choice(live, unguarded=rendered, **_told(rendered.rest))
    return replace(_complete(world, rendered.guarded_by(live), live), unguarded=rendered)


def _complete(world: World, rendered: Rendered, live: ProxyConfig | None) -> Choice:
    config = _with_invalid(rendered.config, invalid_members(world))
    if len(config.backends) + len(config.withheld) > MAX_BACKENDS:
        return Choice(live, is_frozen=True, errors=refuse_crowd(world.key.name))
    return Choice(config, **_told(rendered))


def _told(rendered: Rendered) -> _Told:
    return {
        "warnings": rendered.warnings,
        "telemetry": rendered.telemetry,
        "composites": rendered.composites,
        "embeddings": rendered.embeddings,
    }


def _goes_with(world: World, rendered: Unguarded, live: ProxyConfig) -> bool:
    """Whether the rest of a config may stand beside the live one's guards.

    What backends are shown was chosen for the callers that the resource asks for: a backend that is handed something of
    theirs must not get it from others.
    """
    wanted = world.resources.of(VirtualMCPServer)[world.key.name].spec.incoming_auth.type
    shown = (each.outgoing_auth.type for each in rendered.rest.config.backends if each.outgoing_auth)
    return live.incoming_auth.type is wanted or _OF_CALLERS.isdisjoint(shown)


def build_config_map(world: World, config: ProxyConfig) -> Manifest:
    """The ConfigMap that carries the config; its name holds the number of the contract."""
    return build_child(
        CONFIG_MAP, world.key, world.uid, config_map_name(world.key), data={CONFIG_KEY: encode_config(config)}
    )


def live_config(world: World) -> ProxyConfig | None:
    """The config of the ConfigMap that is there now, if it can be read."""
    ref = Ref(CONFIG_MAP, world.key.namespace, config_map_name(world.key))
    text = (world.children.get(ref, {}).get("data") or {}).get(CONFIG_KEY)
    if not isinstance(text, str):
        return None
    config = decode_config(text, str(ref))
    return None if isinstance(config, Problems) else config


def _with_invalid(config: ProxyConfig, members: tuple[Invalid, ...]) -> ProxyConfig:
    """The config with the members that do not validate withheld, and with them who claims a name of theirs."""
    claimed = {member.ref.name for member in members}
    served = tuple(each for each in config.backends if each.name not in claimed)
    clashing = tuple(each for each in config.backends if each.name in claimed)
    names = {each.name for each in clashing}
    withheld = (
        *config.withheld,
        *(_withhold_clash(each.name, each.kind) for each in clashing),
        *(_withhold(each, is_clash=each.ref.name in names) for each in members),
    )
    return config.model_copy(
        update={"backends": served, "withheld": tuple(sorted(withheld, key=lambda each: each.name))}
    )


def _withhold_clash(name: str, kind: str) -> Withheld:
    return Withheld(name=name, kind=kind, reason=Reason.NAME_CLASH, message=str(clash(kind)))


def _withhold(member: Invalid, *, is_clash: bool) -> Withheld:
    name, kind = member.ref.name, member.ref.kind.name
    if is_clash:
        return _withhold_clash(name, kind)
    first = next(iter(member.problems))
    return Withheld(name=name, kind=kind, reason="Invalid", message=str(first)[:_MESSAGE_LIMIT])
