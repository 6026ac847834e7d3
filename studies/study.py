"""A study as written: a YAML file, read and checked. Errors name file, line, rule and the nearest valid name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, dataclass_transform

from pydantic import Field, PositiveFloat, ValidationError, field_validator, model_validator

from mmcore.analyses import ANALYSES, KINDS, Analysis, AnyAnalysis
from mmcore.config import Overrides, explain
from mmcore.config.overrides import clearest
from mmcore.errors import ConfigError, StudyError, nearest
from mmcore.frozen import Frozen
from mmcore.limits import MOST_ARMS, RepeatCount
from mmcore.measures import parse_metric
from mmcore.names import refuse_torn_text
from mmcore.yamlfile import Place, YamlFile, read_yaml
from studies.design import DESIGNS, Design, illegal
from studies.matching import Match
from studies.repeats import Counted, Repeats, Sequential, parse_repeats
from studies.runner import CommandRunner, FunctionRunner, Runner
from studies.search.block import Budget, Confirm, Search
from studies.search.space import KNOBS

CATALOGUE = Path(__file__).parent / "catalogue"
PRESETS = Path(__file__).parent / "presets"
AUTO = "auto"
"""Instead of a preset's name: :func:`preset_for` chooses it."""
MANY, VERY_MANY = 1_000, 10_000
"""Items of a corpus from which on the presets medium and large suit it."""
Text = Annotated[str, Field(min_length=1)]
"""Not the empty text: it is what a shell makes of a variable that is not set."""


@dataclass_transform(kw_only_default=True, field_specifiers=(Field,))
class _Explained(type(Frozen)):
    """``Study(...)`` in Python says what is wrong as a study file does."""

    if not TYPE_CHECKING:  # a type checker then knows the keywords

        def __call__(cls, **data):
            try:
                return super().__call__(**data)
            except ValidationError:
                pass
            try:
                return _checked(cls, YamlFile(Path("Study"), data, {}))
            except StudyError as error:
                raise StudyError(
                    error.rule, expected=error.expected, found=error.found, next_step=error.next_step
                ) from None


class Study(Frozen, metaclass=_Explained):
    """What is asked, as written. The file's name is the study's name.

    Raises:
        StudyError: made in Python with a wrong keyword or value; names the nearest valid one.
    """

    question: str = Field(min_length=1)
    """The question, in one sentence that ends with a question mark."""
    notes: str = ""
    """What a reader of the report should know about the set-up."""
    preset: Text | None = "auto"
    """Sizes to start from: a file of studies/presets. auto: quick for a simulated corpus; small, medium or large by the
    number of items of any other. None: the defaults of the config."""
    corpus: Text | None = None
    """Folder of a corpus, or ``simulated:SIZE[:SEED]``; None: the preset's."""
    runner: Runner | None = None
    """Training code of the user's own, a command or a function; see studies/runner.py. None: mmstudy trains."""
    base: Overrides = {}
    """Overrides that hold for every arm: dotted or nested paths of a run's config. With a runner: the settings of its
    training code, all of them, under any names."""
    arms: dict[str, Overrides] = {}
    """Arm name to its overrides on the base; ``{}`` is the base itself."""
    design: tuple[Design, ...] = ()
    """A rule that makes arms, or a list of rules, e.g. every subset of the modalities; see studies/design.py."""
    reference: str
    """The arm that the others are compared with."""
    comparisons: Literal["reference", "pairs", "neighbours", "conditions"] | tuple[tuple[str, str], ...] = "reference"
    """``reference``: each arm against the reference; ``pairs``: all pairs; ``neighbours`` (modality designs): each
    subset against those with one modality less and against its placebos, and the single modalities among themselves;
    ``conditions``: arms that are tested without the same modalities, each against the first of them; or a list of
    [arm, against]."""
    match: Match | None = None
    """Bring all arms to the reference's size: ``parameters``, ``flops``, or a mapping; see studies/matching.py."""
    repeats: Repeats | None = None
    """Repeats of every arm; ``{min: 6, max: 30, stop: decided}`` adds them where nothing is decided yet, and ``first``
    numbers them from another one than 0, see studies/repeats.py. Or text as on the command line: ``6..30``, ``10@100``.
    None: the preset's."""
    metric: Text | None = None
    """The yardstick: a measure, or COMPONENT/MEASURE. It also chooses each run's epoch (``training.select``), and a
    search looks for it; None: the task's own, skill, and for labels with classes balanced accuracy."""
    analyses: tuple[Analysis, ...] = ()
    """What is asked of every finished run to which it applies: kinds, or mappings with settings; ``all``: each kind
    as it comes. See mmcore/analyses.py."""
    search: Search | None = None
    """What is tuned before the arms are compared; see studies/search/block.py."""
    margin: PositiveFloat | None = None
    """Differences of the metric within ± margin count as none; None: equivalence is not asked."""
    alpha: Annotated[float, Field(ge=1e-9, lt=0.5)] = 0.05
    """Accepted rate of a false "better" or "worse" over a family of comparisons."""

    @field_validator("repeats", mode="before")
    @classmethod
    def _as_on_the_command_line(cls, value: Any) -> Any:
        return parse_repeats(value) if isinstance(value, str) else value

    @field_validator("design", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, dict) else () if value is None else value

    @field_validator("analyses", mode="before")
    @classmethod
    def _kinds(cls, value: Any) -> Any:
        if value == "all":
            value = KINDS
        several = value if isinstance(value, list | tuple) else () if value is None else (value,)
        return tuple({"kind": one} if isinstance(one, str) else one for one in several)

    @field_validator("analyses")
    @classmethod
    def _each_once(cls, value: tuple[AnyAnalysis, ...]) -> tuple[AnyAnalysis, ...]:
        for one in value:
            if [other.kind for other in value].count(one.kind) > 1:
                raise ValueError(f"analysis {one.kind} is listed more than once")
        return value

    @field_validator("runner", mode="before")
    @classmethod
    def _one_way(cls, value: Any) -> Any:
        if isinstance(value, dict) and len({"command", "function"} & set(value)) == 2:
            raise ValueError("name a command or a function, not both")
        return value

    @field_validator("design")
    @classmethod
    def _no_rule_twice(cls, value: tuple[Design, ...]) -> tuple[Design, ...]:
        for index, rule in enumerate(value):
            if rule in value[:index]:
                raise ValueError(f"design {rule.kind} is listed twice with the same settings")
        return value

    @field_validator("match", mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"by": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _arms(self) -> Study:
        if not self.arms and not self.design:
            raise ValueError("a study needs arms, or a design that makes them")
        if len(self.arms) > MOST_ARMS:
            raise ValueError(f"a study may have at most {MOST_ARMS:,} arms; these are {len(self.arms):,}")
        for name in self.arms:
            if problem := illegal(name):
                raise ValueError(problem)
        if self.match is not None and self.match.unmatched and self.comparisons == "neighbours":
            raise ValueError("neighbours cannot separate an arm from its matched duplicate; leave match.unmatched out")
        return self


class Preset(Frozen):
    """Sizes that go together: how large the model, how long the training, how many repeats, which corpus."""

    notes: str = ""
    """What the preset is for."""
    corpus: str | None = None
    """Folder of a corpus, or ``simulated:SIZE[:SEED]``; read where neither study nor command line names one."""
    repeats: RepeatCount
    """Repeats where neither study nor command line says."""
    base: Overrides = {}
    """Overrides on the config's defaults."""
    steps: Overrides = {}
    """Overrides on ``base`` for a corpus with a target for each step."""
    items: Overrides = {}
    """Overrides on ``base`` for a corpus with one target for each item."""

    def of(self, scope: Literal["step", "item"]) -> tuple[Literal["steps", "items"], Overrides]:
        """The overrides for a corpus whose targets have that scope, and the key that they stand under."""
        return ("items", self.items) if scope == "item" else ("steps", self.steps)


def catalogue() -> dict[str, Path]:
    """The studies that come with mmstudy, by name."""
    return {path.stem: path for path in sorted(CATALOGUE.glob("*.yaml"))}


def find_study(name: str) -> Path:
    """The file of a study: a catalogue name, or a path.

    Raises:
        StudyError: neither; names the nearest catalogue entry.
    """
    names = catalogue()
    if name in names:
        return names[name]
    path = Path(name)
    refuse_torn_text(path.absolute(), "the path of a study", StudyError)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if path.is_file():
            return path
        raise StudyError("there is no such study file", where=name, next_step=_beside(path))
    raise StudyError(
        f"'{name}' is neither a study of the catalogue nor a file",
        next_step=_beside(path, exact=True) or nearest(name, list(names)),
    )


def _beside(path: Path, exact: bool = False) -> str | None:
    """The study file in the same folder that was probably meant; with ``exact`` only one that lacks its ending."""
    import difflib

    if not path.parent.is_dir():
        return f"The folder {path.parent} is not there either"
    names = sorted(near.name for near in path.parent.iterdir() if near.suffix in (".yaml", ".yml"))
    if exact:
        close = [name for name in names if Path(name).stem == path.name]
    else:
        close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.5)
    if close:
        return f"Did you mean '{path.parent / close[0]}'?"
    return None if exact else "Name a file that is there, or a study that mmstudy list shows"


def read_study(path: Path) -> tuple[Study, YamlFile]:
    """Read and check a study file by itself; its overrides are checked when it is resolved.

    Raises:
        StudyError: file, line, rule and nearest valid name.
    """
    written = read_yaml(path, StudyError)
    study = _checked(Study, written)
    try:
        # A metric of the user's is known once the base is read.
        own = study.runner is not None or any(path.partition(".")[0] == "metrics" for path in study.base)
        if study.metric is not None and not own:
            parse_metric(study.metric)
    except ConfigError as error:
        raise StudyError(error.rule, next_step=error.next_step, where=written.where(("metric",))) from None
    return study, written


def read_preset(name: str) -> tuple[Preset, YamlFile]:
    """Read a preset of studies/presets by name, or a file.

    Raises:
        StudyError: unknown name, or a broken file.
    """
    names = {path.stem: path for path in sorted(PRESETS.glob("*.yaml"))}
    path = names.get(name) or Path(name)
    if not path.is_file():
        raise StudyError(f"preset '{name}' is unknown", next_step=nearest(name, ["auto", *names]))
    written = read_yaml(path, StudyError)
    return _checked(Preset, written), written


def preset_for(items: int | None) -> str:
    """The preset for a corpus of that many items; None: a simulated one.

    Example:
        >>> preset_for(None), preset_for(140), preset_for(2_199), preset_for(23_000)
        ('quick', 'small', 'medium', 'large')
    """
    if items is None:
        return "quick"
    return "small" if items < MANY else "medium" if items < VERY_MANY else "large"


def _checked(model: type[Any], written: YamlFile) -> Any:
    try:
        return model.model_validate(written.data)
    except ValidationError as problem:
        first = clearest(problem)
        error = explain(problem)
        place = _place(first["loc"], written)
        arms = written.data.get("arms")
        if not place and isinstance(arms, dict):
            # The rule about names of arms is that of the whole; the line is that of the name.
            place = next((("arms", name) for name in arms if illegal(name)), place)
        own = place[:1] in (("design",), ("analyses",), ("repeats",), ("search",), ("runner",))
        path = ".".join(map(str, place)) if own else error.where
        rule, next_step = error.rule, error.next_step
        if first["type"] == "missing":
            rule = f"the required key '{first['loc'][-1]}' is missing"
        elif first["type"] == "extra_forbidden":
            next_step = nearest(str(first["loc"][-1]), _keys(model, first["loc"]))
            rule = f"{path}: {rule}" if len(place) > 1 else rule
        elif path:
            rule = f"{path}: {rule}"
        raise StudyError(
            rule, expected=error.expected, found=error.found, next_step=next_step, where=written.where(place)
        ) from None


def _place(loc: tuple[int | str, ...], written: YamlFile) -> Place:
    """Where a complaint of pydantic's stands in the file: a design has its kind in the way to it, and is counted even
    where it is the only one; repeats and a runner have their tag in it."""
    if loc[:1] == ("analyses",):
        # A single one need not be written as a list, and each has its kind in the way to it.
        return (*loc[: 2 if isinstance(written.data["analyses"], list) else 1], *loc[3:])
    if loc[:1] in (("repeats",), ("runner",)):
        return (*loc[:1], *loc[2:])
    if loc[:2] == ("search", "space"):
        # A hyperparameter has its kind in the way to it.
        return (*loc[:3], *loc[4:])
    if loc[:1] != ("design",) or len(loc) < 2:
        return loc
    return (*loc[: 2 if isinstance(written.data["design"], list) else 1], *loc[3:])


def _keys(model: type[Any], loc: tuple[int | str, ...]) -> list[str]:
    """The keys that a study takes at the place of a complaint."""
    match loc:
        case ("design", _, kind, _):
            (model,) = [m for m in DESIGNS if m.model_fields["kind"].default == kind]
        case ("analyses", _, kind, _):
            (model,) = [m for m in ANALYSES if m.model_fields["kind"].default == kind]
        case ("match", _):
            model = Match
        case ("search", "space", _, kind, _):
            (model,) = [m for m in KNOBS if m.model_fields["kind"].default == kind]
        case ("search", "budget", _):
            model = Budget
        case ("search", "confirm", _):
            model = Confirm
        case ("search", _):
            model = Search
        case ("runner", "command", _):
            model = CommandRunner
        case ("runner", "function", _):
            model = FunctionRunner
        case ("repeats", "counted", _):
            model = Counted
        case ("repeats", _, _):
            model = Sequential
    return list(model.model_fields)
