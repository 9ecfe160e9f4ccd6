"""Stories with input and expected YAML; `python -m tests.operator.plan.golden` writes what is expected anew."""

import asyncio
from dataclasses import replace
from pathlib import Path

import yaml

from tests.operator.harness import SETTINGS, Story
from vmcp_operator.plan.kinds import OWN, Ref

FOLDER = Path(__file__).parents[2] / "golden" / "operator"
_MADE_UP = ("uid", "resourceVersion", "managedFields", "generation")


class _Plain(yaml.SafeDumper):
    """Writes what is shared out twice."""

    def ignore_aliases(self, data):
        return True


def names() -> list[str]:
    return sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


async def play(name: str) -> str:
    """What the operator makes of a story's input: children in full, then the statuses."""
    settings = replace(SETTINGS, stdio=name == "stdio")
    story = Story((FOLDER / name / "input.yaml").read_text(), settings)
    keys = [ref for ref in story.cluster.objects if ref.kind in OWN]
    for key in keys:
        await story.reconcile(key)
    objects = sorted(story.cluster.objects.items(), key=lambda item: str(item[0]))
    described = [_tidy(ref, each) for ref, each in objects if ref in keys or "ownerReferences" in each["metadata"]]
    return yaml.dump_all(described, Dumper=_Plain, sort_keys=True, width=110)


def _tidy(ref: Ref, manifest: dict) -> dict:
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _MADE_UP}
    for owner in metadata.get("ownerReferences") or ():
        owner["uid"] = "made-up"
    # The hash covers the uid of the owner, which is made up.
    metadata["annotations"] = {
        key: value for key, value in (metadata.get("annotations") or {}).items() if key != "vmcp.dev/applied"
    }
    tidy = {**manifest, "metadata": {key: value for key, value in metadata.items() if value}}
    if ref.kind in OWN:
        tidy.pop("spec", None)
    return tidy


def main() -> None:
    for name in names():
        (FOLDER / name / "expected.yaml").write_text(asyncio.run(play(name)))


if __name__ == "__main__":
    main()
