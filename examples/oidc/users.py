"""Who there is to try with, and what tokens say of them."""

from typing import Any, Final

USERS: Final = {"alice": ["engineering"], "bob": ["sales"]}
"""Who there is, and in which groups."""
SCOPE: Final = "mcp:tools"


def claims_of(user: str) -> dict[str, Any]:
    """What tokens of a user say of the user."""
    return {"sub": user, "groups": USERS[user], "scope": SCOPE}
