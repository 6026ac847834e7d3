"""What may be asked of a trained model after its run, as data: a study lists these under ``analyses``.

An analysis changes no score and is not part of a run's fingerprint. Its answer is kept beside the run's record under a
name that holds all its settings, so that it is made once.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, ClassVar, Literal

from pydantic import Field, TypeAdapter

from mmcore.config import Custom, CustomModel, RunConfig, TransformerEncoder
from mmcore.errors import ConfigError
from mmcore.frozen import Frozen
from mmcore.language import later
from mmcore.limits import Million, Thousand
from mmcore.names import Name

GATED = ("gated", "gated_softmax", "hierarchical")
"""Fusions whose gates open and close by what they read."""
ATTENDING = ("attention", "cross_modal", "bottleneck")
"""Fusions that attend to steps or modalities themselves, whatever layers follow."""

Absence = Literal["permuted", "mean", "zero", "absent"]
"""Ways in which a trained model may be kept from reading a modality; see mmcore/probes/coalitions/masking.py."""
ABSENCES: tuple[Absence, ...] = ("permuted", "mean", "zero", "absent")
MOST_EXACT = 8
"""Modalities of which all subsets are asked for: 256 of them."""


class GatesAnalysis(Frozen):
    """How far gates open, when, and whether this shows what the model uses."""

    version: ClassVar[int] = 4

    kind: Literal["gates"] = "gates"
    timelines: Thousand = 3
    """Test items of which every step is kept for a picture."""


class AttentionAnalysis(Frozen):
    """Where attention looks, and whether this shows what the model uses."""

    version: ClassVar[int] = 2

    kind: Literal["attention"] = "attention"
    maps: Thousand = 2
    """Test windows of which whole attention maps are kept for a picture."""


class CoalitionsAnalysis(Frozen):
    """What the trained model scores when it reads each subset of its modalities, the others masked."""

    version: ClassVar[int] = 3

    kind: Literal["coalitions"] = "coalitions"
    absences: Annotated[tuple[Absence, ...], Field(min_length=1)] = ABSENCES
    """Ways of masking: permuted (values of another test item), mean (of the training items), zero (raw values 0),
    absent (as an item that lacks the modality)."""
    draws: Annotated[int, Field(ge=2, le=1_000, multiple_of=2)] = 8
    """Other test items from which each permuted modality is taken in turn."""
    samples: Million | None = None
    """Random orders of the modalities from which shares are estimated; None: all subsets, for up to 8 modalities."""


class CorruptionAnalysis(Frozen):
    """How the score falls as the inputs get worse, in several ways and at several levels."""

    version: ClassVar[int] = 3

    kind: Literal["corruption"] = "corruption"
    levels: Annotated[int, Field(ge=2, le=1_000)] = 10
    """Levels of each kind of corruption, from none to the strongest."""


class ErrorsAnalysis(Frozen):
    """Where the model is wrong: items, spans and conditions."""

    version: ClassVar[int] = 3

    kind: Literal["errors"] = "errors"
    cases: Thousand = 3
    """Worst and best items and spans of each component that are listed; the most extreme spans are kept to look at."""
    columns: tuple[Name, ...] | None = None
    """Columns of items.csv by which items are compared (errors by genre); None: those with few values, and numbers in
    thirds. []: none."""


AnyAnalysis = GatesAnalysis | AttentionAnalysis | CoalitionsAnalysis | CorruptionAnalysis | ErrorsAnalysis
Analysis = Annotated[AnyAnalysis, Field(discriminator="kind")]
ANALYSES: tuple[type[AnyAnalysis], ...] = (
    GatesAnalysis, AttentionAnalysis, CoalitionsAnalysis, CorruptionAnalysis, ErrorsAnalysis,
)  # fmt: skip
KINDS: tuple[str, ...] = tuple(one.model_fields["kind"].default for one in ANALYSES)

_ADAPTER: TypeAdapter[AnyAnalysis] = TypeAdapter(Analysis)


def build_analysis(data: object) -> AnyAnalysis:
    """An analysis from plain data, as a job carries it.

    Raises:
        pydantic.ValidationError: unknown kind or setting.
    """
    return _ADAPTER.validate_python(data)


def key(analysis: AnyAnalysis) -> str:
    """``KIND-DIGEST``: differs where a setting or the version of the analysis does.

    Example:
        >>> key(GatesAnalysis()) == key(GatesAnalysis(timelines=3)) != key(GatesAnalysis(timelines=4))
        True
    """
    text = json.dumps({**analysis.model_dump(mode="json"), "version": analysis.version}, sort_keys=True)
    return f"{analysis.kind}-{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"


def applies(analysis: AnyAnalysis, config: RunConfig, modalities: tuple[str, ...]) -> bool:
    """Whether the question makes sense for a run: gates need a fusion that has some.

    Args:
        modalities: those that the run's model reads.
    """
    if not config.trains:
        # Its model is that of another run, where the same question is answered.
        return False
    model = config.model
    match analysis:
        case GatesAnalysis():
            return len(modalities) > 1 and not isinstance(model, CustomModel) and model.fusion.kind in GATED
        case AttentionAnalysis():
            if isinstance(model, CustomModel):
                return False
            attends = len(modalities) > 1 and model.fusion.kind in ATTENDING
            layers = model.layers if isinstance(model.encoder, TransformerEncoder) else 0
            return attends or layers + model.layers_before > 0
        case CoalitionsAnalysis():
            # What a model does with a placebo gives no information about the modality.
            return len(modalities) > 1 and not config.data.placebo
        case CorruptionAnalysis() | ErrorsAnalysis():
            return True


def left_out(analysis: AnyAnalysis, config: RunConfig, modalities: tuple[str, ...]) -> str | None:
    """Why an analysis cannot be made of a run with a part of the user's; None where it can, or no such part is in its
    way.

    Args:
        modalities: those that the run's model reads.
    """
    if not config.trains or applies(analysis, config, modalities):
        return None
    model = config.model
    match analysis:
        case GatesAnalysis() if isinstance(model, CustomModel) or isinstance(model.fusion, Custom):
            if len(modalities) < 2:
                return None
            return later(
                "gates of a class of your own cannot be held at their mean; what it traces as gates/NAME is in records"
            )
        case AttentionAnalysis() if isinstance(model, CustomModel):
            return later("a model of your own keeps no attention that could be followed from layer to layer")
        case AttentionAnalysis() if isinstance(model.encoder, Custom):
            return later("an encoder of your own keeps no attention that could be followed from layer to layer")
        case _:
            return None


def refuse_inexact(modalities: int, samples: int | None) -> None:
    """All subsets are asked of few modalities only.

    Args:
        modalities: how many a model reads. samples: as :class:`CoalitionsAnalysis` has it.

    Raises:
        ConfigError: too many modalities for all subsets.
    """
    if samples is None and modalities > MOST_EXACT:
        raise ConfigError(
            f"all subsets of more than {MOST_EXACT} modalities are too many to score",
            found=f"{modalities} modalities, {2**modalities:,} subsets",
            next_step="Estimate from random orders: analyses: [{kind: coalitions, samples: 20}]",
        )
