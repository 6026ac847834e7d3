"""The checks that are about test items, searches, components and streams, in the order of their codes."""

from __future__ import annotations

from mmcore.language import later
from reports.checks import data, design, records, search
from reports.checks.rule import Rule
from reports.numbers import percent
from reports.statistics.search import EDGE
from reports.verdicts import dominance
from reports.verdicts.prospects import FEW_GROUPS

ITEM_RULES = (
    Rule(
        "ABL027",
        later("A test item is a copy of another side's"),
        "In some repeat an item of the test side has, in all steps of a modality that moves, exactly the values of an "
        "item of the training or validation side.",
        later(
            "One recording has two names: the model is tested on what it was trained or chosen on. Groups cannot "
            "help if nobody knows that the two belong together."
        ),
        later("Remove the copy from items.csv, or give both items one group there, then run the study again."),
        data.twins,
    ),
    Rule(
        "ABL028",
        later("The winner lies at the edge of the search space"),
        f"A number that won a search is within {percent(EDGE)} of an end of its range (of its logarithm, where it was "
        "searched by orders of magnitude).",
        later("The optimum may lie beyond the range, so the arm is not shown at its best."),
        later("Widen the range and run the study under another name: the old trials never tried values beyond it."),
        search.edge,
        about="runs",
    ),
    Rule(
        "ABL029",
        later("Items that chose a setting also confirm it"),
        "The study has a search, and each repeat drew its test groups from all groups, so the search had trained on or "
        "validated on nearly all of them when it chose. A corpus that fixes its test side keeps them apart, and so "
        "does split.test_drawn: once, the default of studies with a search.",
        later(
            "A setting that was chosen on some items suits these items; a score on them promises too much for other "
            "items."
        ),
        later(
            "Leave split.test_drawn at once, or fill the column split of items.csv, and run the study under another "
            "name."
        ),
        search.seen_by_the_search,
    ),
    Rule(
        "ABL030",
        later("Finished runs have no score"),
        "A run finished, but its score on the study's metric is NaN or infinite: its test items have nothing that the "
        "metric could be measured on, or a naive loss is 0.",
        later(
            "Means, intervals and comparisons leave such runs out. They rest on fewer repeats than were trained, and "
            "on repeats whose test items happen to favour the metric."
        ),
        later(
            "Look at what the metric needs on the test items of these repeats. Choose a metric that has a value on "
            "every draw, or let the corpus fix a test side that has enough."
        ),
        records.without_score,
        about="scores",
    ),
    Rule(
        "ABL031",
        later("The search is not finished"),
        "The study has a search, and its budget is not used up, or nothing was searched with these options. A search "
        "belongs to a study with its corpus, preset and changed settings, whatever the metric and repeats of a report.",
        later(
            "Arms that the search has yet to find are in no table, and arms that it has yet to tune are shown as "
            "written. Holm's correction counts only the comparisons that are there; with the others added, every "
            "corrected p may rise."
        ),
        later("Run the study with the same options: that finishes the search and trains what it finds."),
        search.unfinished,
        about="runs",
    ),
    Rule(
        "ABL032",
        later("Components disagree, or one decides for all"),
        "In a comparison on a metric over several components, components are shown to disagree (one better, another "
        f"worse); or the arms are shown to differ, and one component makes up more than {round(100 * dominance.MOST)} "
        f"% of the sum of the components' absolute differences ({percent(dominance.MOST_OF_TWO)} if there are two "
        f"components); or, from {dominance.LEAST_PAIRS} pairs of repeats on, it makes up more than that share of the "
        "sum of their variances.",
        later(
            "A mean over components then says little about most of them: the gain, loss or noise of one hides the "
            "others."
        ),
        later(
            "Read the verdicts by component. A metric COMPONENT/MEASURE measures one of them. If components differ "
            "in scale, look at the target of the one that decides."
        ),
        design.one_component,
        about="scores",
    ),
    Rule(
        "ABL033",
        later("A verdict holds for the tested items alone"),
        "All repeats share their test items, and a verdict on the study's metric holds “on these items” only.",
        later(
            "Other items of the same corpus may not agree. In most studies whose repeats share their test items, "
            "equally good arms get such a verdict."
        ),
        later(
            "Test more items, in more groups. Or let each repeat draw its own test items: leave out the column split "
            "of items.csv, and set split.test_drawn: each_repeat."
        ),
        design.only_these_items,
        about="scores",
    ),
    Rule(
        "ABL034",
        later("Few groups are tested"),
        f"All repeats share their test items, and these come from fewer than {FEW_GROUPS} groups; or each repeat draws "
        f"its test groups anew from a corpus of fewer than {FEW_GROUPS}.",
        later(
            "A verdict about new items rests on how much the tested groups agree. Few groups often agree by chance, "
            "and one group alone says nothing about another."
        ),
        later("Test more groups: raise split.test, mark more in the column split of items.csv, or record more."),
        design.few_groups,
    ),
    Rule(
        "ABL035",
        later("A stream does not overlap the others in time"),
        "An item has a file of a modality, or of the targets, whose times overlap with its other streams nowhere or "
        "hardly anywhere.",
        later("For the model such a stream is absent although its file is there, so a helpful modality looks useless."),
        later(
            "Set offset (seconds) or rate (a factor) of that modality in corpus.yaml, as mmstudy data inspect "
            "suggests; mmstudy data inspect --lag finds smaller shifts."
        ),
        data.apart,
    ),
)
