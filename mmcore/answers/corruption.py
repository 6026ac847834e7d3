"""What an analysis of corruption answers: how scores fall as one modality gets worse."""

from __future__ import annotations

from typing import Literal

from mmcore.answers.parts import Number, Numbers, Part, Score, ScoreRow

DamageKind = Literal["noise", "drop", "gap", "lost", "delay"]


class DamageSample(Part):
    """The test windows that were damaged."""

    digest: str
    """Equal where windows and levels are."""
    items: int
    windows: int
    of: int
    """Test windows there are."""


class DamageCurve(Part):
    """The scores at each level of one kind of damage."""

    levels: Numbers
    """From none to the strongest; see :func:`mmcore.probes.corruption.probe.levels_of`. A delay is in seconds, or in
    steps where these have no length."""
    scores: dict[str, ScoreRow]


class DamagedModality(Part):
    """What happens as one modality gets worse."""

    present: Number
    """Share of the sample's steps at which it is there."""
    curves: dict[DamageKind, DamageCurve]


class CorruptionResult(Part):
    """What :func:`mmcore.probes.corruption.probe.probe_corruption` finds."""

    sample: DamageSample
    delay_unit: float | None
    """Seconds a step; None where steps are rows."""
    naive: dict[str, dict[str, Score]]
    """By naive predictor, on the undamaged sample."""
    clean: dict[str, Score]
    """Of the model, on the undamaged sample."""
    modalities: dict[str, DamagedModality]
    """Those that the model reads; a placebo is none."""
