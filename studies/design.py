"""Rules that make arms: data in, arms out. A study names one rule or several, whose arms are joined in order."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, model_validator

from mmcore.analyses import MOST_EXACT
from mmcore.config import Overrides
from mmcore.errors import StudyError
from mmcore.frozen import Frozen
from mmcore.limits import MOST_ARMS
from mmcore.yamlfile import Place

Values = Annotated[tuple[Any, ...], Field(min_length=1)]


class ModalityLattice(Frozen):
    """Every non-empty subset of the modalities, whatever their names; the full set is the base itself.

    More than 8 modalities have too many subsets. With ``sample`` the design has the full set, each modality alone, all
    without each modality, and some more subsets. Exact shares of modalities then cannot be computed.
    """

    kind: Literal["modality_lattice"] = "modality_lattice"
    sample: NonNegativeInt | None = None
    """How many more subsets, drawn at random; at most all. None: every subset."""
    seed: int = 0
    """Seed of the draw."""


class LeaveOneOut(Frozen):
    """What does each one contribute? ``all``, and an arm ``without NAME`` for each modality, or for each part."""

    kind: Literal["leave_one_out"] = "leave_one_out"
    parts: Annotated[dict[str, Overrides], Field(min_length=1)] | None = None
    """Name to a group of overrides; ``all`` has all of them. None: the modalities are left out, one at a time."""
    none: bool = False
    """With parts: whether an arm ``none``, the base itself, is added."""

    @model_validator(mode="after")
    def _apart(self) -> LeaveOneOut:
        if self.none and self.parts is None:
            raise ValueError("none belongs to parts: a model must read at least one modality")
        owner: dict[str, str] = {}
        for name, overrides in (self.parts or {}).items():
            for path in overrides:
                if path in owner:
                    raise ValueError(
                        f"parts '{owner[path]}' and '{name}' both set {path}; write different dotted paths"
                    )
                owner[path] = name
        return self


class Placebo(Frozen):
    """Is it the modality, or the larger model? ``all``, and an arm ``placebo NAME`` for each modality.

    In that arm every item reads the modality of another item: the same model, but nothing to learn from that modality.
    """

    kind: Literal["placebo"] = "placebo"


class OneFactor(Frozen):
    """``base``, and an arm for each value of a factor that differs from the base's, one factor at a time."""

    kind: Literal["one_factor"] = "one_factor"
    factors: Annotated[dict[str, Values], Field(min_length=1)]
    """Dotted path to its values. Arms are called ``layers=4``; by the full path where last names are alike."""


class Factorial(Frozen):
    """Every combination of the factors' values, so that interactions can be seen."""

    kind: Literal["factorial"] = "factorial"
    factors: Annotated[dict[str, Values], Field(min_length=1)]
    """Dotted path to its values. Arms are called ``layers=4, norm=pre``."""


class NamedSets(Frozen):
    """An arm for each named set of modalities."""

    kind: Literal["named_sets"] = "named_sets"
    sets: Annotated[dict[str, Annotated[tuple[str, ...], Field(min_length=1)]], Field(min_length=1)]
    """Arm name to the modalities that its model reads."""


class MissingModality(Frozen):
    """Ways of training, each tested with all modalities and with each one removed from the test items.

    The tests of one way of training share that training.
    """

    kind: Literal["missing_modality"] = "missing_modality"
    training: Annotated[dict[str, Overrides], Field(min_length=1)]
    """Name to overrides; an arm is called ``NAME`` or ``NAME, without MODALITY``."""


Design = Annotated[
    ModalityLattice | LeaveOneOut | Placebo | OneFactor | Factorial | NamedSets | MissingModality,
    Field(discriminator="kind"),
]


DESIGNS = (ModalityLattice, LeaveOneOut, Placebo, OneFactor, Factorial, NamedSets, MissingModality)
"""The members of the family."""


@dataclass(frozen=True)
class Arm:
    """An arm that a rule makes.

    Args:
        name: legal, see :func:`illegal`.
        overrides: what it changes on the base.
        places: where in the rule these are written; errors point at the first if no other fits.
    """

    name: str
    overrides: Overrides
    places: tuple[Place, ...] = ((),)


def arms_of(rule: Design, modalities: tuple[str, ...], is_base: Callable[[Overrides], bool]) -> tuple[Arm, ...]:
    """The arms of one rule, in the order in which reports show them.

    Args:
        rule: the rule.
        modalities: those that the study's base reads, in the corpus's order.
        is_base: whether overrides leave the base as it is.

    Raises:
        StudyError: the rule needs two modalities and there is one; there are too many for every subset; a value makes a
            name that no arm can have.
    """
    _refuse_many(rule, modalities)
    match rule:
        case ModalityLattice():
            arms = _lattice(modalities, rule)
        case LeaveOneOut(parts=None):
            arms = (Arm("all", {}), *(_read(f"without {m}", _but(modalities, m)) for m in _several(modalities, rule)))
        case LeaveOneOut(parts=parts, none=none):
            arms = _parts(parts or {}, none)
        case Placebo():
            controls = (Arm(f"placebo {m}", {"data.placebo": [m]}) for m in _several(modalities, rule))
            arms = (Arm("all", {}), *controls)
        case OneFactor(factors=factors):
            arms = _one_factor(factors, is_base)
        case Factorial(factors=factors):
            arms = _factorial(factors)
        case NamedSets(sets=sets):
            arms = tuple(Arm(n, {"model.modalities": list(names)}, (("sets", n),)) for n, names in sets.items())
        case MissingModality(training=training):
            arms = _missing(training, _several(modalities, rule))
    for arm in arms:
        if problem := illegal(arm.name):
            raise StudyError(problem, next_step="Write the arms yourself, under names of your own")
    return arms


def _refuse_many(rule: Design, modalities: tuple[str, ...]) -> None:
    """Count the arms before they are made.

    Raises:
        StudyError: more than :data:`mmcore.limits.MOST_ARMS`.
    """
    match rule:
        case Factorial(factors=factors):
            number = math.prod(len(values) for values in factors.values())
        case OneFactor(factors=factors):
            number = 1 + sum(len(values) for values in factors.values())
        case ModalityLattice(sample=sample):
            number = min(sample or 0, 2 ** len(modalities))
        case MissingModality(training=training):
            number = len(training) * (1 + len(modalities))
        case LeaveOneOut(parts=parts):
            number = len(parts or modalities)
        case NamedSets(sets=sets):
            number = len(sets)
        case Placebo():
            number = len(modalities)
    if number > MOST_ARMS:
        raise StudyError(
            f"a study may have at most {MOST_ARMS:,} arms",
            found=f"{number:,} by design {rule.kind}",
            next_step="Take fewer values, or make several studies",
        )


def illegal(name: str) -> str | None:
    """Why an arm cannot have this name, since it names folders and keys; None where it can."""
    if not name or any(c in name for c in "/\\\n\t") or name != name.strip():
        return f"arm name '{name}' must not contain a slash, tab or line break, nor begin or end with a space"
    return None


def _lattice(modalities: tuple[str, ...], rule: ModalityLattice) -> tuple[Arm, ...]:
    """Larger subsets first, those of one size in the corpus's order."""
    M = len(modalities)
    if rule.sample is None and M > MOST_EXACT:
        raise StudyError(
            f"all subsets of more than {MOST_EXACT} modalities are too many to train",
            found=f"{M} modalities, {2**M - 1:,} arms",
            next_step="Train some of them: design: {kind: modality_lattice, sample: 50}",
        )
    if rule.sample is None:
        subsets = [subset for size in range(M, 0, -1) for subset in combinations(range(M), size)]
    else:
        subsets = sorted(_drawn(M, rule.sample, rule.seed), key=lambda subset: (-len(subset), subset))
    names = [tuple(modalities[m] for m in subset) for subset in subsets]
    return tuple(Arm("+".join(n), {}) if len(n) == M else _read("+".join(n), n) for n in names)


def _edges(M: int) -> set[tuple[int, ...]]:
    """All modalities, each by itself, all but each."""
    every = tuple(range(M))
    ends = {every, *((m,) for m in every), *(tuple(one for one in every if one != m) for m in every)}
    return ends - {()}


def _drawn(M: int, sample: int, seed: int) -> set[tuple[int, ...]]:
    """The edges and this many more subsets; each modality is in such a subset with probability ½."""
    rng, found = random.Random(seed), _edges(M)
    wanted = min(len(found) + sample, 2**M - 1)
    while len(found) < wanted:
        bits = rng.getrandbits(M)
        if bits:
            found.add(tuple(m for m in range(M) if bits >> m & 1))
    return found


def _read(name: str, modalities: Sequence[str]) -> Arm:
    return Arm(name, {"model.modalities": list(modalities)})


def _but(modalities: tuple[str, ...], left_out: str) -> list[str]:
    return [m for m in modalities if m != left_out]


def _several(modalities: tuple[str, ...], rule: Design) -> tuple[str, ...]:
    if len(modalities) < 2:
        raise StudyError(
            f"design {rule.kind} removes modalities and needs at least two",
            found=", ".join(modalities),
            next_step="Use a corpus with more modalities, or another design",
        )
    return modalities


def _parts(parts: dict[str, Overrides], none: bool) -> tuple[Arm, ...]:
    def having(name: str, kept: list[str]) -> Arm:
        together = {path: value for part in kept for path, value in parts[part].items()}
        return Arm(name, together, tuple(("parts", part) for part in kept) or (("parts",),))

    names = list(parts)
    arms = [having("all", names)] + [having(f"without {n}", [m for m in names if m != n]) for n in names]
    return (*arms, *([having("none", [])] if none else []))


def _one_factor(factors: dict[str, tuple[Any, ...]], is_base: Callable[[Overrides], bool]) -> tuple[Arm, ...]:
    labels = _labels(factors)
    arms = [
        Arm(f"{labels[path]}={shown(value)}", {path: value}, (("factors",),))
        for path, values in factors.items()
        for value in values
    ]
    return (Arm("base", {}), *(arm for arm in arms if not is_base(arm.overrides)))


def _factorial(factors: dict[str, tuple[Any, ...]]) -> tuple[Arm, ...]:
    labels = _labels(factors)
    return tuple(
        Arm(
            ", ".join(f"{labels[path]}={shown(value)}" for path, value in zip(factors, combination, strict=True)),
            dict(zip(factors, combination, strict=True)),
            (("factors",),),
        )
        for combination in product(*factors.values())
    )


def _missing(training: dict[str, Overrides], modalities: tuple[str, ...]) -> tuple[Arm, ...]:
    arms = []
    for name, overrides in training.items():
        place = (("training", name),)
        arms.append(Arm(name, overrides, place))
        for gone in modalities:
            arms.append(Arm(f"{name}, without {gone}", {**overrides, "evaluation.without": [gone]}, place))
    return tuple(arms)


def _labels(factors: Overrides) -> dict[str, str]:
    """Path to a short name: its last step, the one before a last ``kind``; the path where two would be alike."""
    short = {path: path.removesuffix(".kind").rpartition(".")[2] for path in factors}
    return {path: path if list(short.values()).count(name) > 1 else name for path, name in short.items()}


def shown(value: Any) -> str:
    """A factor's value as it stands in an arm's name.

    Example:
        >>> shown(1e-4), shown(None), shown(True), shown(["a", "b"]), shown({"kind": "add"}), shown({"steps": 3})
        ('0.0001', 'none', 'true', 'a+b', 'add', 'steps 3')
    """
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case list() | tuple():
            return "+".join(shown(part) for part in value)
        case dict():
            own = [shown(value["kind"])] if "kind" in value else []
            rest = [f"{key} {shown(part)}" for key, part in value.items() if key != "kind"]
            return " ".join(own + rest) or "default"
        case _:
            return str(value)


# Which arms are compared ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Reads:
    """What an arm's model reads.

    Args:
        modalities: all of them, placebos too.
        placebo: those of them that are another item's.
    """

    modalities: frozenset[str]
    placebo: frozenset[str] = frozenset()


def neighbours(arms: dict[str, Reads]) -> tuple[tuple[str, str], ...]:
    """Comparisons along the edges of the lattice: each subset against those with one modality less (what does that
    modality add?), then against the same subset with a placebo (what does it add beyond size?), and the single
    modalities among themselves (which is worth most?).

    Args:
        arms: name to what it reads, in the order of the arms.
    """
    subsets = {name: reads.modalities for name, reads in arms.items() if not reads.placebo}
    pairs = [
        (larger, smaller)
        for larger, has in subsets.items()
        for smaller, had in subsets.items()
        if had < has and len(has) == len(had) + 1
    ]
    controls = [
        (name, control)
        for name, has in subsets.items()
        for control, reads in arms.items()
        if reads.placebo and reads.modalities == has
    ]
    single = [name for name, has in subsets.items() if len(has) == 1]
    return (*pairs, *controls, *combinations(single, 2))


def same_conditions(taken: dict[str, frozenset[str]]) -> tuple[tuple[str, str], ...]:
    """Comparisons of arms that are tested under the same condition: each against the first of them.

    Args:
        taken: arm name to the modalities that its test items lack, in the order of the arms.
    """
    first: dict[frozenset[str], str] = {}
    return tuple((name, first[gone]) for name, gone in taken.items() if first.setdefault(gone, name) != name)
