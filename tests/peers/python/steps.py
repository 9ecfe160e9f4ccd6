"""What every client does in turn; each step prints a line: its name, and what was wrong where something was."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

SECONDS = 15.0
SIMPLE_TEXT = "This is a simple text response for testing."
STATIC_TEXT = "This is the content of the static text resource."
ASKS = {"legacy": "test_elicitation", "modern": "test_input_required_result_elicitation"}
ANSWERS = {"name": "Alice", "username": "alice", "email": "alice@example.com"}


def leaves(error: BaseException) -> list[BaseException]:
    inner = getattr(error, "exceptions", None)
    return [error] if inner is None else [leaf for each in inner for leaf in leaves(each)]


async def step(name: str, act: Callable[[], Awaitable[Any]]) -> None:
    error = ""
    try:
        # In this very task: what an SDK enters here has to be left here.
        async with asyncio.timeout(SECONDS):
            await act()
    except TimeoutError:
        error = f"nothing for {SECONDS:.0f} s"
    except Exception as raised:  # noqa: BLE001 - whatever a program would see
        error = "; ".join(f"{type(each).__name__}: {each}".splitlines()[0] for each in leaves(raised))
    print(json.dumps({"step": name, "error": error[:300]}), flush=True)


def expect(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(f"expected {what}")


def answer(schema: dict[str, Any]) -> dict[str, Any]:
    """A value for each field of a form."""
    return {name: ANSWERS.get(name, "x") for name in schema.get("properties", {})}
