"""Every pattern of the models in plain words, for messages and the reference."""

from typing import Final

from vmcp_api.base import URL_PATTERN
from vmcp_api.headers import TOKEN_PATTERN
from vmcp_api.session_keys import KEY_ID_PATTERN
from vmcp_api.spec.audit import APP_NAME_PATTERN, SYSLOG_ADDRESS_PATTERN
from vmcp_api.spec.composite import STEP_ID_PATTERN, VARIABLE_PATTERN
from vmcp_api.spec.oauth import SCOPE_PATTERN
from vmcp_api.spec.optimizer import DECIMAL_PATTERN
from vmcp_api.spec.telemetry import ENDPOINT_OR_NONE_PATTERN, ENDPOINT_PATTERN, RATIO_PATTERN
from vmcp_api.text import durations
from vmcp_api.text.texts import NO_NUL

QUANTITY: Final = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,2})?$"
"""Kubernetes' amounts, but for negative ones."""

PERCENT: Final = r"^(100|[0-9]{1,2})%$"
"""A share of pods."""

MOST_PODS: Final = 1000
NO_SHARE: Final = f"is no number of pods; write one from 0 to {MOST_PODS}, or a share such as 50%"
"""What is answered to what is neither a number nor a share of pods."""

FORMS: Final = {
    r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$": (
        "lower-case letters, digits, '-' and '.', with a letter or digit at both ends"
    ),
    r"^[-._a-zA-Z0-9]+$": "letters, digits, '-', '_' and '.'",
    r"^[A-Za-z0-9_.-]+$": "letters, digits, '_', '.' and '-'",
    r"^[A-Za-z0-9_.-]*\{workload\}[A-Za-z0-9_.-]*$": "letters, digits, '_', '.', '-' around one '{workload}'",
    KEY_ID_PATTERN: "at most 32 letters, digits, '_' and '-'",
    STEP_ID_PATTERN: "letters, digits, '_' and '-'",
    VARIABLE_PATTERN: "letters, digits and '_', not beginning with a digit",
    QUANTITY: "an amount such as 500m, 2 or 256Mi",
    PERCENT: "a share such as 50%",
    r"^[A-Za-z_][A-Za-z0-9_.-]*$": "letters, digits, '_', '.' and '-', not beginning with a digit",
    r"^/[^\s?#]*$": "a path that begins with '/', without '?' and '#'",
    URL_PATTERN: "a URL such as https://host:8443/path (ports at most 65535), without user name, password and fragment",
    NO_NUL: "text without NUL characters",
    TOKEN_PATTERN: "a header name such as X-Api-Key",
    SCOPE_PATTERN: "a scope without blanks, quotes and backslashes",
    SYSLOG_ADDRESS_PATTERN: "an address such as syslog.example:514 or [fd00::1]:514 (ports at most 65535)",
    APP_NAME_PATTERN: "printable ASCII without blanks",
    **dict.fromkeys(
        (ENDPOINT_PATTERN, ENDPOINT_OR_NONE_PATTERN),
        "a URL such as https://host:4318 or host:4318 (ports at most 65535), without user name and query",
    ),
    RATIO_PATTERN: "a share from 0 to 1 as text, such as '0.05'",
    DECIMAL_PATTERN: "a decimal number as text, such as '0.5'",
    durations.PATTERN: "a duration such as 500ms, 30s or 1h30m",
}
"""Words by pattern; a test holds the table to the patterns in use."""


def describe_form(pattern: str) -> str:
    """What a pattern asks for, in words."""
    return FORMS.get(pattern, f"text of the form {pattern}")


_SAID: Final = {
    durations.PATTERN: durations.NO_DURATION,
    PERCENT: NO_SHARE,
    TOKEN_PATTERN: "is no header name; use letters, digits and hyphens, such as X-Api-Key",
}


def say_form(pattern: str) -> str:
    """What is answered to a text of another form, by the API server and the validator alike."""
    return _SAID.get(pattern) or f"has the wrong form; write {describe_form(pattern)}"
