"""What an analysis of coalitions answers: scores on subsets of the modalities, the others masked."""

from __future__ import annotations

from mmcore.analyses import Absence
from mmcore.answers.parts import Number, Part, Score, ScoreRow


class Projection(Part):
    """The scores of the additive projection (EMAP), by measure."""

    corrected: dict[str, Score]
    uncorrected: dict[str, Score]
    """With what few draws add left in."""


class Perceptual(Part):
    """What permuting a modality does to the accuracy of a component."""

    drop: Number
    score: Number
    """The drop ÷ the model's accuracy."""


class CoalitionsResult(Part):
    """What :func:`mmcore.probes.coalitions.probe.probe_coalitions` finds.

    In a subset, bit m is 1 where modality m is read.
    """

    modalities: tuple[str, ...]
    """In the order of bits."""
    components: tuple[str, ...]
    windows: int
    draws: int
    subsets: tuple[int, ...]
    """That were scored."""
    orders: tuple[tuple[int, ...], ...] | None
    """Random orders of the modalities from which the subsets come; None: all subsets are there."""
    naive: dict[str, Number]
    """Loss by component."""
    scores: dict[Absence, dict[str, ScoreRow]]
    """By way of masking and measure, a number for each subset; permuted: over all draws."""
    emap: Projection | None
    """None where nothing can be permuted, or draws cannot be distinguished."""
    perceptual: dict[str, dict[str, Perceptual]] | None
    """By modality and component with classes; None where nothing can be permuted."""
    alone: tuple[str, ...]
    """Modalities that a single test item has: then nothing can be permuted."""
    single_donor: bool
    """Whether some test item has one other item alone to take values from."""
    learned: dict[str, float] | None
    """By modality, the share of the steps of training windows at which its learned embedding of absence stood for it,
    0: it was never trained; None: nothing of absence is learned, or being absent is not asked."""
