"""A study as written: a YAML file, read and checked. Errors name file, line, rule and the nearest valid name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from mmcore.config import explain
from mmcore.errors import ConfigError, StudyError, nearest
from mmcore.frozen import Frozen
from mmcore.measures import parse_metric
from mmcore.yamlfile import YamlFile, read_yaml
from studies.design import Design

CATALOGUE = Path(__file__).parent / "catalogue"
PRESETS = Path(__file__).parent / "presets"


class Study(Frozen):
    """What is asked, as written. The file's name is the study's name."""

    question: str = Field(min_length=1)
    """The question, in one sentence that ends with a question mark."""
    notes: str = ""
    """What a reader of the report should know about the set-up."""
    preset: str | None = "quick"
    """Sizes to start from: a file of studies/presets; None: the defaults of the config."""
    corpus: str | None = None
    """Folder of a corpus, or ``simulated:SIZE[:SEED]``; None: the preset's."""
    base: dict[str, Any] = {}
    """Overrides that hold for every arm: dotted or nested paths of a run's config."""
    arms: dict[str, dict[str, Any]] = {}
    """Arm name to its overrides on the base; ``{}`` is the base itself."""
    design: Design | None = None
    """A rule that adds arms, e.g. every subset of the modalities."""
    reference: str
    """The arm that the others are compared with."""
    comparisons: Literal["reference", "pairs", "neighbours"] | tuple[tuple[str, str], ...] = "reference"
    """``reference``: each arm against the reference; ``pairs``: all pairs; ``neighbours`` (modality designs): each
    subset against those with one modality less, and the single modalities among themselves; or a list of
    [arm, against]."""
    repeats: PositiveInt | None = None
    """Repeats of every arm; None: the preset's."""
    metric: str = "skill"
    """The yardstick: a measure, or COMPONENT/MEASURE."""
    margin: PositiveFloat | None = None
    """Differences of the metric within ± margin count as none; None: equivalence is not asked."""
    alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.05
    """Accepted rate of a false "better" or "worse" over a family of comparisons."""

    @model_validator(mode="after")
    def _arms(self) -> Study:
        if not self.arms and self.design is None:
            raise ValueError("a study needs arms, or a design that makes them")
        for name in self.arms:
            if not name or any(c in name for c in "/\\\n\t") or name != name.strip():
                raise ValueError(f"arm name '{name}' must hold no slash, tab, line break or space at its ends")
        return self


class Preset(Frozen):
    """Sizes that go together: how large the model, how long the training, how many repeats, which corpus."""

    notes: str = ""
    """What the preset is for."""
    corpus: str
    """Folder of a corpus, or ``simulated:SIZE[:SEED]``."""
    repeats: PositiveInt
    """Repeats where neither study nor command line says."""
    base: dict[str, Any] = {}
    """Overrides on the config's defaults."""


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
    if path.suffix in (".yaml", ".yml") or path.is_file():
        if path.is_file():
            return path
        raise StudyError("there is no such study file", where=name)
    raise StudyError(f"'{name}' is neither a study of the catalogue nor a file", next_step=nearest(name, list(names)))


def read_study(path: Path) -> tuple[Study, YamlFile]:
    """Read and check a study file by itself; its overrides are checked when it is resolved.

    Raises:
        StudyError: file, line, rule and nearest valid name.
    """
    written = read_yaml(path, StudyError)
    study = _checked(Study, written)
    try:
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
        raise StudyError(f"preset '{name}' is unknown", next_step=nearest(name, list(names)))
    written = read_yaml(path, StudyError)
    return _checked(Preset, written), written


def _checked(model: type[Any], written: YamlFile) -> Any:
    try:
        return model.model_validate(written.data)
    except ValidationError as problem:
        first = problem.errors()[0]
        error = explain(problem)
        next_step = error.next_step
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            next_step = nearest(str(first["loc"][0]), list(model.model_fields))
        rule = error.rule
        if first["type"] == "missing":
            rule = f"the required key '{first['loc'][-1]}' is missing"
        elif error.where:
            rule = f"{error.where}: {rule}"
        raise StudyError(
            rule, expected=error.expected, found=error.found, next_step=next_step, where=written.where(first["loc"])
        ) from None
