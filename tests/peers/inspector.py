"""The Inspector's command line as a client: each step is a process of its own."""

from collections.abc import Sequence
from typing import Final

from tests.conformance.installing import ROOT, finished

SECONDS: Final = 60.0
ARGUMENTS: Final = {
    "list": ["tools/list", "--strict"],
    "call": ["tools/call", "--tool-name", "test_simple_text"],
    "error": ["tools/call", "--tool-name", "test_error_handling"],
    "read": ["resources/read", "--uri", "test://static-text"],
    "prompt": [
        "prompts/get",
        "--prompt-name",
        "test_prompt_with_arguments",
        "--prompt-args",
        "arg1=a",
        "--prompt-args",
        "arg2=b",
    ],
}
EXPECTED: Final = {
    "list": "test_simple_text",
    "call": "This is a simple text response for testing.",
    "error": '"isError": true',
    "read": "This is the content of the static text resource.",
    "prompt": "arg1='a', arg2='b'",
}


async def inspected(command: Sequence[str], url: str, era: str) -> dict[str, str]:
    """What was wrong with each step; `--strict` fails where a list does not keep to the specification."""
    found: dict[str, str] = {}
    for step, method in ARGUMENTS.items():
        asked = ["--cli", url, "--transport", "http", "--protocol-era", era, "--method", *method]
        code, said = await finished([*command, *asked], SECONDS, ROOT)
        fine = EXPECTED[step] in said and (code == 0 or step == "error")
        found[step] = "" if fine else f"exit code {code}: {said[-250:]}"
    return found
