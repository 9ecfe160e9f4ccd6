"""What an editor calls its servers becomes names of backends."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

NAME_LIMIT: Final = 63
_TAG_LENGTH: Final = 8


def name_backends(labels: Iterable[str]) -> Mapping[str, str]:
    """The name of the backend of each label, of at most ``NAME_LIMIT`` characters that tool names can hold.

    A label with other characters gets ``_`` for each, and a tag from its digest where it would lose too much:
    beyond ASCII, and where another label has the same name otherwise. A label that is a name keeps it.
    """
    fitted = {label: _fit(label) if label.isascii() else _tag(label) for label in labels}
    count = Counter(fitted.values())
    return {label: _tag(label) if count[name] > 1 and label != name else name for label, name in fitted.items()}


def is_tagged(label: str, name: str) -> bool:
    """Whether the name of a label bears a tag, so that nobody can tell it from the label."""
    return name != label and name == _tag(label)


def _fit(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", label)[:NAME_LIMIT]


def _tag(label: str) -> str:
    digest = hashlib.sha256(label.encode(errors="surrogatepass")).hexdigest()[:_TAG_LENGTH]
    return f"{_fit(label)[: NAME_LIMIT - _TAG_LENGTH - 1]}-{digest}"
