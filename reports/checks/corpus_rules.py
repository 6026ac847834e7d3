"""The checks that are about the corpus and its sides, in the order of their codes."""

from __future__ import annotations

from reports.checks import corpus
from reports.checks.rule import Rule

CORPUS_RULES = (
    Rule(
        "ABL036",
        "Single values are far outside their usual range",
        "In a table of the corpus a value of a continuous column or target lies more than 10 times as far from the "
        "column's median as its usual values do; few values do so, or the same few numbers again and again.",
        "They are sentinels such as -99999, or faults of a sensor. Normalisation sets them to the end of the usual "
        "range when it learns the scale, but a model still reads them as real, and one such target can decide a loss.",
        "Mend the table; or, where the number means that there is no value, list it in missing_values of the modality "
        "or of targets in corpus.yaml. Then train again. `mmstudy data inspect CORPUS` names item and time of each.",
        corpus.loud,
    ),
    Rule(
        "ABL037",
        "Two modalities tell the same",
        "On a sample of up to 2,000 steps of the corpus, two columns of different modalities have an absolute "
        "correlation of 0.999 or more.",
        "Leaving out one of these modalities takes nothing away from a model that reads the other: both look useless, "
        "though either may be what decides. Importances are divided between them at will.",
        "Keep the column in one modality only, or compare arms that leave out both.",
        corpus.alike,
    ),
    Rule(
        "ABL038",
        "A side has none of a modality",
        "In some repeat all training items, all validation items or all test items lack a modality that an arm reads.",
        "What training never saw stays as it was drawn at random, and is mixed into test predictions all "
        "the same. What "
        "the test side never has cannot show its worth: without it or with it, scores are equal. What validation lacks "
        "plays no part in the choice of an epoch.",
        "Mend the column split of items.csv, or set split.stratify to a column of items.csv that tells "
        "which items have "
        "the modality; else leave the modality out of the study.",
        corpus.absent,
    ),
    Rule(
        "ABL039",
        "A side lacks a class or a target",
        "In some repeat a class of a target, or all values of a target, are on none of the training, "
        "validation or test "
        "items; or the target never varies there.",
        "A class that training never saw cannot be predicted, and one that the test side lacks is not asked for. A "
        "target that never varies tells nothing: a skill on it may be any number, and a validation side without one "
        "cannot choose an epoch.",
        "Set split.stratify to the target or to a column of items.csv, raise split.test or split.validation, or mend "
        "the column split of items.csv. Declare no class that the corpus lacks.",
        corpus.unlike,
    ),
    Rule(
        "ABL040",
        "Validation flatters",
        f"In every one of {corpus.LEAST_REPEATS} repeats or more an arm scores better on its validation items than on "
        f"its test items, by more than {corpus.WIDE:g} on average, and by more than {corpus.STEADY:g} standard "
        "deviations of that gap over repeats. Where lower is better on the study's metric, skill is compared.",
        "The two sides are not alike. Often the features were made by a model that was trained on these very training "
        "and validation items. Then the choice of an epoch, early stopping and searches on such a side mean nothing; "
        "only the test scores count.",
        "Find out on what the features were trained. Draw validation from items that nothing has seen, in groups of "
        "their own (column split of items.csv), and compare arms by their test scores alone.",
        corpus.flattered,
    ),
    Rule(
        "ABL041",
        "A target stands among the inputs",
        "On a sample of the corpus, an input column of another modality has an absolute correlation of 0.999 or more "
        "with a target or with one of its classes, at a lag of at most 10 steps that an arm's model may "
        "see. For targets "
        "of scope item, means over the item are compared.",
        "Copying it scores perfectly, so a modality that holds it looks like the one that helps.",
        "Remove the column from corpus.yaml, or set task.content_lookahead so that no step reads it before its time. "
        "Then train again.",
        corpus.copies,
    ),
    Rule(
        "ABL042",
        "Windows cut items",
        "Each item has one target, and an item is longer than the window of an arm. Such an item is shown in parts, "
        "and the predictions of its parts are averaged.",
        "A part may lack what the target is about, though training holds it to that target. Arms look worse than they "
        "are, those most that need the whole item.",
        "Leave data.window out, so that it holds the longest item, or set it to that item's steps. Where that is above "
        "1,000 steps, a larger step in corpus.yaml makes items shorter: faster streams are pooled, not thinned.",
        corpus.cut,
    ),
)
