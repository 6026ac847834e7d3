"""A study with every choice made: preset, overrides, arms of its design, comparisons. What is planned and reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias

from typing_extensions import TypeIs, TypeVar

from mmcore.analyses import AnyAnalysis
from mmcore.config import ForeignConfig, Overrides, RunConfig
from mmcore.measures import Measure, Metric
from studies.matching import Match, Size
from studies.repeats import Sequential

if TYPE_CHECKING:
    from studies.search.resolved import ResolvedSearch

Config = TypeVar("Config", bound=RunConfig | ForeignConfig, default=RunConfig, covariant=True)
"""What an arm is made of: the whole config of a run that mmstudy trains, or settings of other code."""


@dataclass(frozen=True, repr=False)
class ResolvedArm(Generic[Config]):
    """A named variant.

    Args:
        name: as written in the study, or as its design makes it.
        overrides: what it changes on the base, dotted paths; {} for the base itself. What matching changed is last.
        config: the whole config with repeat 0; repeat r is ``config.model_copy(update={"repeat": r})``. Settings of
            other code know nothing of repeats.
        size: what it costs beside the reference; None where the study does not match.
    """

    name: str
    overrides: Overrides
    config: Config
    size: Size | None = None

    def __repr__(self) -> str:
        return f"<arm '{self.name}'>"


@dataclass(frozen=True, repr=False)
class ResolvedStudy(Generic[Config]):
    """A study with every choice made.

    Args:
        name, question: as written in the study.
        metric: the yardstick.
        arms: in the order in which reports show them.
        reference: name of the reference arm.
        pairs: the comparisons (arm, against), in order; the first holds what is claimed to be better. They also name
            arms that a search is yet to find.
        repeats: R; every arm is trained for R repeats, at most where the study is sequential.
        alpha: the rate of false "better" or "worse" that is accepted over a family of comparisons.
        margin: differences of the metric within ± margin count as none; None: equivalence is not tested.
        preset: name of the preset in use, or None.
        changes: overrides given on the command line, recorded here.
        match: how arms were brought to one size; None: they keep their own.
        analyses: run on every finished run to which they apply.
        sequential: the rule that adds repeats; None: their number is fixed.
        search: what is tuned before the arms are compared; None: nothing.
        first_repeat: F; the arms' repeats are F … F+R−1. After a search F is past the repeats that its trials used.
    """

    name: str
    question: str
    metric: Metric
    arms: tuple[ResolvedArm[Config], ...]
    reference: str
    pairs: tuple[tuple[str, str], ...]
    repeats: int
    alpha: float
    margin: float | None
    preset: str | None
    changes: dict[str, object]
    match: Match | None = None
    analyses: tuple[AnyAnalysis, ...] = ()
    sequential: Sequential | None = None
    search: ResolvedSearch | None = None
    first_repeat: int = 0

    def __repr__(self) -> str:
        return f"<study '{self.name}': {len(self.arms)} arms, {self.repeats} repeats>"

    @property
    def native(self) -> bool:
        """Whether mmstudy trains the arms itself; :func:`is_native` says the same to a type checker."""
        return all(isinstance(arm.config, RunConfig) for arm in self.arms)

    @property
    def numbers(self) -> range:
        """The numbers of the arms' repeats."""
        return range(self.first_repeat, self.first_repeat + self.repeats)

    @property
    def measures(self) -> dict[str, Measure]:
        """The user's own measures of all arms, by name."""
        return {name: measure for arm in self.arms for name, measure in arm.config.measures.items()}

    @property
    def to_be_found(self) -> tuple[str, ...]:
        """Arms that comparisons name and a search has yet to find, in order; () where there is none."""
        known = {arm.name for arm in self.arms}
        return tuple(dict.fromkeys(name for pair in self.pairs for name in pair if name not in known))

    @property
    def known_pairs(self) -> tuple[tuple[str, str], ...]:
        """The comparisons of arms that are known: all of them once the study's search is complete."""
        missing = set(self.to_be_found)
        return tuple(pair for pair in self.pairs if missing.isdisjoint(pair))

    def arm(self, name: str) -> ResolvedArm[Config]:
        """The arm of that name.

        Raises:
            KeyError: no such arm.
        """
        return next(a for a in self.arms if a.name == name)


AnyStudy: TypeAlias = ResolvedStudy[RunConfig] | ResolvedStudy[ForeignConfig]
"""A study whose runs mmstudy trains, or one whose scores come from elsewhere."""


def is_native(study: AnyStudy) -> TypeIs[ResolvedStudy[RunConfig]]:
    """Whether mmstudy trains the arms itself, so that each has a config of its own."""
    return study.native
