"""Whether what a caller got is what it must get.

Every call carries a canary of its caller in its argument and another in a passthrough header, and every backend
says both back. An answer is

- right: it holds exactly these two, and no canary of anybody else stands anywhere in it;
- excused: the backend was broken (or Redis was away, for `initialize`) while the call ran or shortly before, and the
  answer is one of those that are documented for it: a tool result with `isError` that names the backend, a little
  longer where it says that the tool is not known yet (ADR-0030), the error -32603 that names the backend, or -32602
  while its listing is lost; for `initialize`, 503 with Retry-After; or it says of its backend that it did not answer in
  time, and for half of the bound of a call or more who had to act had no processor (`starvation.py`): the machine was
  too busy. More than a few of those are a violation at the end, for such a run tells nothing;
- crossed: a canary that belongs to another call, to another session, or to a header that came after `initialize`;
- lost: no complete answer within `ANSWER_SECONDS` (`OPEN_SECONDS` for `initialize`), whatever broke, because a
  timeout of the proxy is an answer too; or the connection ended before the answer did. A call whose caller hung up
  itself is not counted;
- wrong: anything else, unexpected HTTP statuses among it.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from benchmarks.soak.plan import REDIS, Fault, Outage
from benchmarks.wire import Answer, message_in

CALL_TIMEOUT = 2.0
"""The proxy's bound of one call in a soak."""

LIST_TIMEOUT = 1.0
"""Its deadline of one listing."""

ANSWER_SECONDS = CALL_TIMEOUT + LIST_TIMEOUT + 4.0
OPEN_SECONDS = 12.0

STARVED_SECONDS = CALL_TIMEOUT / 2
"""How long processes must have waited for a processor, all together, for a bound that has passed to say nothing."""

STARVED = "no processor"
"""What is seen of an answer that is excused by that."""

_STRIKES_EARLY = 0.05
"""Timers of the loop count milliseconds: an outage may begin a moment before its time."""

_SERVED_AGAIN = 3.0
"""How long after its return a backend may still be answered for: a call that began before, a probe on its way."""

_LISTED_AGAIN = 12.0
"""How long its tools may still be unknown to a new session: the pause between two tries of a listing grows to 8 s."""

_NOT_YET = "is known yet"
"""What the answer says meanwhile."""

_REDIS_AGAIN = 5.0
_MOST_WORDS = 300
_UNKNOWN_TOOL = -32602
_INTERNAL = -32603
_CANARY = re.compile(rb"cnry[0-9a-f]+[ahd][0-9]+q")


class Verdict(StrEnum):
    """What an answer was."""

    RIGHT = "right"
    EXCUSED = "excused"
    CROSSED = "crossed"
    LOST = "lost"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Asked:
    """One call: its backend, what the answer must carry, when it was sent and answered (seconds of the load)."""

    backend: str
    argument: str
    header: str
    request_id: int
    sent: float
    answered: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with what was seen, free of the values of canaries."""

    verdict: Verdict
    seen: str = ""


def judge_call(
    asked: Asked, answer: Answer | None, outages: Sequence[Outage], lacked: Callable[[], float] = lambda: 0.0
) -> Judgement:
    """Judges the answer to a `tools/call`; None is an answer that never came.

    `lacked` says for how many seconds there was no processor, from `CALL_TIMEOUT` before the call until its answer.
    """
    if answer is None:
        return Judgement(Verdict.LOST, f"no answer of {asked.backend}, {_timing(asked)}")
    foreign = foreign_canaries(answer.body, asked.argument, asked.header)
    if foreign:
        return Judgement(Verdict.CROSSED, f"{foreign} foreign canaries in an answer of {asked.backend}")
    message = _message_of(answer)
    if answer.status != 200 or message.get("id") != asked.request_id:
        seen = f"HTTP status {answer.status}, {_describe(message)}, to a call to {asked.backend}"
        return Judgement(Verdict.WRONG, f"{seen}, {_timing(asked)}")
    if _text_of(message) == json.dumps([asked.argument, asked.header]):
        return Judgement(Verdict.RIGHT)
    seen = _describe(message)
    is_excused = _is_documented(message, asked, outages)
    if not is_excused and _is_late(message, asked) and lacked() >= STARVED_SECONDS:
        is_excused, seen = True, f"{seen}, {STARVED}"
    if is_excused:
        return Judgement(Verdict.EXCUSED, seen)
    return Judgement(Verdict.WRONG, f"{seen} from {asked.backend}, {_timing(asked)}: {_words_of(message)}")


def judge_open(answer: Answer | None, sent: float, answered: float, outages: Sequence[Outage]) -> Judgement:
    """Judges the answer to an `initialize`."""
    if answer is None:
        return Judgement(Verdict.LOST, f"no answer to initialize after {answered - sent:.1f} s")
    if answer.status == 200 and b"mcp-session-id" in answer.headers and "result" in _message_of(answer):
        return Judgement(Verdict.RIGHT)
    seen = f"HTTP status {answer.status} to initialize"
    away = is_during(outages, REDIS, sent, answered, _REDIS_AGAIN)
    if answer.status == 503 and b"retry-after" in answer.headers and away:
        return Judgement(Verdict.EXCUSED, seen)
    return Judgement(Verdict.WRONG, seen)


def judge_status(what: str, answer: Answer | None, expected: int) -> Judgement:
    """Judges by the HTTP status alone."""
    if answer is None:
        return Judgement(Verdict.LOST, f"no answer to {what}")
    if answer.status != expected:
        return Judgement(Verdict.WRONG, f"HTTP status {answer.status} to {what}")
    return Judgement(Verdict.RIGHT)


def foreign_canaries(body: bytes, *own: str) -> int:
    """How many canaries in some bytes are not one's own."""
    mine = {each.encode() for each in own}
    return sum(found not in mine for found in _CANARY.findall(body))


def is_during(outages: Sequence[Outage], name: str, sent: float, answered: float, after: float) -> bool:
    """Whether something was broken during a span of time, or had been up to so many seconds before."""
    return any(
        each.name == name
        and each.fault is not Fault.FORGET
        and each.begins - _STRIKES_EARLY <= answered
        and sent <= each.ends + after
        for each in outages
    )


def _is_documented(message: dict[str, Any], asked: Asked, outages: Sequence[Outage]) -> bool:
    result, error = message.get("result"), message.get("error")
    span = (asked.backend, asked.sent, asked.answered)
    if isinstance(result, dict):
        named = (result.get("_meta") or {}).get("vmcp.dev/backend") == asked.backend
        again = _LISTED_AGAIN if _NOT_YET in str(_text_of(message)) else _SERVED_AGAIN
        return bool(result.get("isError")) and named and is_during(outages, *span, again)
    if not isinstance(error, dict):
        return False
    if error.get("code") == _UNKNOWN_TOOL:
        return is_during(outages, *span, _LISTED_AGAIN)
    named = asked.backend in str(error.get("message"))
    return error.get("code") == _INTERNAL and named and is_during(outages, *span, _SERVED_AGAIN)


def _is_late(message: dict[str, Any], asked: Asked) -> bool:
    """Whether the answer says that its backend did not answer in time."""
    result = message.get("result")
    said = (result.get("_meta") or {}) if isinstance(result, dict) and result.get("isError") else {}
    return said.get("vmcp.dev/backend") == asked.backend and said.get("vmcp.dev/category") == "timeout"


def _message_of(answer: Answer) -> dict[str, Any]:
    try:
        message = json.loads(message_in(answer.body))
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _text_of(message: dict[str, Any]) -> str | None:
    try:
        return str(message["result"]["content"][0]["text"])
    except (KeyError, IndexError, TypeError):
        return None


def _timing(asked: Asked) -> str:
    return f"sent at {asked.sent:.2f} s, over {asked.answered - asked.sent:.2f} s later"


def _words_of(message: dict[str, Any]) -> str:
    """What an answer says to people; canaries, its own ones too, are no words."""
    error = message.get("error")
    said = error.get("message") if isinstance(error, dict) else _text_of(message)
    return _CANARY.sub(b"(canary)", str(said)[:_MOST_WORDS].encode()).decode(errors="replace")


def _describe(message: dict[str, Any]) -> str:
    """What an answer is, without what it carries."""
    if isinstance(error := message.get("error"), dict):
        return f"error {error.get('code')}"
    result = message.get("result")
    if isinstance(result, dict) and result.get("isError"):
        return f"isError, category {(result.get('_meta') or {}).get('vmcp.dev/category')}"
    return "a result that is not the one expected" if isinstance(result, dict) else "no JSON-RPC response"
