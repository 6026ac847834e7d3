"""What the page puts first, what a caption says at once, and what a paper may take from a report."""

import html
import re
from dataclasses import replace

import pytest
from factories import foreign
from factories.answers_of_errors import errors_answer
from factories.records import changed

from mmcore.config import build_config
from reports.output.glossary import TERMS, meaning_of, terms_of
from reports.output.page import brief, doubts, in_two, ui_command, verdict_groups
from reports.output.paper import bibliography, methods_paragraphs
from reports.output.render import as_html, as_markdown
from reports.records.frame import tidy
from reports.records.origin import Origin
from reports.sections.error_analysis.figures import figures
from reports.sections.error_analysis.section import section
from reports.summary.build import summarise
from reports.summary.setup import NOT_SET, setup_of


def told(summary):
    return " ".join(methods_paragraphs(summary))


@pytest.mark.parametrize(
    ("text", "first", "rest"),
    [
        ("One sentence.", "One sentence.", ""),
        ("One. Two. Three.", "One.", "Two. Three."),
        ("Points, e.g. Those of audio, are means. More.", "Points, e.g. Those of audio, are means.", "More."),
        ("", "", ""),
    ],
)
def test_a_caption_says_its_first_sentence_at_once(text, first, rest):
    said = in_two(text)
    assert (said.first, said.rest) == (first, rest)


@pytest.mark.parametrize("pause", [", and ", " (which ", ": by ", " "])
def test_a_long_caption_ends_early_and_follows_whole(pause):
    text = f"{'word ' * 12}word{pause}{'more ' * 30}end. Next."
    said = in_two(text, 100)
    assert len(said.first) <= 102
    assert said.first.endswith(" …")
    assert said.rest == text


def test_what_is_not_shown_is_said_once(summary_of, study_of):
    study = study_of(("a", "b", "c", "d"), repeats=10)
    summary = summary_of(study, effects={"b": 0.3, "c": 0.2})
    found = doubts(summary)
    assert [v.verdict for v in summary.verdicts] == ["better", "better", "undecided"]
    assert [d.about for d in found] == ["'b' against 'a' and 'c' against 'a'", "'d' against 'a'"]
    assert (
        found[0].text == "Not shown: that the same holds on another corpus, or with other settings than this study's."
    )
    assert found[1].text == "It is not shown that one is better, nor that both are equal."
    (only,) = doubts(summary_of(study_of(("a", "b"), repeats=10), effects={"b": 0.3}))
    assert only.about == ""
    assert "another corpus" in only.text


def test_many_verdicts_are_counted_by_kind(summary_of, study_of):
    names = ("a", *(f"b{i}" for i in range(7)))
    summary = summary_of(study_of(names, repeats=12), effects={"b0": 0.4, "b1": 0.4, "b2": -0.4})
    groups = verdict_groups(summary.primary)
    assert sum(g.count for g in groups) == 7
    better = groups[0]
    assert (better.verdict, better.word, [arm for arm, _ in better.arms]) == ("better", "Better than a", ["b0", "b1"])
    (undecided,) = (d for d in doubts(summary) if d.text.startswith("Undecided"))
    assert undecided.text.startswith(f"Undecided ({sum(v.verdict == 'undecided' for v in summary.verdicts)})")
    pairs = [("b", "a"), ("c", "a"), ("c", "b")]
    several = verdict_groups(summary_of(study_of(("a", "b", "c"), repeats=3, pairs=pairs)).primary)
    assert several[0].arms == (("b", " against a"), ("c", " against a and b"))


def test_too_few_repeats_come_without_numbers_beside_the_verdict(summary_of, study_of):
    few, enough = (summary_of(study_of(repeats=n)) for n in (3, 10))
    assert brief(few.primary[0], few) == ""
    line = brief(enough.primary[0], enough)
    d = enough.primary[0].paired.difference
    assert line.startswith(f"{d.mean:.3f} more skill (95 % interval {d.low:.3f} to {d.high:.3f}); ahead in 10 of 10")
    at_once = as_html(few).split('id="verdicts"')[1].split("<details")[0]
    assert "interval" not in html.unescape(at_once).replace("\N{NO-BREAK SPACE}", " ").split("</h3>")[1]


def test_equivalence_is_shown_by_the_margin_and_not_by_a_p(summary_of, study_of):
    summary = summary_of(study_of(("a", "b"), repeats=12, margin=0.2), effects={})
    (row,), (d,) = summary.primary, doubts(summary)
    assert row.verdict == "equivalent"
    edges = f"90 % interval {row.paired.narrow.low:.3f} to {row.paired.narrow.high:.3f}".replace("-", "−")
    for text in (brief(row, summary), methods_paragraphs(summary)[2]):
        assert edges in text
        assert "p " not in text
    assert "within the margin of ±0.200" in brief(row, summary)
    assert d.text == "Not shown: that there is no difference at all."


def test_settings_that_differ_are_bold_beside_the_reference(study_of, records_of):
    study = study_of(("a", "b", "c"), repeats=3)

    def config(i):
        return build_config(
            {"corpus": "x", "model": {"width": 64, "fusion": {"kind": ("add", "gated", "concat")[i]}},
             "training": {"epochs": (5, 5, 9)[i]}}
        )  # fmt: skip

    study = replace(study, arms=tuple(replace(arm, config=config(i)) for i, arm in enumerate(study.arms)))
    results = tidy(study, records_of(study))
    setup = setup_of(results)
    differing = {s.path: s for s in setup.differing}
    assert {"model.fusion.kind", "training.epochs"} <= set(differing)
    assert differing["training.epochs"].values == ("5", "5", "9")
    assert differing["training.epochs"].differs == (False, False, True)
    assert differing["model.fusion.kind"].differs == (False, True, True)
    common = dict(setup.common)
    assert common["model.width"] == "64"
    assert common["model.modalities"] == "all"
    assert common["model.causal"] == NOT_SET
    assert not {"corpus", "repeat"} & {path.split(".")[0] for path in common}
    table = as_html(summarise(results)).split('id="setup"')[1].split("</table>")[0]
    assert re.findall(r"<strong>(\w+)</strong>", table).count("9") == 1
    assert "<strong>5</strong>" not in table


def test_a_setting_that_only_one_arm_has_is_a_dash_elsewhere():
    frame = foreign.scores({"a": 0.1, "b": 0.2})
    setup = setup_of(foreign.results(frame, settings={"a": {"layers": 2}, "b": {"layers": 2, "heads": {"count": 4}}}))
    assert [(s.path, s.values, s.differs) for s in setup.differing] == [("heads.count", (None, "4"), (False, True))]
    assert setup.common == (("layers", "2"),)
    assert setup.sizes == ()


def test_sizes_of_every_repeats_sides_are_told(study_of, records_of):
    study = study_of(repeats=3)
    records = [changed(r, "split.train.items", 24 + r.repeat) for r in records_of(study)]
    setup = setup_of(tidy(study, records))
    assert setup.sides == ("train", "validation", "test")
    assert [[one.items for one in row.sizes] for row in setup.sizes] == [[24 + r, 8, 8] for r in range(3)]
    assert setup.grouped
    page = as_html(summarise(tidy(study, records)))
    assert "train 24–26, validation 8, test 8 items a repeat" in page
    assert "24 to 26 training items, 8 validation items and 8 test items" in told(summarise(tidy(study, records)))


def test_a_side_of_one_item_is_told_in_the_singular(study_of, records_of):
    study = study_of(repeats=2)
    records = [changed(changed(r, "split.train.items", 1), "split.test.items", 1) for r in records_of(study)]
    summary = summarise(tidy(study, records))
    page = as_html(summary)
    assert "train 1, validation 8, test 1 item a repeat" in page
    assert "1 training and 1 test item a repeat" in page
    assert "1 training item, 8 validation items and 1 test item" in told(summary)


def test_naive_baselines_stand_beside_every_score(summary_of):
    summary = summary_of()
    page = as_html(summary)
    arms = page.split('id="arms"')[1].split("</table>")[0]
    assert arms.index("multimodal") < arms.index("persistence") < arms.index("constant")
    measures = page.split('id="details-measures"')[1].split("</table>")[0]
    heads = [html.unescape(h) for h in re.findall(r'<th scope="col"[^>]*>([^<]+)', measures)]
    assert [h.strip() for h in heads] == ["measure", "of", "persistence", "constant", "track_only", "multimodal"]
    row = measures.split("<tbody>")[1].split("</tr>")[0]
    keys = [float(k) for k in re.findall(r'data-value="([^"]+)"', row)]
    assert keys[:2] == pytest.approx([*summary.measures[0].baselines])
    assert keys[2:] == pytest.approx([e.mean for e in summary.measures[0].arms])


def test_methods_tell_the_facts_of_the_study(summary_of, study_of):
    summary = summary_of(study_of(("a", "b", "c"), repeats=10, margin=0.02), effects={"b": 0.3, "c": 0.3})
    text = told(summary)
    row = summary.primary[0]
    assert "10 repeats of every arm" in text
    assert "(24 training items, 8 validation items and 8 test items)" in text
    assert "exact sign-flip test" in text
    assert "n_test/n_train = 0.333" in text
    assert "both p values were corrected by Holm's method for 2 comparisons" in text
    assert "90 % interval of their difference lies within ±0.020" in text
    assert f"'b' is better than 'a' (difference +{row.shown.mean:.3f}" in text
    assert "do not cover another corpus" in text


@pytest.mark.parametrize("repeats", [1, 3, 8])
def test_methods_claim_no_more_than_the_verdicts(summary_of, study_of, repeats):
    summary = summary_of(study_of(("a", "b"), repeats=repeats), effects={})
    text = told(summary)
    assert all(v.headline[:-1] in text for v in summary.verdicts)
    assert not re.search(r"'b' is (better|worse|as good)", text.replace("whether 'b' is better", ""))
    if repeats == 1:
        assert "interval –" not in text
        assert "nan" not in text


def test_methods_count_what_is_missing_and_repeat_every_warning(summary_of, study_of):
    summary = summary_of(study_of(repeats=10), failures=[("multimodal", 2)], leaky=True)
    text = told(summary)
    assert "Of the 10 repeats planned for every arm, 9 to 10 have a score" in text
    assert "1 run failed" in text
    assert summary.warnings
    assert all(f"{c.title} ({c.code})" in text for c in summary.warnings)


def test_methods_of_other_scores_claim_no_split_and_no_training():
    frame = foreign.scores({"a": 0.1, "b": 0.2})
    text = told(summarise(foreign.results(frame, paired=False, covers="Verdicts are about new seeds.")))
    assert "not paired" in text
    assert "permutation test" in text
    assert "new seeds" in text
    assert not re.search("split|PyTorch|sign-flip|corpus", text)


def test_many_data_sets_have_doubts_and_methods_of_their_own():
    frame = foreign.scores({"a": 0.1, "b": 0.2}, parts=["iris", "wine", "cars"])
    summary = summarise(foreign.results(frame, part="data set"))
    assert [d.text for d in doubts(summary)] == [summary.across.limits]
    covers = "Verdicts are about new seeds of this code."
    covering = as_html(summarise(foreign.results(frame, part="data set", covers=covers)))
    # Once among the doubts of the first screen, and not again right below them.
    assert f'<li class="not-shown">{covers}' in covering
    assert f'<p class="soft">{covers}' not in covering
    text = told(summary)
    assert "8 repeats of every arm on each data set, paired by repeat." in text
    assert "corrected by Holm's method for the 3 data sets of a pair of arms" in text
    assert "'b' is better than 'a' on wine (difference +" in text


def test_many_results_are_counted(summary_of, study_of):
    summary = summary_of(study_of(("a", *(f"b{i}" for i in range(8))), repeats=12), effects={"b0": 0.4})
    assert "Of 8 comparisons, the verdicts are: 1 better, 7 undecided." in told(summary)


def test_bibtex_is_well_formed_whatever_a_study_is_called(summary_of, study_of):
    hostile = summary_of(study_of(name="a{b}%_ü日", question="100 % {of} \\ & x_y?"))
    for text in (bibliography(hostile), bibliography(summary_of())):
        assert re.search(r"^@(\w+)\{([\w-]+),$", text, re.MULTILINE).groups() == ("software", "mmstudy")
        depth = 0
        for escaped in re.sub(r"\\[{}]", "", text):
            depth += (escaped == "{") - (escaped == "}")
            assert depth >= 0
        assert depth == 0
    assert "100 \\% \\{of\\}" in bibliography(hostile)
    assert "year = {2026}" in bibliography(summary_of())


@pytest.mark.parametrize(
    ("rebuild", "command"),
    [
        ("mmstudy report x --preset quick", "mmstudy ui track_vs_multimodal"),
        ("mmstudy --home '/my runs' report x", "mmstudy --home '/my runs' ui track_vs_multimodal"),
        (None, ""),
    ],
)
def test_the_command_that_opens_mlflow_knows_the_home(study_of, records_of, rebuild, command):
    study = study_of(repeats=2)
    summary = summarise(tidy(study, records_of(study), (), Origin(rebuild=rebuild)))
    assert ui_command(summary) == command
    assert ('id="details-mlflow"' in as_html(summary)) == bool(command)


def test_the_glossary_of_other_code_says_what_its_verdicts_are_about(summary_of):
    covers = "Verdicts are about new seeds of this training code."
    runner = summarise(
        foreign.results(foreign.scores({"a": 0.1, "b": 0.2}), ran=True, called="this runner", covers=covers)
    )
    terms = dict(terms_of(runner))
    assert terms["verdict"].startswith(covers)
    assert not {"FLOPs", "complete items", "skill", "new items"} & set(terms)
    for text in (as_html(runner), as_markdown(runner)):
        assert "new items of this corpus" not in text
    assert terms_of(summary_of()) == tuple((name, meaning_of(meaning)) for name, meaning in TERMS)


def test_a_label_that_changes_is_no_edit(results_of):
    results = results_of(items=6)

    def renamed(answer):
        conditions = tuple(c.model_copy(update={"name": "edit"}) for c in answer.result.conditions)
        return replace(answer, result=answer.result.model_copy(update={"conditions": conditions}))

    answers = [renamed(errors_answer(a.name, r, 1 + 0.01 * r)) for a in results.study.arms for r in range(8)]
    for task, word in (("forecast", "edit"), ("label", "label changes")):
        labelled = replace(results, analyses=tuple(answers), corpus=replace(results.corpus, task=task))
        found = section(labelled)
        assert found.findings
        assert all(f"“{word}: " in f.text for f in found.findings)
        drawn = [f for f in figures(labelled) if f.name.startswith("errors_") and f.frame().size]
        assert [("small ticks below the first line are edits" in f.description) for f in drawn[1:]] == (
            [task != "label"] * len(drawn[1:])
        )
        assert len(drawn) > 1
        # Tables name the condition as the answers do.
        assert {row[1] for row in found.tables[0].table.rows} == {"edit"}
