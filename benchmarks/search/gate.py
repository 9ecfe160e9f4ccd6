"""What a change of the ranking must not cost: the figures of a baseline, and the order of the contenders.

The same ranking gives the same figures, but sums of vectors are rounded otherwise on other processors, which may
exchange two tools whose scores hardly differ. So a figure may be worse than in the baseline by what one topic weighs in
it, and no more.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.search.collection import KINDS
from benchmarks.search.contenders import FUSED, PLAIN, WORDS
from benchmarks.search.evaluation import ALL, Evaluation

BASELINE: Final = "baseline.json"
"""Its name in the folder of a collection."""
_GUARDED: Final = (WORDS, FUSED)
_DIGITS: Final = 4

Baseline: TypeAlias = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that is guarded; `step` is what one topic weighs in it."""

    name: str
    value: float
    step: float
    less_is_better: bool = False

    def is_worse_than(self, before: float) -> bool:
        """Whether it is worse by more than one topic and the rounding of the file."""
        loss = self.value - before if self.less_is_better else before - self.value
        return loss > self.step + 10**-_DIGITS


def figures_of(evaluation: Evaluation) -> Iterator[Figure]:
    """What is guarded of one contender: recall and MRR as a whole and by kind, and its marks."""
    for part in (ALL, *KINDS):
        if part in evaluation.quality:
            quality = evaluation.quality[part]
            yield Figure(f"recall {part}", quality.recall, 1 / quality.topics)
            yield Figure(f"MRR {part}", quality.mrr, 1 / quality.topics)
    if evaluation.marks is not None:
        unserved = sum(not topic.relevant for topic, _ in evaluation.answers)
        yield Figure("marks caught", evaluation.marks.caught, 1 / unserved)
        served = len(evaluation.answers) - unserved
        yield Figure("marks false alarms", evaluation.marks.false_alarms, 1 / served, less_is_better=True)


def losses(evaluations: Sequence[Evaluation], baseline: Baseline) -> list[str]:
    """What is worse than in the baseline, a sentence each; a figure that the baseline lacks is a loss too."""
    return [
        f"{each.contender}: no baseline for {figure.name}"
        if before is None
        else f"{each.contender}: {figure.name} is {figure.value:.4f}, and was {before:.4f}"
        for each in _guarded(evaluations)
        for figure in figures_of(each)
        for before in [baseline.get(each.contender, {}).get(figure.name)]
        if before is None or figure.is_worse_than(before)
    ]


def disorder(evaluations: Sequence[Evaluation]) -> list[str]:
    """Where fusing brings nothing over words alone, or our words nothing over plain ones, a sentence each."""
    quality = {each.contender: each.quality[ALL] for each in evaluations}
    return [
        f"{better} has {measure} {ahead:.4f}, no more than {worse} with {behind:.4f}"
        for better, worse in ((WORDS, PLAIN), (FUSED, WORDS))
        for measure, ahead, behind in (
            ("recall", quality[better].recall, quality[worse].recall),
            ("MRR", quality[better].mrr, quality[worse].mrr),
        )
        if ahead <= behind
    ]


def read_baseline(folder: Path) -> Baseline | None:
    """The baseline of a collection, None where it has none."""
    path = folder / BASELINE
    if not path.exists():
        return None
    baseline: Baseline = json.loads(path.read_text())
    return baseline


def write_baseline(folder: Path, evaluations: Sequence[Evaluation]) -> Path:
    """Makes these figures the ones that later runs are held to."""
    path = folder / BASELINE
    found = {
        each.contender: {figure.name: round(figure.value, _DIGITS) for figure in figures_of(each)}
        for each in _guarded(evaluations)
    }
    path.write_text(json.dumps(found, indent=1) + "\n")
    return path


def _guarded(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    return [each for each in evaluations if each.contender in _GUARDED]
