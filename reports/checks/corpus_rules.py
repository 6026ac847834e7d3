"""The checks that are about the corpus and its sides, in the order of their codes."""

from __future__ import annotations

from reports.checks import corpus
from reports.checks.rule import Rule

CORPUS_RULES = (
    Rule(
        "ABL037",
        "Single values are far outside their usual range",
        "In a table of the corpus a value of a continuous column or target lies more than 10 times as far from the "
        "column's median as its usual values do; few values do so, or the same few numbers again and again.",
        "They are sentinels such as -99999, or faults of a sensor. Normalisation sets them to the end of the usual "
        "range when it learns the scale, but a model still reads them as real, and one such target can decide a loss.",
        "Mend the table; or, where the number means that there is no value, list it in missing_values of the modality "
        "or of targets in corpus.yaml. Then train again. `mmstudy data inspect CORPUS` names item and time of each.",
        corpus.loud,
    ),
)
