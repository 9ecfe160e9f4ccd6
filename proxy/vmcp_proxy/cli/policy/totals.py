"""What other policies would change, counted by caller and name."""

from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from vmcp_proxy.auth.decision import ALLOW
from vmcp_proxy.cli.policy.lines import Recorded, Skipped, read_line
from vmcp_proxy.core.policy.cedar.replay import Replay


class Change(msgspec.Struct, frozen=True, rename="camel"):
    """Calls of one caller to one name that would come out otherwise; `policies` and `errors` say by what.

    `why` says of each of the `errors` what failed.
    """

    issuer: str
    subject: str
    action: str
    name: str
    backend: str
    calls: int
    policies: tuple[str, ...]
    errors: tuple[str, ...]
    why: tuple[str, ...]


class Unjudged(msgspec.Struct, frozen=True, rename="camel"):
    """Calls that could come out either way, for the policies read what the lines do not hold."""

    policies: tuple[str, ...]
    lacks: tuple[str, ...]
    calls: int


class Totals(msgspec.Struct, frozen=True, rename="camel"):
    """What came out, in numbers of lines; `lose` and `gain` begin with the most calls."""

    lines: int
    judged: int
    lose: tuple[Change, ...]
    gain: tuple[Change, ...]
    unjudged: tuple[Unjudged, ...]
    skipped: dict[str, int]

    @property
    def changes(self) -> bool:
        """Whether some caller would lose or gain something."""
        return bool(self.lose or self.gain)


class Calls:
    """The distinct calls of some lines, with how often each came."""

    def __init__(self, *, with_arguments: bool) -> None:
        self._with_arguments = with_arguments
        self._skipped: Counter[Skipped] = Counter()
        self._counts: Counter[tuple[object, ...]] = Counter()
        self._calls: dict[tuple[object, ...], Recorded] = {}

    def add(self, lines: Iterable[bytes]) -> None:
        """Reads lines; blank ones are none."""
        for raw in lines:
            if not raw.strip():
                continue
            found = read_line(raw, with_arguments=self._with_arguments)
            if isinstance(found, Skipped):
                self._skipped[found] += 1
                continue
            self._counts[found.key] += 1
            self._calls.setdefault(found.key, found)

    async def judge(self, replay_of: Callable[[str], Replay]) -> Totals:
        """Each call judged once, by the policies as they would be at its endpoint."""
        lose, gain = Counter[Change](), Counter[Change]()
        unjudged: Counter[tuple[tuple[str, ...], tuple[str, ...]]] = Counter()
        judged = 0
        for key, recorded in self._calls.items():
            count = self._counts[key]
            verdict = await replay_of(recorded.server).judge(recorded.call)
            if verdict.outcome is None:
                unjudged[verdict.policies, verdict.lacks] += count
                continue
            judged += count
            if verdict.outcome != recorded.before:
                call, who = recorded.call, recorded.call.identity
                what = (who.issuer, who.subject, call.action.value, call.name, call.backend)
                change = Change(*what, 0, verdict.policies, verdict.errors, verdict.why)
                (gain if verdict.outcome == ALLOW else lose)[change] += count
        return Totals(
            sum(self._counts.values()) + sum(self._skipped.values()),
            judged,
            _sorted(lose),
            _sorted(gain),
            tuple(Unjudged(*what, count) for what, count in unjudged.most_common()),
            {reason.name.lower(): self._skipped[reason] for reason in Skipped},
        )


def _sorted(counted: "Counter[Change]") -> tuple[Change, ...]:
    changes = (msgspec.structs.replace(change, calls=count) for change, count in counted.items())
    return tuple(sorted(changes, key=lambda each: (-each.calls, each.subject, each.name, each.action)))
