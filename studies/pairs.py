"""Which arms are compared: by the study's rule, or as it lists them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Literal, TypeAlias

from mmcore.errors import StudyError, nearest
from mmcore.limits import MOST_COMPARISONS
from mmcore.yamlfile import YamlFile
from studies.rules import refuse_many
from studies.study import Study

Pairs: TypeAlias = tuple[tuple[str, str], ...]
"""Comparisons (arm, against), in order."""


def pairs_of(
    study: Study,
    names: list[str],
    reference: str,
    written: YamlFile,
    by_modality: Callable[[Literal["neighbours", "conditions"]], Pairs],
) -> Pairs:
    """The comparisons of a study.

    Args:
        names: of the arms, those first that a search is yet to find.
        reference: the arm that others are compared with.
        by_modality: the comparisons by what arms read.

    Raises:
        StudyError: an unknown arm, a comparison listed twice, nothing to compare, an arm compared with nothing.
    """
    match study.comparisons:
        case "reference":
            pairs = tuple((name, reference) for name in names if name != reference)
        case "pairs":
            number = len(names) * (len(names) - 1) // 2
            refuse_many(number, "comparisons", MOST_COMPARISONS, written.where(("comparisons",)))
            pairs = tuple(combinations(names, 2))
        case "neighbours" | "conditions" as kind:
            pairs = by_modality(kind)
        case listed:
            for index, pair in enumerate(listed):
                for name in pair:
                    if name not in names:
                        raise StudyError(
                            f"comparison names the unknown arm '{name}'",
                            where=written.where(("comparisons", index)),
                            next_step=nearest(name, names),
                        )
                if pair[0] == pair[1] or set(pair) in map(set, listed[:index]):
                    once = "with itself" if pair[0] == pair[1] else f"with '{pair[1]}' twice"
                    raise StudyError(
                        f"arm '{pair[0]}' is compared {once}",
                        where=written.where(("comparisons", index)),
                        next_step="Name each pair of arms once: [arm, against]",
                    )
            pairs = listed
    if not pairs:
        raise StudyError(
            "there is nothing to compare",
            expected="at least two arms" if len(names) < 2 else "at least one comparison",
            found=", ".join(names) if len(names) < 2 else "none",
            where=written.where(("comparisons",) if len(names) > 1 else ("arms",)),
        )
    alone = [name for name in names if name not in {arm for pair in pairs for arm in pair}]
    if alone and study.comparisons == "conditions":
        raise StudyError(
            f"no other arm is tested under the same condition as '{alone[0]}'",
            expected="comparisons between arms with equal evaluation.without",
            found=f"{', '.join(alone)} would be trained and compared with nothing",
            where=written.where(("comparisons",)),
            next_step="Add an arm with the same evaluation.without, or list the comparisons",
        )
    return pairs
