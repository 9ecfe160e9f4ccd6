"""Manifests as YAML that every reader takes for what it is."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import yaml

from vmcp_api.base import Json

_WIDTH: Final = 120


class _Dumper(yaml.SafeDumper):
    """Quotes what some reader takes for a number, and writes texts of several lines as such; knows no anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is the base's
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - as above
        return super().increase_indent(flow, indentless=False)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"),
    list("-+0123456789."),
)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?0o?[0-7]+$"), list("-+0"))


def to_yaml(manifests: Iterable[Mapping[str, Json]]) -> str:
    """The manifests as documents of one text, their members in their order."""
    return "---\n".join(
        yaml.dump(dict(each), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH) for each in manifests
    )
