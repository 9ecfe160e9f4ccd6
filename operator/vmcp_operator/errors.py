"""What can go wrong between the operator and the API server.

OperatorError
├── ClusterError            the API server refused, or could not be asked
│   ├── Rejected            the object is not acceptable (400, 413, 422; 500 where it cannot be typed)
│   ├── Denied              the operator may not do this, or a quota is full (401, 403)
│   ├── Conflict            somebody else was faster (409)
│   └── Unavailable         try again later (429, 5xx, no connection, no answer in time)
│       └── NotLeading      not asked: another operator writes now, or soon
└── SettingsError           the environment of the process is not usable
"""

from typing import Final


class OperatorError(Exception):
    """Everything that this package raises on its own."""


class ClusterError(OperatorError):
    """The API server refused; `message` is its own text, shortened, and `about` names the object."""

    def __init__(self, about: str, status: int, message: str) -> None:
        super().__init__(f"{about}: {message} (HTTP {status})" if status else f"{about}: {message}")
        self.about = about
        self.status = status
        self.message = message


class Rejected(ClusterError):  # noqa: N818 - reads as the outcome that it is
    """The API server does not accept the object."""


class Denied(ClusterError):  # noqa: N818
    """The operator has no right to do this, or a quota or an admission policy is in the way."""


class Conflict(ClusterError):  # noqa: N818
    """The object changed or came into being meanwhile."""


class Unavailable(ClusterError):  # noqa: N818
    """The API server cannot answer now."""


class NotLeading(Unavailable):
    """A write of one who does not hold the Lease, or not for sure."""


class SettingsError(OperatorError):
    """A setting of the process cannot be used."""


INSTALL_KINDS: Final = "install the chart vmcp-operator-crds"
"""What helps where the API server does not know our kinds."""

TOO_MANY: Final = 429
SERVER_ERRORS: Final = 500
_BAD_MANIFEST: Final = ("failed to create typed patch object", "failed to convert new object")
"""How an API server begins when an applied manifest has an unknown field or a value of a wrong type.

It answers 500 then, though asking again never helps.
"""

_BY_STATUS: Final[dict[int, type[ClusterError]]] = {
    400: Rejected,
    401: Denied,
    403: Denied,
    409: Conflict,
    413: Rejected,
    422: Rejected,
    TOO_MANY: Unavailable,
}


def cluster_error(about: str, status: int, message: str) -> ClusterError:
    """The error of an HTTP status; 0 stands for a request without an answer that can be read."""
    if status == SERVER_ERRORS and message.startswith(_BAD_MANIFEST):
        return Rejected(about, status, message)
    kind = Unavailable if status == 0 or status >= SERVER_ERRORS else _BY_STATUS.get(status, ClusterError)
    return kind(about, status, message)
