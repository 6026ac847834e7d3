"""Every check that a report makes, in the order of its code.

A new check is a function in one of this package's files and one entry here, or in ``item_rules.py`` or
``corpus_rules.py`` where it is about test items or the corpus, with the next code; a code is never reused.
"""

from __future__ import annotations

from mmcore.language import later
from reports.checks import data, design, records, training
from reports.checks.corpus_rules import CORPUS_RULES
from reports.checks.item_rules import ITEM_RULES
from reports.checks.looks import LOOK_RULES
from reports.checks.margins import MARGIN_RULES
from reports.checks.precision import PRECISION_RULES
from reports.checks.rule import Rule
from reports.checks.score_rules import SCORE_RULES
from reports.numbers import percent

RULES = (
    Rule(
        "ABL001",
        later("The target is part of the input"),
        "The task is leaky: `reconstruct` predicts the steps that the model reads.",
        later("Copying the input scores perfectly, so these scores say nothing about prediction."),
        later("Use task forecast to measure prediction."),
        data.leaky,
    ),
    Rule(
        "ABL002",
        later("Runs failed"),
        "Any run of the study failed.",
        later(
            "Comparisons use the repeats that finished in both arms. If runs fail because of the arm, the scores "
            "that are left make it look better than it is."
        ),
        later("Remove the cause, then run the study again with --retry-failed."),
        records.failed,
        about="runs",
    ),
    Rule(
        "ABL003",
        later("Fewer repeats than requested"),
        "An arm has fewer runs than the study has repeats.",
        later(
            "Verdicts rest on the runs that are there. Stopping as soon as a result pleases makes chance look like a "
            "finding."
        ),
        later("Run the study again: it adds what is missing."),
        records.fewer_repeats,
        about="runs",
    ),
    Rule(
        "ABL004",
        later("Too few repeats for any claim"),
        "The smallest p that the number of repeats allows, 2/2ⁿ, is above alpha after Holm's correction.",
        later(
            "However large the effect, the test cannot tell it from chance: no verdict is possible, not even in "
            "principle."
        ),
        later(
            "Add repeats (--repeats), or compare fewer arms. If the study has enough repeats but runs failed, are "
            "missing or have no score, fix these first (ABL002, ABL003, ABL030)."
        ),
        design.too_few_repeats,
        about="scores",
    ),
    Rule(
        "ABL005",
        later("The head cannot tell tracks apart"),
        "The target has several tracks and an arm uses the shared head.",
        later(
            "This head is one affine map of the encoder's state for all tracks, so no two tracks can move "
            "differently: scores measure the limit of the head, not what the encoder knows."
        ),
        later("Use model.head.kind per_track, residual or track_tokens."),
        design.shared_head,
    ),
    Rule(
        "ABL006",
        later("Uncommitted changes"),
        "A run came from a git checkout whose code had uncommitted changes.",
        later("The commit does not say which code ran, so nobody can repeat the run."),
        later("Commit, then train again into a fresh home."),
        records.uncommitted,
        about="runs",
    ),
    Rule(
        "ABL007",
        later("Runs from different commits"),
        "Runs of the study came from more than one commit.",
        later("The changes in the code between them may be part of a difference between arms."),
        later("If the changes affect training or scoring, train all arms again from one commit, into a fresh home."),
        records.mixed_commits,
        about="runs",
    ),
    Rule(
        "ABL008",
        later("Runs from different package versions"),
        "Python or a package had more than one version among the runs.",
        later("Libraries change numerics and defaults. Such a change may be part of a difference between arms."),
        later("Train all arms in one environment, into a fresh home."),
        records.mixed_versions,
        about="runs",
    ),
    Rule(
        "ABL009",
        later("A component has nothing or hardly anything to predict"),
        "A component has no score in any run: its target never varies on the test items, or its naive loss is 0. Or it "
        f"hardly varies: in more than {percent(data.MOST)} of the test items its naive loss is below a fifth of the "
        "mean over all test items.",
        later(
            "Without a score the component counts neither for nor against an arm. If it hardly varies, a few items "
            "decide its skill, and that skill counts as much as another component's."
        ),
        later(
            "Look at the component's target in the corpus. A metric COMPONENT/MEASURE measures one other component "
            "alone."
        ),
        data.nothing_to_predict,
    ),
    Rule(
        "ABL010",
        later("Arms that should be matched differ in size"),
        "The study matches arms, and the size of one differs from the reference's by more than the tolerance. Arms "
        "that are kept as written beside a matched duplicate are left out.",
        later("These arms may differ because of size, which matching was meant to rule out."),
        later("Give the arm finer steps of width (fewer heads), or allow a larger tolerance and say so."),
        design.unmatched,
    ),
    Rule(
        "ABL011",
        later("A prediction depends on what it may not know"),
        "In a trained model, the gradient of a prediction with respect to a step that it may not know is not exactly "
        "0.",
        later("The model sees what it has to predict: its scores cannot be believed."),
        later("Look for a part of the model that looks ahead, and test that part as the fusion contract does."),
        data.forbidden,
    ),
    Rule(
        "ABL012",
        later("All runs share one split"),
        "All finished runs are of a single repeat. Where the corpus fixes the test items, or split.test_drawn is once, "
        "all runs share them on purpose, and the check does not apply.",
        later(
            "It is unknown how much scores vary by chance, so it is unknown whether any difference is more than chance."
        ),
        later("Add repeats (--repeats)."),
        design.one_split,
        about="runs",
    ),
    Rule(
        "ABL013",
        later("Arms differ in more than one setting"),
        "Two arms that are compared differ in two or more settings. A part of another kind counts once, and so do "
        "width, feed-forward and layers together; changes made by matching do not count. The set of modalities is one "
        "setting, however many it gains or loses, since a study may be about the set: where a comparison changes "
        "several at once, and no other comparison changes each of them by itself, the check passes and says so.",
        later(
            "The comparison is sound, but it is about all the changes together. Which of them makes the difference "
            "stays open."
        ),
        later("Add an arm for each change by itself (design one_factor), or all combinations (design factorial)."),
        design.many_factors,
        about="runs",
    ),
    Rule(
        "ABL014",
        later("Arms differ in size"),
        f"The study does not match arms, and of two arms that are compared one has more than {design.UNEQUAL:g} times "
        "the other's parameters. Comparisons that differ in width, feed-forward, layers or heads alone are about "
        "size and are left out.",
        later("A larger model often scores better whatever the idea behind it."),
        later("Repeat the study with --match parameters and see whether the verdict stays."),
        design.unequal_size,
        about="runs",
    ),
    Rule(
        "ABL015",
        later("Arms differ in how long they train"),
        f"Of two arms that are compared, one took more than {design.UNEQUAL:g} times as many steps as the other, or "
        f"saw more than {design.UNEQUAL:g} times as many windows, in repeats that neither stopped early. Comparisons "
        "that differ in epochs, steps_per_epoch, batch or stride alone are about the length of training and are left "
        "out.",
        later("Longer training often scores better whatever the idea behind it."),
        later("Give both arms the same training.epochs, training.steps_per_epoch, training.batch and data.stride."),
        design.unequal_training,
    ),
    Rule(
        "ABL016",
        later("Training diverged"),
        "A loss or a gradient became NaN or infinite, which ends a run.",
        later(
            "That an arm cannot be trained reliably is a finding in itself; its other runs may have come close to "
            "diverging."
        ),
        later(
            "Lower training.optimiser.learning_rate, lengthen the warm-up or set training.clip_norm, for all arms "
            "alike; then --retry-failed."
        ),
        training.diverged,
        about="runs",
    ),
    Rule(
        "ABL017",
        later("Gradients are clipped in most steps"),
        f"Over an arm's finished runs, more than {percent(training.CLIPPED)} of the steps clipped their gradient.",
        later(
            "Clipping is meant for rare outliers. When most steps are clipped, all steps weigh the same however "
            "wrong the model is, and arms whose gradients differ in scale are slowed down differently."
        ),
        later(
            "Raise training.clip_norm above the usual norm of the gradient, or set it to null, and see whether the "
            "verdict stays."
        ),
        training.clipped,
    ),
    Rule(
        "ABL018",
        later("The learning rate rises at the end"),
        "In a finished run the learning rate at the end of the last epoch is above the rate one epoch earlier.",
        later(
            "The model had begun to settle, and the rising rate moves it again: it is scored in the middle of a "
            "move. This happens if a cosine schedule leaves out the warm-up but counts from the first step, as in "
            "the seed experiment, or if training ends within its warm-up."
        ),
        later(
            "Use a schedule that falls to its floor at the last step (training.schedule.begins: after_warmup), and a "
            "warm-up that is shorter than training."
        ),
        training.rising_rate,
    ),
    Rule(
        "ABL019",
        later("Training had not converged"),
        "In more than half of an arm's runs that reached their last epoch, the last quarter of the epochs "
        f"({training.LEAST_EPOCHS} or more in all) brought over {percent(training.STILL_GAINS)} of the validation "
        f"skill gained since the first epoch, and over {training.STILL_GAINS_SKILL:g} of skill.",
        later("An arm that learns more slowly is judged before it is done: the arms may be ranked by their speed."),
        later(
            "Raise training.epochs for all arms until the curves are flat, and set training.patience to stop in time."
        ),
        training.not_converged,
    ),
    Rule(
        "ABL020",
        later("Over-fitting"),
        "Losses are shares of the first epoch's loss, mean over components, so it does not matter which side has "
        "the harder items or how large a component's loss is. In more than half of an arm's runs, the share that is "
        f"left of validation loss at the scored epoch is over {training.GAP:g} more than the share left of training "
        f"loss; or validation loss ends more than {percent(round(training.RISES - 1, 3))} above its minimum while "
        "training loss kept falling.",
        later(
            "What the model learned from its training items does not carry over to others: it knows them by heart. The "
            "scores come from the epoch with the best validation score, not from later ones; but differences "
            "between arms may be differences in how fast they over-fit."
        ),
        later(
            "More items, a smaller model, dropout or augmentation; training.patience ends a run that no longer gains."
        ),
        training.over_fitting,
    ),
    Rule(
        "ABL021",
        later("Failures are unequal between arms"),
        f"At least {records.FAILED_MORE} more runs of one arm failed than of another.",
        later(
            "If failing depends on the arm, only the repeats that suited it are left, and a comparison over them "
            "is in its favour."
        ),
        later("Remove the cause of the failures before you compare; count failing against the arm."),
        records.uneven_failures,
        about="runs",
    ),
    Rule(
        "ABL022",
        later("No better than a naive prediction"),
        "The interval of an arm's skill reaches 0 or below, or the intervals of all arms' skill on some component do. "
        "At skill 0 the loss equals the loss of the best prediction without learning.",
        later(
            "Arms that learned nothing still differ by chance and by how they fail: it means little which of them is "
            "better."
        ),
        later(
            "Read no meaning into these verdicts. Check that the inputs can predict the target at all, or train longer."
        ),
        data.naive,
    ),
    Rule(
        "ABL023",
        later("Runs differ in machine or threads"),
        "Device, precision, platform, processor or number of threads is not the same for all runs, or some runs were "
        "trained several as one batch (--pack) and others one by one. Such runs are still reported together; the text "
        "names those that differ from most. A precision that the study asks for is left to ABL045.",
        later("Sums in another order round differently, and times of runs on different machines cannot be compared."),
        later("Train all arms on one kind of machine, with the same --threads and --pack, into a fresh home."),
        records.mixed_machines,
        about="runs",
    ),
    Rule(
        "ABL024",
        later("A group is on two sides of the split"),
        "In the split that a run drew, items of one group were on more than one of the training, validation and test "
        "sides. Splits are drawn group by group, and a corpus whose own split divides a group is refused, so only "
        "another way of splitting makes this warn.",
        later("Items of a group resemble one another, so the model already knows what it is tested on."),
        later(
            "Do not believe any score of these runs. Split by the group of items.csv, and train again into a fresh "
            "home."
        ),
        data.divided_groups,
    ),
    Rule(
        "ABL025",
        later("Test items were read during selection"),
        "A run had read windows of test items when its epoch was chosen. The passes over the corpus count what they "
        "read. mmstudy itself reads test items only afterwards, so only changed code makes this warn.",
        later(
            "A choice that could see the test items is fitted to them: their score is no longer a score on unseen data."
        ),
        later("Find out which code reads them before the epoch is chosen, then train again into a fresh home."),
        data.early_test,
    ),
    Rule(
        "ABL026",
        later("Gates are stuck open or shut"),
        f"Over an arm's finished runs, more than {percent(training.SATURATED)} of a gate's values on validation "
        "windows are below 0.05 or above 0.95, at steps with two modalities or more to choose between.",
        later(
            "There a sigmoid passes on less than a fifth of the gradient that it passes on half open, so the gate "
            "hardly follows its inputs: the fusion is close to a fixed sum, and its gates do not say when a modality "
            "matters."
        ),
        later(
            "Lower training.optimiser.learning_rate or raise training.optimiser.weight_decay for all arms alike. Do "
            "not interpret the gates."
        ),
        training.saturated,
    ),
    *ITEM_RULES,
    *CORPUS_RULES,
    *SCORE_RULES,
    *PRECISION_RULES,
    *LOOK_RULES,
    *MARGIN_RULES,
)
