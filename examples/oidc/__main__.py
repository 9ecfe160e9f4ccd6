"""Serves an issuer for trying only and two MCP servers on 127.0.0.1; with a user, prints a token of that user."""

import argparse
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Final

from users import USERS, claims_of

PORT: Final = 9400
URL: Final = f"http://127.0.0.1:{PORT}"
_SECONDS: Final = 10.0


def fetch_token(user: str) -> str:
    """A token of a user, from the issuer that runs."""
    form = urllib.parse.urlencode({"grant_type": "password", "username": user}).encode()
    # No proxy of the network leads to this machine.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{URL}/token", form, _SECONDS) as answer:
        return str(json.load(answer)["access_token"])


def main() -> None:
    """Serves, or prints what was asked for."""
    parser = argparse.ArgumentParser(prog="python examples/oidc", description=__doc__)
    parser.add_argument("user", nargs="?", choices=list(USERS), help="whose token to print")
    parser.add_argument("--claims", action="store_true", help="print what the token says, for vmcp explain")
    asked = parser.parse_args()
    if asked.user is None:
        serve()
    elif asked.claims:
        print(json.dumps(claims_of(asked.user)))
    else:
        try:
            print(fetch_token(asked.user))
        except urllib.error.URLError as error:
            sys.exit(f"no token: {error.reason}; does `python examples/oidc` run?")


def serve() -> None:
    """Serves until Ctrl-C."""
    # Whoever wants a token alone need not wait for these.
    import uvicorn  # noqa: PLC0415
    from app import build_app  # noqa: PLC0415

    print(f"An issuer for trying only, and two MCP servers, on {URL} until Ctrl-C.", flush=True)
    uvicorn.run(build_app(URL), host="127.0.0.1", port=PORT, log_level="error", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
