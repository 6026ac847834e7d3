"""What a record says besides scores: corpus, split, leakage, gates, machine, failure. No torch.

A field that records of earlier versions lack has a default, which stands for "not measured".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

Drawn = Literal["each_repeat", "once", "corpus"]
"""How the test side of a split came about: by chance in each repeat; by chance, but once for all repeats; as the corpus
says, which fixes train as well."""


# Facts -------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Failure:
    """Why a run ended without a result: class and message of the exception; epoch, step and component where training
    diverged, None elsewhere; the frames of the user's code that the exception passed, outermost first."""

    error: str = "error"
    message: str = ""
    epoch: int | None = None
    step: int | None = None
    component: str | None = None
    frames: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The message, with the innermost line of the user's code where it passed any."""
        return self.message + (f" (at {self.frames[-1]})" if self.frames else "")

    def __str__(self) -> str:
        return f"{self.error}: {self.text}"


@dataclass(frozen=True)
class Alike:
    """Columns of two modalities that say the same.

    Args:
        one, other: the modalities. columns: the first few pairs. count: of all pairs.
    """

    one: str
    other: str
    columns: tuple[tuple[str, str], ...]
    count: int


@dataclass(frozen=True)
class Copied:
    """An input column that says what a target says.

    Args:
        target: its column, or ``column = class``. lag: the smallest at which the input at step t + lag says the target
            at step t; 0 for scope item, where means over an item are compared.
    """

    target: str
    modality: str
    column: str
    lag: int
    correlation: float


@dataclass(frozen=True)
class Likenesses:
    """What :func:`mmcore.data.alike.examine_columns` found; None in a store from before it was looked for."""

    alike: tuple[Alike, ...] | None = None
    copies: tuple[Copied, ...] | None = None


@dataclass(frozen=True)
class Lengths:
    """Steps of a corpus's items; those without a step are left out.

    Args:
        items: how many there are. shortest, median, longest: in steps.
    """

    items: int
    shortest: int
    median: float
    longest: int


@dataclass(frozen=True)
class CorpusFacts:
    """The corpus of a run; all empty where the run failed before it was opened.

    Args:
        content: its content key. task: kind of the task. leaky: whether the task asks for what the model reads.
        units: parameter to unit. missing: modality to the number of items without it. scope: whether there is a
            target a step or one an item. alike, copies: see :class:`Likenesses`. Records of earlier versions lack the
            last four.
    """

    name: str = ""
    content: str = ""
    path: str = ""
    modalities: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    tracks: int = 0
    task: str = ""
    leaky: bool = False
    units: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    scope: Literal["step", "item"] | None = None
    lengths: Lengths | None = None
    alike: tuple[Alike, ...] | None = None
    copies: tuple[Copied, ...] | None = None


@dataclass(frozen=True)
class Labels:
    """What there is to predict of one parameter on one side of a split.

    Args:
        count: counted targets. classes: class to its count; None for continuous parameters. constant: all are equal;
            False where there is none.
    """

    count: int
    classes: Mapping[str, int] | None
    constant: bool


@dataclass(frozen=True)
class Side:
    """One side of a split.

    Args:
        cut: items that are longer than the window; None where each step has a target. missing: modality to the number
            of items without it. labels: by parameter; None where test items were not read. All None in records from
            before they were counted.
    """

    items: int
    groups: int
    windows: int
    cut: int | None = None
    missing: Mapping[str, int] | None = None
    labels: Mapping[str, Labels] | None = None


SIDES = ("train", "validation", "test")


@dataclass(frozen=True)
class SplitFacts:
    """The split of a run; all None where the run failed before it was drawn.

    Args:
        drawn: how the test side came about. divided_groups: number of groups with items on several sides.
        twins: (test item, its copy on another side); None where test items were not read.
        given: in records of earlier versions in the place of ``drawn``: whether the corpus says which item is where.
    """

    train: Side | None = None
    validation: Side | None = None
    test: Side | None = None
    drawn: Drawn | None = None
    divided_groups: int | None = None
    twins: tuple[tuple[str, str], ...] | None = None
    given: Annotated[bool, Field(exclude=True)] = False

    @property
    def sides(self) -> dict[str, Side]:
        """The sides that there are, by name."""
        named = {name: getattr(self, name) for name in SIDES}
        return {name: side for name, side in named.items() if side is not None}

    def groups(self, side: str) -> int:
        """Number of groups on a side.

        Raises:
            KeyError: the side was not drawn.
        """
        return self.sides[side].groups

    @property
    def all_groups(self) -> int:
        """Sum over the sides."""
        return sum(side.groups for side in self.sides.values())

    @property
    def came_about(self) -> Drawn | None:
        """``drawn``, also of records of earlier versions; None where no split was drawn."""
        return self.drawn or (drawn_of(self.given) if self.sides else None)


def drawn_of(given: bool) -> Drawn:
    """How the test side of a split came about, by what earlier versions said: whether the corpus fixed it."""
    return "corpus" if given else "each_repeat"


@dataclass(frozen=True)
class Leakage:
    """What :mod:`mmcore.probes.leakage` found.

    Args:
        forbidden_gradient: largest absolute gradient of a prediction with respect to a later input, over all windows
            and features; NaN counts as the largest float32. Anything but 0.0 is a leak. None: nothing is forbidden.
        copy_skill: the highest skill over the components of a predictor that copies the target's own features, see
            :mod:`mmcore.skill`: of squared error or the share of wrong classes, where the naive predictor is the better
            of persistence and the best constant on the windows themselves. At most 0 for a sound forecast (up to the
            rounding of the store); 1 where the answer is in the input. None: the model does not read these features
            of the item, or no naive predictor ever errs.
        windows: number of windows probed; None if they were not counted.
    """

    forbidden_gradient: float | None = None
    copy_skill: float | None = None
    windows: int | None = None


@dataclass(frozen=True)
class Chosen:
    """How the scored epoch was chosen; all None where none was.

    Args:
        metric: by which it was to be chosen. by: by what it was: ``metric``; ``loss`` or ``last`` where the metric has
            no value on the validation items. test_windows_read: windows of test items that the run had read through
            :class:`mmcore.scoring.Data` then. Records of earlier versions have the last alone: skill chose.
    """

    metric: str | None = None
    by: str | None = None
    test_windows_read: int | None = None


@dataclass(frozen=True)
class GateUse:
    """A gate on validation windows: its mean opening, and the share of its values that are stuck; see
    :func:`mmcore.probes.gates.saturation.probe_saturation`."""

    mean: float
    saturated: float


@dataclass(frozen=True)
class Hardware:
    """What the model was really trained or tested on: a device by its kind and name, and the type of its numbers with
    torch's precision of matrix products. None where no model was made.

    Args:
        packed: runs that were trained with it as one batch, itself included, at most; None: it was trained alone.
        unpacked: why it was trained alone though runs were to be packed; None where they were not.
    """

    device: str | None = None
    precision: str | None = None
    packed: int | None = None
    unpacked: str | None = None


@dataclass(frozen=True)
class Rounding:
    """What fewer bits in products change in the predictions of one and the same model, on validation items.

    The weights are those that were scored. It says nothing of what rounding changed while they were trained.

    Args:
        metric: the one by which the epoch was chosen. reduced: its value in the run's precision. full: in fp32.
    """

    metric: str
    reduced: float
    full: float

    @property
    def change(self) -> float:
        """Reduced less full."""
        return self.reduced - self.full


@dataclass(frozen=True)
class Environment:
    """What a run was made with; see :func:`experiments.environment.environment`.

    Args:
        commit, dirty: of the code; None outside a git checkout. packages: name to version, None where it is not
            installed. device: as the config has it. threads: that the run was given. processor: the name of its kind;
        None in records of earlier versions.
    """

    mmstudy: str | None = None
    commit: str | None = None
    dirty: bool | None = None
    python: str | None = None
    torch: str | None = None
    platform: str | None = None
    packages: Mapping[str, str | None] = field(default_factory=dict)
    command: str | None = None
    device: str | None = None
    threads: int | None = None
    processor: str | None = None
