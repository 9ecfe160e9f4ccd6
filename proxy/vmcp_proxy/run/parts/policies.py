"""The policies over reloads: those of the config, or the last that could be used; and what becomes of decisions."""

import logging
from itertools import zip_longest
from typing import Final

from vmcp_api.config import ProxyConfig
from vmcp_api.pod_status import LoadError
from vmcp_api.spec.authorization import Authorization, PolicyMode
from vmcp_proxy.auth.decision import Decision
from vmcp_proxy.core.policy.questions import UNUSABLE, Admitter, AllowAll, RefuseAll
from vmcp_proxy.observability.logs import log_event
from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.run.settings import LOGGER

logger: Final = logging.getLogger(LOGGER)

_PATH: Final = "authorization"
_DEFAULT: Final = ""
"""Stands for a policy where none applied: the default, which denies."""


class PolicyDecisions:
    """A `DecisionObserver`: decisions are counted, and a policy that fails is told of once, until policies change."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics: Final = metrics
        self._told: set[str] = set()

    def on_decision(self, decision: Decision) -> None:
        """See `DecisionObserver.on_decision`."""
        if decision.errors:
            self._metrics.on_decision(decision.errors, "error", decision.mode)
            for policy, why in zip_longest(decision.errors, decision.why, fillvalue=""):
                if policy not in self._told:
                    self._tell(policy, why, decision.mode)
        else:
            self._metrics.on_decision(decision.policies or (_DEFAULT,), decision.outcome, decision.mode)

    def follow(self, ids: frozenset[str]) -> None:
        """Begins anew with other policies."""
        self._metrics.keep_policies(ids | {_DEFAULT, UNUSABLE})
        self._told.clear()

    def _tell(self, policy: str, why: str, mode: PolicyMode) -> None:
        self._told.add(policy)
        remedy = "ask with `has` for attributes that may be absent, and compare values of one type"
        log_event(
            logger,
            logging.WARNING,
            "a policy failed on a call, which denies it; told once for each",
            policy=policy,
            why=why,
            mode=mode.value,
            remedy=remedy,
        )


class LivePolicies:
    """Hands out admitters; one lives, with what it remembers, as long as the config says the same.

    Policies that cannot be used leave the last ones in force; where there are none, everything is refused. `problem` is
    what is wrong with those of the config.
    """

    def __init__(self, decisions: PolicyDecisions) -> None:
        self.problem: LoadError | None = None
        self._decisions: Final = decisions
        self._asked: tuple[Authorization | None, str] | None = None
        self._current: Admitter = AllowAll()

    @property
    def are_lacking(self) -> bool:
        """Whether everything is refused, for want of policies that can be used."""
        return isinstance(self._current, RefuseAll)

    def admitter_for(self, config: ProxyConfig) -> Admitter:
        """The admitter of a config: the one there is where the policies are those of the last time."""
        asked = (config.authorization, config.name)
        if asked != self._asked:
            self._asked = asked
            self._take(config.authorization, config.name)
        return self._current

    def _take(self, settings: Authorization | None, server: str) -> None:
        self.problem = None
        if settings is None:
            self._current = AllowAll()
            self._decisions.follow(frozenset())
            return
        # Imported where somebody has policies: the library weighs more than all of the rest of the core.
        from vmcp_proxy.core.policy.cedar.admitter import CedarAdmitter  # noqa: PLC0415
        from vmcp_proxy.core.policy.cedar.policies import PolicyError  # noqa: PLC0415

        try:
            admitter = CedarAdmitter(
                settings.policies,
                server=server,
                entities=settings.entities_json,
                group_claims=settings.group_claims,
                mode=settings.mode,
            )
        except PolicyError as error:
            self._refuse(str(error), settings)
            return
        self._current = admitter
        self._decisions.follow(frozenset(admitter.ids))

    def _refuse(self, problem: str, settings: Authorization) -> None:
        self.problem = LoadError(_PATH, problem)
        if isinstance(self._current, AllowAll):
            # Whoever writes policies wants some: those that cannot be read must not leave everything open.
            self._current = RefuseAll(settings.mode)
            self._decisions.follow(frozenset())
        what = "everything is refused" if self.are_lacking else "the last ones stay in force"
        log_event(logger, logging.ERROR, f"policies cannot be used, {what}", problem=problem)
