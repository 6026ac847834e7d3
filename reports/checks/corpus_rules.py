"""The checks that are about the corpus and its sides, in the order of their codes."""

from __future__ import annotations

from mmcore.language import later
from reports.checks import corpus
from reports.checks.rule import Rule

CORPUS_RULES = (
    Rule(
        "ABL036",
        later("Single values are far outside their usual range"),
        "In a table of the corpus, a value of a continuous column or target lies more than 10 times as far from the "
        "column's median as its usual values do. Only few values do so, or the same few numbers again and again.",
        later(
            "They are sentinels such as -99999, or sensor faults. Normalisation sets them to the end of the usual "
            "range when it learns the scale, but a model still reads them as real, and one such target can decide a "
            "loss."
        ),
        later(
            "Correct the table. Where the number means that there is no value, list it in missing_values of the "
            "modality or of targets in corpus.yaml instead. Then train again. `mmstudy data inspect CORPUS` names "
            "the item and time of each."
        ),
        corpus.loud,
    ),
    Rule(
        "ABL037",
        later("Two modalities carry the same information"),
        "On a sample of up to 2,000 steps of the corpus, two columns of different modalities have an absolute "
        "correlation of 0.999 or more. A column counts only if it leaves its median in three stretches or more, since "
        "two single events may coincide by chance. A stretch is a run of steps of one item with one value.",
        later(
            "A model that reads one of these modalities loses nothing when the other is left out. Both look useless, "
            "though either may be decisive, and importance is divided between them arbitrarily."
        ),
        later("Keep the column in one modality only, or compare arms that leave out both."),
        corpus.alike,
    ),
    Rule(
        "ABL038",
        later("A side of the split lacks a modality"),
        "In some repeat all training items, all validation items or all test items lack a modality that an arm reads.",
        later(
            "If training lacks it, its weights stay as they were drawn at random, and test predictions use them all "
            "the same. If the test side lacks it, it cannot show its worth: scores are equal with it and without it. "
            "If validation lacks it, it has no influence on the choice of an epoch."
        ),
        later(
            "Correct the column split of items.csv, or set split.stratify to a column of items.csv that says which "
            "items have the modality; otherwise leave the modality out of the study."
        ),
        corpus.absent,
    ),
    Rule(
        "ABL039",
        later("A side of the split lacks a class or a target"),
        "In some repeat, a class of a target or the whole target is missing from the training, validation or test "
        "items, or the target never varies there.",
        later(
            "A class that training never saw cannot be predicted, and a class that the test side lacks is not "
            "tested. A target that never varies measures nothing: a skill on it may be any number, and a validation "
            "side without a varying target cannot choose an epoch."
        ),
        later(
            "Set split.stratify to the target or to a column of items.csv, raise split.test or split.validation, or "
            "correct the column split of items.csv. Declare no class that the corpus lacks."
        ),
        corpus.unlike,
    ),
    Rule(
        "ABL040",
        later("Validation scores are too good"),
        f"In every one of {corpus.LEAST_REPEATS} repeats or more an arm scores better on its validation items than on "
        f"its test items, by more than {corpus.WIDE:g} on average, and by more than {corpus.STEADY:g} standard "
        "deviations of that gap over repeats. Where lower is better on the study's metric, skill is compared.",
        later(
            "The two sides are not alike. Often the features come from a model that was itself trained on these "
            "training and validation items. Then the choice of an epoch, early stopping and searches on the "
            "validation side mean nothing; only the test scores count."
        ),
        later(
            "Find out which items the features were trained on. Draw validation from items that nothing has seen, in "
            "groups of their own (column split of items.csv), and compare arms by their test scores alone."
        ),
        corpus.flattered,
    ),
    Rule(
        "ABL041",
        later("A target is among the inputs"),
        "On a sample of the corpus, an input column of another modality has an absolute correlation of 0.999 or more "
        "with a target or with one of its classes, at a lag of at most 10 steps that an arm's model may "
        "see. The column "
        "and the target count only if each leaves its median in three stretches or more, as in ABL037. For targets "
        "of scope item, means over the item are compared, and at least four items must differ from the median.",
        later("A model that copies it scores perfectly, so a modality that contains it looks like the one that helps."),
        later(
            "Remove the column from corpus.yaml, or set task.content_lookahead so that no step reads it before its "
            "time. Then train again."
        ),
        corpus.copies,
    ),
    Rule(
        "ABL042",
        later("Windows cut items"),
        "Each item has one target, and an item is longer than the window of an arm. The model then sees the item in "
        "parts, and the predictions for its parts are averaged.",
        later(
            "A part may lack what the target is about, but training still expects that target from it. Arms look worse "
            "than they are, most of all arms that need the whole item."
        ),
        later(
            "Leave data.window out, so that the window holds the longest item, or set it to the steps of that item. "
            "Above 1,000 steps, use a larger step in corpus.yaml: items become shorter, and faster streams are "
            "pooled, not thinned."
        ),
        corpus.cut,
    ),
)
