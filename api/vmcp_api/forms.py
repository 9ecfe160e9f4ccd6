"""Every pattern of the models in plain words, for messages and the reference."""

from typing import Final

from vmcp_api import durations
from vmcp_api.headers import TOKEN_PATTERN
from vmcp_api.texts import NO_NUL

FORMS: Final = {
    r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$": (
        "lower-case letters, digits, '-' and '.', with a letter or digit at both ends"
    ),
    r"^[-._a-zA-Z0-9]+$": "letters, digits, '-', '_' and '.'",
    r"^[A-Za-z0-9_.-]+$": "letters, digits, '_', '.' and '-'",
    r"^[A-Za-z0-9_.-]*\{workload\}[A-Za-z0-9_.-]*$": "letters, digits, '_', '.', '-' around one '{workload}'",
    r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$": "an amount such as 500m, 2 or 256Mi",
    r"^[A-Za-z_][A-Za-z0-9_.-]*$": "letters, digits, '_', '.' and '-', not beginning with a digit",
    r"^/[^\s?#]*$": "a path that begins with '/', without '?' and '#'",
    r"^https?://[^\s/?#@]+([/?][^\s#]*)?$": (
        "a URL such as https://host/path, without user name, password and fragment"
    ),
    NO_NUL: "text without NUL characters",
    TOKEN_PATTERN: "a header name such as X-Api-Key",
    durations.PATTERN: "a duration such as 500ms, 30s or 1h30m",
}
"""Words by pattern; a test holds the table to the patterns in use."""


def describe_form(pattern: str) -> str:
    """What a pattern asks for, in words."""
    return FORMS.get(pattern, f"text of the form {pattern}")
