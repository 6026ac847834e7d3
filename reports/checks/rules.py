"""Every check that a report makes, in the order of its code.

A new check is a function in one of this package's files and one entry here, or in ``corpus_rules.py`` where it is about
the corpus and its sides, with the next code; a code is never reused.
"""

from __future__ import annotations

from reports.checks import data, design, records, search, training
from reports.checks.corpus_rules import CORPUS_RULES
from reports.checks.rule import Rule
from reports.checks.score_rules import SCORE_RULES
from reports.numbers import percent
from reports.statistics.search import EDGE
from reports.verdicts import dominance
from reports.verdicts.prospects import FEW_GROUPS

RULES = (
    Rule(
        "ABL001",
        "The target is part of the input",
        "The task is leaky: `reconstruct` predicts the steps that the model reads.",
        "Copying the input scores perfectly, so these scores say nothing about prediction.",
        "Use task forecast to measure prediction.",
        data.leaky,
    ),
    Rule(
        "ABL002",
        "Runs failed",
        "Any run of the study failed.",
        "Comparisons use the repeats that finished in both arms. If runs fail because of the arm, the scores that are "
        "left make it look better than it is.",
        "Remove the cause, then run the study again with --retry-failed.",
        records.failed,
        about="runs",
    ),
    Rule(
        "ABL003",
        "Fewer repeats than requested",
        "An arm has fewer runs than the study has repeats.",
        "Verdicts rest on the runs that are there. Stopping as soon as a result pleases makes chance look like a "
        "finding.",
        "Run the study again: it adds what is missing.",
        records.fewer_repeats,
        about="runs",
    ),
    Rule(
        "ABL004",
        "Too few repeats for any claim",
        "The smallest p that the number of repeats allows, 2/2ⁿ, is above alpha after Holm's correction.",
        "However large the effect, the test cannot tell it from chance: no verdict is possible, not even in principle.",
        "Add repeats (--repeats), or compare fewer arms. If the study has enough repeats but runs failed, are missing "
        "or have no score, fix these first (ABL002, ABL003, ABL030).",
        design.too_few_repeats,
        about="scores",
    ),
    Rule(
        "ABL005",
        "The head cannot tell tracks apart",
        "The target has several tracks and an arm uses the shared head.",
        "This head is one affine map of the encoder's state for all tracks, so no two tracks can move "
        "differently: scores measure the limit of the head, not what the encoder knows.",
        "Use model.head.kind per_track, residual or track_tokens.",
        design.shared_head,
    ),
    Rule(
        "ABL006",
        "Uncommitted changes",
        "A run came from a git checkout whose code had uncommitted changes.",
        "The commit does not say which code ran, so nobody can repeat the run.",
        "Commit, then train again into a fresh home.",
        records.uncommitted,
        about="runs",
    ),
    Rule(
        "ABL007",
        "Runs from different commits",
        "Runs of the study came from more than one commit.",
        "The changes in the code between them may be part of a difference between arms.",
        "If the changes affect training or scoring, train all arms again from one commit, into a fresh home.",
        records.mixed_commits,
        about="runs",
    ),
    Rule(
        "ABL008",
        "Runs from different package versions",
        "Python or a package had more than one version among the runs.",
        "Libraries change numerics and defaults. Such a change may be part of a difference between arms.",
        "Train all arms in one environment, into a fresh home.",
        records.mixed_versions,
        about="runs",
    ),
    Rule(
        "ABL009",
        "A component has nothing or hardly anything to predict",
        "A component has no score in any run: its target never varies on the test items, or its naive loss is 0. Or it "
        f"hardly varies: in more than {percent(data.MOST)} of the test items its naive loss is below a fifth of the "
        "mean over all test items.",
        "Without a score the component counts neither for nor against an arm. If it hardly varies, a few items decide "
        "its skill, and that skill counts as much as another component's.",
        "Look at the component's target in the corpus. A metric COMPONENT/MEASURE measures one other component alone.",
        data.nothing_to_predict,
    ),
    Rule(
        "ABL010",
        "Arms that should be matched differ in size",
        "The study matches arms, and the size of one differs from the reference's by more than the tolerance. Arms "
        "that are kept as written beside a matched duplicate are left out.",
        "These arms may differ because of size, which matching was meant to rule out.",
        "Give the arm finer steps of width (fewer heads), or allow a larger tolerance and say so.",
        design.unmatched,
    ),
    Rule(
        "ABL011",
        "A prediction depends on what it may not know",
        "In a trained model, the gradient of a prediction with respect to a step that it may not know is not exactly "
        "0.",
        "The model sees what it has to predict: its scores cannot be believed.",
        "Look for a part of the model that looks ahead, and test that part as the fusion contract does.",
        data.forbidden,
    ),
    Rule(
        "ABL012",
        "All runs share one split",
        "All finished runs are of a single repeat. Where the corpus fixes the test items, or split.test_drawn is once, "
        "all runs share them on purpose, and the check does not apply.",
        "It is unknown how much scores vary by chance, so it is unknown whether any difference is more than chance.",
        "Add repeats (--repeats).",
        design.one_split,
        about="runs",
    ),
    Rule(
        "ABL013",
        "Arms differ in more than one setting",
        "Two arms that are compared differ in two or more settings. A part of another kind counts once, and so do "
        "width, feed-forward and layers together; changes made by matching do not count. The set of modalities is one "
        "setting, however many it gains or loses, since a study may be about the set: where a comparison changes "
        "several at once, and no other comparison changes each of them by itself, the check passes and says so.",
        "The comparison is sound, but it is about all the changes together. Which of them makes the difference stays "
        "open.",
        "Add an arm for each change by itself (design one_factor), or all combinations (design factorial).",
        design.many_factors,
        about="runs",
    ),
    Rule(
        "ABL014",
        "Arms differ in size",
        f"The study does not match arms, and of two arms that are compared one has more than {design.UNEQUAL:g} times "
        "the other's parameters. Comparisons that differ in width, feed-forward, layers or heads alone are about "
        "size and are left out.",
        "A larger model often scores better whatever the idea behind it.",
        "Repeat the study with --match parameters and see whether the verdict stays.",
        design.unequal_size,
        about="runs",
    ),
    Rule(
        "ABL015",
        "Arms differ in how long they train",
        f"Of two arms that are compared, one took more than {design.UNEQUAL:g} times as many steps as the other, or "
        f"saw more than {design.UNEQUAL:g} times as many windows, in repeats that neither stopped early. Comparisons "
        "that differ in epochs, steps_per_epoch, batch or stride alone are about the length of training and are left "
        "out.",
        "Longer training often scores better whatever the idea behind it.",
        "Give both arms the same training.epochs, training.steps_per_epoch, training.batch and data.stride.",
        design.unequal_training,
    ),
    Rule(
        "ABL016",
        "Training diverged",
        "A loss or a gradient became NaN or infinite, which ends a run.",
        "That an arm cannot be trained reliably is a finding in itself; its other runs may have come close to "
        "diverging.",
        "Lower training.optimiser.learning_rate, lengthen the warm-up or set training.clip_norm, for all arms "
        "alike; then --retry-failed.",
        training.diverged,
        about="runs",
    ),
    Rule(
        "ABL017",
        "Gradients are clipped in most steps",
        f"Over an arm's finished runs, more than {percent(training.CLIPPED)} of the steps clipped their gradient.",
        "Clipping is meant for rare outliers. When most steps are clipped, all steps weigh the same however wrong the "
        "model is, and arms whose gradients differ in scale are slowed down differently.",
        "Raise training.clip_norm above the usual norm of the gradient, or set it to null, and see whether the "
        "verdict stays.",
        training.clipped,
    ),
    Rule(
        "ABL018",
        "The learning rate rises at the end",
        "In a finished run the learning rate at the end of the last epoch is above the rate one epoch earlier.",
        "The model had begun to settle, and the rising rate moves it again: it is scored in the middle of a move. This "
        "happens if a cosine schedule leaves out the warm-up but counts from the first step, as in the seed "
        "experiment, or if training ends within its warm-up.",
        "Use a schedule that falls to its floor at the last step (training.schedule.begins: after_warmup), and a "
        "warm-up that is shorter than training.",
        training.rising_rate,
    ),
    Rule(
        "ABL019",
        "Training had not converged",
        "In more than half of an arm's runs that reached their last epoch, the last quarter of the epochs "
        f"({training.LEAST_EPOCHS} or more in all) brought over {percent(training.STILL_GAINS)} of the validation "
        f"skill gained since the first epoch, and over {training.STILL_GAINS_SKILL:g} of skill.",
        "An arm that learns more slowly is judged before it is done: the arms may be ranked by their speed.",
        "Raise training.epochs for all arms until the curves are flat, and set training.patience to stop in time.",
        training.not_converged,
    ),
    Rule(
        "ABL020",
        "Over-fitting",
        "Losses are shares of the first epoch's loss, mean over components, so it does not matter which side has "
        "the harder items or how large a component's loss is. In more than half of an arm's runs, the share that is "
        f"left of validation loss at the scored epoch is over {training.GAP:g} more than the share left of training "
        f"loss; or validation loss ends more than {percent(round(training.RISES - 1, 3))} above its minimum while "
        "training loss kept falling.",
        "What the model learned from its training items does not carry over to others: it knows them by heart. The "
        "scores come from the epoch with the best validation score, not from later ones; but differences "
        "between arms may be differences in how fast they over-fit.",
        "More items, a smaller model, dropout or augmentation; training.patience ends a run that no longer gains.",
        training.over_fitting,
    ),
    Rule(
        "ABL021",
        "Failures are unequal between arms",
        f"At least {records.FAILED_MORE} more runs of one arm failed than of another.",
        "If failing depends on the arm, only the repeats that suited it are left, and a comparison over them "
        "is in its favour.",
        "Remove the cause of the failures before you compare; count failing against the arm.",
        records.uneven_failures,
        about="runs",
    ),
    Rule(
        "ABL022",
        "No better than a naive prediction",
        "The interval of an arm's skill reaches 0 or below, or the intervals of all arms' skill on some component do. "
        "At skill 0 the loss equals the loss of the best prediction without learning.",
        "Arms that learned nothing still differ by chance and by how they fail: it means little which of them is "
        "better.",
        "Read no meaning into these verdicts. Check that the inputs can predict the target at all, or train longer.",
        data.naive,
    ),
    Rule(
        "ABL023",
        "Runs differ in machine or threads",
        "Device, precision, platform, processor or number of threads is not the same for all runs. Such runs are still "
        "reported together; the text names those that differ from most.",
        "Sums in another order round differently, and times of runs on different machines cannot be compared.",
        "Train all arms on one kind of machine, with the same --threads, into a fresh home.",
        records.mixed_machines,
        about="runs",
    ),
    Rule(
        "ABL024",
        "A group is on two sides of the split",
        "In the split that a run drew, items of one group were on more than one of the training, validation and test "
        "sides. Splits are drawn group by group, and a corpus whose own split divides a group is refused, so only "
        "another way of splitting makes this warn.",
        "Items of a group resemble one another, so the model already knows what it is tested on.",
        "Do not believe any score of these runs. Split by the group of items.csv, and train again into a fresh home.",
        data.divided_groups,
    ),
    Rule(
        "ABL025",
        "Test items were read during selection",
        "A run had read windows of test items when its epoch was chosen. The passes over the corpus count what they "
        "read. mmstudy itself reads test items only afterwards, so only changed code makes this warn.",
        "A choice that could see the test items is fitted to them: their score is no longer a score on unseen data.",
        "Find out which code reads them before the epoch is chosen, then train again into a fresh home.",
        data.early_test,
    ),
    Rule(
        "ABL026",
        "Gates are stuck open or shut",
        f"Over an arm's finished runs, more than {percent(training.SATURATED)} of a gate's values on validation "
        "windows are below 0.05 or above 0.95, at steps with two modalities or more to choose between.",
        "There a sigmoid passes on less than a fifth of the gradient that it passes on half open, so the gate hardly "
        "follows its inputs: the fusion is close to a fixed sum, and its gates do not say when a modality matters.",
        "Lower training.optimiser.learning_rate or raise training.optimiser.weight_decay for all arms alike. Do not "
        "interpret the gates.",
        training.saturated,
    ),
    Rule(
        "ABL027",
        "A test item is a copy of another side's",
        "In some repeat an item of the test side has, in all steps of a modality that moves, exactly the values of an "
        "item of the training or validation side.",
        "One recording has two names: the model is tested on what it was trained or chosen on. Groups cannot "
        "help if nobody knows that the two belong together.",
        "Remove the copy from items.csv, or give both items one group there, then run the study again.",
        data.twins,
    ),
    Rule(
        "ABL028",
        "The winner lies at the edge of the search space",
        f"A number that won a search is within {percent(EDGE)} of an end of its range (of its logarithm, where it was "
        "searched by orders of magnitude).",
        "The optimum may lie beyond the range, so the arm is not shown at its best.",
        "Widen the range and run the study under another name: the old trials never tried values beyond it.",
        search.edge,
        about="runs",
    ),
    Rule(
        "ABL029",
        "Items that chose a setting also confirm it",
        "The study has a search, and each repeat drew its test groups from all groups, so the search had trained on or "
        "validated on nearly all of them when it chose. A corpus that fixes its test side keeps them apart, and so "
        "does split.test_drawn: once, the default of studies with a search.",
        "A setting that was chosen on some items suits these items; a score on them promises too much for other items.",
        "Leave split.test_drawn at once, or fill the column split of items.csv, and run the study under another name.",
        search.seen_by_the_search,
    ),
    Rule(
        "ABL030",
        "Finished runs have no score",
        "A run finished, but its score on the study's metric is NaN or infinite: its test items have nothing that the "
        "metric could be measured on, or a naive loss is 0.",
        "Means, intervals and comparisons leave such runs out. They rest on fewer repeats than were trained, and on "
        "repeats whose test items happen to favour the metric.",
        "Look at what the metric needs on the test items of these repeats. Choose a metric that has a value on every "
        "draw, or let the corpus fix a test side that has enough.",
        records.without_score,
        about="scores",
    ),
    Rule(
        "ABL031",
        "The search is not finished",
        "The study has a search, and its budget is not used up, or nothing was searched with these options. A search "
        "belongs to a study with its corpus, preset and changed settings, whatever the metric and repeats of a report.",
        "Arms that the search has yet to find are in no table, and arms that it has yet to tune are shown as written. "
        "Holm's correction counts only the comparisons that are there; with the others added, every corrected p may "
        "rise.",
        "Run the study with the same options: that finishes the search and trains what it finds.",
        search.unfinished,
        about="runs",
    ),
    Rule(
        "ABL032",
        "One component decides for all",
        "In a comparison on a metric over several components, components are shown to disagree (one better, another "
        f"worse); or the arms are shown to differ, and one component makes up more than {round(100 * dominance.MOST)} "
        f"% of the sum of the components' absolute differences ({percent(dominance.MOST_OF_TWO)} if there are two "
        f"components); or, from {dominance.LEAST_PAIRS} pairs of repeats on, it makes up more than that share of the "
        "sum of their variances.",
        "A mean over components then says little about most of them: the gain, loss or noise of one hides the others.",
        "Read the verdicts by component. A metric COMPONENT/MEASURE measures one of them. If components differ "
        "in scale, look at the target of the one that decides.",
        design.one_component,
        about="scores",
    ),
    Rule(
        "ABL033",
        "A verdict holds for the tested items alone",
        "All repeats share their test items, and a verdict on the study's metric holds “on these items” only.",
        "Other items of the same corpus may not agree. In most studies whose repeats share their test items, equally "
        "good arms get such a verdict.",
        "Test more items, in more groups. Or let each repeat draw its own test items: leave out the column split of "
        "items.csv, and set split.test_drawn: each_repeat.",
        design.only_these_items,
        about="scores",
    ),
    Rule(
        "ABL034",
        "Few groups are tested",
        f"All repeats share their test items, and these come from fewer than {FEW_GROUPS} groups; or each repeat draws "
        f"its test groups anew from a corpus of fewer than {FEW_GROUPS}.",
        "A verdict about new items rests on how much the tested groups agree. Few groups often agree by chance, and "
        "one group alone says nothing about another.",
        "Test more groups: raise split.test, mark more in the column split of items.csv, or record more.",
        design.few_groups,
    ),
    Rule(
        "ABL035",
        "A stream does not overlap the others in time",
        "An item has a file of a modality, or of the targets, whose times overlap with its other streams nowhere or "
        "hardly anywhere.",
        "For the model such a stream is absent although its file is there, so a helpful modality looks useless.",
        "Set offset (seconds) or rate (a factor) of that modality in corpus.yaml, as mmstudy data inspect suggests; "
        "mmstudy data inspect --lag finds smaller shifts.",
        data.apart,
    ),
    *CORPUS_RULES,
    *SCORE_RULES,
)
