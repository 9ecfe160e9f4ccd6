"""The caller of a command line: who is asked about, and what its token would say."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.serve.apps.explain import AskedIdentity

STDIN: Final = Path("-")

_FORM: Final = "write the claims of the token as one JSON object, not the token itself"


def read_caller(subject: str | None, issuer: str | None, claims: Path | None) -> AskedIdentity | None:
    """The caller by `--as`, `--issuer` and `--claims`; None where nothing is said: an anonymous one.

    What a real token would hold besides is filled in: policies read `sub` and `iss` too.

    Raises:
        click.UsageError: nobody is named, or two callers are.
        CommandError: the file holds no claims.
    """
    told = read_claims(claims) if claims is not None else {}
    who = _one_of("sub", "--as", subject, told)
    by = _one_of("iss", "--issuer", issuer, told)
    if who is None:
        if told or by is not None:
            raise click.UsageError("Say who is asked about: --as SUB, or a claim `sub` in the file of --claims.")
        return None
    filled = {**told, "sub": who, **({"iss": by} if by is not None else {})}
    return AskedIdentity(who, by or "", filled, scopes_of(filled))


def read_claims(path: Path) -> dict[str, Any]:
    """The claims of a file, or of stdin.

    Raises:
        CommandError: it holds no JSON object.
    """
    try:
        text = sys.stdin.read() if path == STDIN else path.read_text(encoding="utf-8")
        value = json.loads(text)
    except OSError as error:
        raise CommandError(Exit.INVALID, f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(Exit.INVALID, f"{path} is not written in UTF-8", "save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise CommandError(Exit.INVALID, f"{path} is no JSON{place}", _FORM) from None
    if not isinstance(value, dict):
        raise CommandError(Exit.INVALID, f"{path} holds no JSON object", _FORM)
    return value


def scopes_of(claims: dict[str, Any]) -> list[str]:
    """The scopes that the claims say: text with blanks (RFC 8693 section 4.2), or a list."""
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            return value.split()
        if isinstance(value, Sequence):
            return [each for each in value if isinstance(each, str)]
    return []


def _one_of(claim: str, option: str, given: str | None, claims: dict[str, Any]) -> str | None:
    told = claims.get(claim)
    if told is not None and not isinstance(told, str):
        raise CommandError(Exit.INVALID, f"the claim `{claim}` of the file is no text", "correct it")
    if given is not None and told is not None and given != told:
        raise click.UsageError(f"{option} says {given!r} and the claims say {told!r}; leave one of them out.")
    return given if given is not None else told
