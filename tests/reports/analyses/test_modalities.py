"""Words about modalities, where what is true was put in; and everything that may be missing."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from factories.answers import changed
from factories.lattices import COMPONENTS, FLOOR, NAMES, arm_of, asked, lattice_study, trained, truth

from reports.sections.family import judge_together
from reports.sections.modalities import section as modalities
from reports.sections.modalities.dossier import Interplay, Part, Used, Useful
from reports.sections.modalities.lattice import lattices
from reports.sections.modalities.tables import RULES
from reports.sections.modalities.tests import assess
from reports.statistics.coalitions import interactions, last_gains, shapley
from reports.statistics.comparisons import compare
from reports.statistics.joint import joint_sign_flips
from reports.statistics.multiplicity import holm


def words(results, which="useful"):
    (dossier,) = assess(results)
    return {(p.modality, p.component): getattr(p, which) for p in dossier.parts}


# Words ---------------------------------------------------------------------------------------------------------------
def test_what_was_put_in_is_found(study_of, records_of):
    results = trained(lattice_study(study_of), records_of)
    useful = words(results)
    assert [name for name in NAMES if useful[name, "active"] == "useful"] == ["audio"]
    assert [name for name in NAMES if useful[name, "scale"] == "useful"] == ["audio", "visual"]
    assert (useful["visual", "position"], useful["track", "position"]) == ("redundant", "redundant")
    assert useful["audio", "position"] == "not needed"
    assert {useful[name, "crop"] for name in NAMES} == {"not needed"}
    assert (useful["audio", None], useful["visual", None]) == ("useful", "differs by component")
    (dossier,) = assess(results)
    pairs = {(p.one, p.other, p.component): p.word for p in dossier.pairs}
    assert pairs["audio", "visual", "scale"] == "together"
    assert pairs["visual", "track", "position"] == "overlap"
    assert {pairs["audio", "visual", "active"], pairs["audio", "track", "crop"]} <= {"apart", "not shown"}


def test_what_one_component_makes_or_components_disagree_on_is_not_said_of_the_whole(study_of, records_of):
    """Audio acts on one of three components; the track helps one and harms another; visual helps all alike."""

    def of(reads):
        audio, visual, track = (name in reads for name in NAMES)
        return {
            "active": 0.9 * audio + 0.2 * visual + 0.4 * track, "scale": 0.2 * visual - 0.1 * track,
            "position": 0.2 * visual,
        }  # fmt: skip

    names = ("active", "scale", "position")
    results = asked(trained(lattice_study(study_of), records_of, of, components=names), "+".join(NAMES), of)
    for which, words_of in (("useful", ("useful", "harmful")), ("used", ("used", "misleading"))):
        word = words(results, which)
        assert (word["audio", None], word["track", None]) == ("differs by component",) * 2
        assert word["visual", None] == words_of[0]
        assert (word["audio", "active"], word["track", "active"], word["track", "scale"]) == (
            *words_of[:1] * 2,
            words_of[1],
        )
    audio, visual, track = modalities.section(results).findings[:3]
    assert (audio.label, audio.tone) == ("differs by component", "open")
    assert audio.text.startswith("'audio' differs by component: ")
    assert "% of the effect is on active, and the trained model uses it differently by component" in audio.text
    assert "By component it is useful for active" in audio.text
    assert visual.label == "useful"
    assert "it helps active and harms scale" in track.text
    # Where the study's metric is one component's, that component is the whole.
    one = words(trained(lattice_study(study_of, metric="active/skill"), records_of, of, components=names))
    assert (one["audio", None], one["track", None], one["track", "scale"]) == ("useful", "useful", "harmful")


def test_shares_add_up_from_nothing_to_all(study_of, records_of):
    """The empty subset is the constant predictor: 0.5 of active over its floor belongs to audio alone."""
    (dossier,) = assess(trained(lattice_study(study_of), records_of, noise=0.0))
    for c, total in (("active", 0.5), ("scale", 0.6), ("position", 0.5), ("crop", 0.0)):
        shares = [p.share.estimate.mean for p in dossier.parts if p.component == c]
        level = np.mean([v for v in dossier.lattice.score(c, 7)]) - total - FLOOR
        assert sum(shares) == pytest.approx(total + level, abs=1e-9)


def test_a_modality_under_a_second_name_is_redundant(study_of, records_of):
    def twice(reads):
        return {"active": 0.4 * bool({"audio", "visual"} & set(reads)), "scale": 0.3 * ("track" in reads)}

    useful = words(trained(lattice_study(study_of), records_of, twice, components=("active", "scale")))
    assert (useful["audio", "active"], useful["visual", "active"]) == ("redundant", "redundant")
    assert useful["track", "scale"] == "useful"


def test_without_a_margin_nothing_is_shown_to_be_as_good(study_of, records_of):
    """That the share is above the gain is shown; that the gain is none cannot be."""
    results = asked(trained(lattice_study(study_of, margin=None), records_of), "+".join(NAMES))
    useful = words(results)
    assert useful["visual", "position"] == "partly redundant"
    assert useful["audio", "crop"] == "not shown"
    (dossier,) = assess(results)
    assert not any("does as well" in (p.disagreement or "") for p in dossier.parts if p.useful != "useful")
    texts = " ".join(f.text for f in modalities.section(results).findings)
    assert "partly redundant for position" in texts


def made(values, margin=0.02):
    """A test of some differences, alone in its family."""
    (test,) = judge_together([np.asarray(values)], alpha=0.05, overlap=1 / 3, margins=[margin])
    return test


def test_what_is_merely_undecided_is_not_called_redundant():
    """The gain's mean is 0.12 and its interval reaches 0: a model without it may do as well, or much worse."""
    gain = np.array([0.20, 0.16, 0.02, 0.18, -0.04, 0.22, 0.0, 0.19, 0.15, 0.05, 0.21, 0.10])
    wave = 0.01 * np.sin(np.arange(12))
    over = 0.15 + wave
    part = Part(
        "audio", None, made(gain), made(gain + over), made(over), None, made(0.3 + wave), {}, {}, None, None
    )  # fmt: skip
    assert part.gain.estimate.low < 0 < 0.1 < part.gain.estimate.mean
    assert (part.useful, part.used, part.disagreement) == ("partly redundant", "used", None)
    none = replace(part, gain=made(0.001 * wave))
    assert (none.useful, none.disagreement) == ("redundant", "is used, yet a model trained without it does as well")


def test_a_small_mean_with_a_wide_interval_is_not_shown_to_be_none():
    values = 0.018 + 0.008 * np.array([1, -1] * 6)
    found = made(values)
    assert (found.side, found.paired.narrow.high > 0.02, found.none, found.sign) == (1, True, False, 0)
    assert made(0.01 + 1e-4 * np.array([1, -1] * 6)).none


def test_two_that_bring_nothing_do_not_overlap(study_of, records_of):
    """Either of visual and track harms audio's part, and each by itself brings nothing."""

    def harm(reads):
        clash = 0.3 * ({"visual", "track"} <= set(reads))
        return {"active": 0.4 * ("audio" in reads) - clash, "scale": 0.3 * bool({"visual", "track"} & set(reads))}

    results = trained(lattice_study(study_of), records_of, harm, components=("active", "scale"))
    (dossier,) = assess(results)
    pairs = {(p.one, p.other, p.component): p.word for p in dossier.pairs}
    assert pairs["visual", "track", "active"] == "hinder"
    assert pairs["visual", "track", "scale"] == "overlap"
    texts = [f.text for f in modalities.section(results).findings]
    assert (
        "'visual' and 'track' hinder each other for active: both bring less than the sum of what each brings." in texts
    )


@pytest.mark.parametrize(("mean", "brings"), [(0.012, False), (0.03, True)])
def test_what_a_modality_brings_alone_counts_beyond_the_margin(study_of, records_of, mean, brings):
    """Skill of 0.012 is surely above 0, yet less than the margin of 0.02."""
    nothing = trained(lattice_study(study_of), records_of, lambda r: truth(r) | {"active": 0.4 * ("audio" in r)})
    part = assess(nothing)[0].part("track", "active")
    assert not part.brings
    assert replace(part, alone=made(mean + 0.001 * np.sin(np.arange(12)))).brings == brings


def test_components_that_interaction_harms_are_told(study_of, records_of):
    results = asked(trained(lattice_study(study_of), records_of), "+".join(NAMES), emap={"scale": 0.3, "active": -0.2})
    text = modalities.section(results).findings[-1].text
    assert "would score worse in scale (" in text
    assert "and score better in active (" in text


def test_what_makes_models_worse_is_harmful(study_of, records_of):
    def harm(reads):
        return {"active": 0.5 - 0.1 * ("track" in reads), "scale": 0.1 * ("audio" in reads)}

    useful = words(trained(lattice_study(study_of), records_of, harm, components=("active", "scale")))
    assert (useful["track", "active"], useful["audio", "scale"]) == ("harmful", "useful")


def test_a_real_difference_within_the_margin_is_none(study_of, records_of):
    def little(reads):
        return {"active": 0.01 * ("audio" in reads), "scale": 0.5 * ("track" in reads)}

    results = trained(lattice_study(study_of), records_of, little, noise=1e-4, components=("active", "scale"))
    (dossier,) = assess(results)
    assert dossier.part("audio", "active").gain.side == 1
    assert dossier.part("audio", "active").useful == "not needed"


@pytest.mark.parametrize("repeats", [1, 3])
def test_few_repeats_show_nothing(study_of, records_of, repeats):
    results = asked(trained(lattice_study(study_of, repeats=repeats), records_of), "+".join(NAMES))
    assert set(words(results).values()) | set(words(results, "used").values()) == {"not shown"}
    assert modalities.section(results).findings[0].label == "not shown"


def test_words_are_of_the_studys_own_metric_and_its_margin(study_of, records_of):
    """F1 is half of skill here: a margin of 0.3 hides in F1 what it would not hide in skill."""

    def of(reads):
        return {"active": 0.5 * ("audio" in reads), "scale": 0.5 * ("track" in reads)}

    study = lattice_study(study_of, metric="active/f1", margin=0.05)
    results = asked(trained(study, records_of, of, components=("active", "scale")), "+".join(NAMES), of)
    (dossier,) = assess(results)
    assert dossier.components == (None,), "of the other components there is no F1"
    part = dossier.part("audio", None)
    assert (part.useful, part.used) == ("useful", "used")
    assert part.gain.estimate.mean == pytest.approx(0.25, abs=0.01)
    assert part.drop.estimate.mean == pytest.approx(0.25, abs=0.01)
    assert (dossier.part("track", None).useful, dossier.part("track", None).used) == ("not needed", "not used")
    section = modalities.section(results)
    assert "the study's metric, F1 of active. Differences within ± 0.05 count as none." in section.lead
    assert {row[0] for row in section.tables[0].table.rows} == {"active"}
    wide = asked(
        trained(replace(study, margin=0.3), records_of, of, components=("active", "scale")), "+".join(NAMES), of
    )
    assert set(words(wide).values()) | set(words(wide, "used").values()) == {"not needed", "not used"}


def test_of_a_loss_less_is_better(study_of, records_of):
    def of(reads):
        both = 0.25 * ("audio" in reads) - 0.15 * ("track" in reads) + 0.1 * ("visual" in reads)
        return {"active": both, "scale": both}

    study = lattice_study(study_of, metric="loss", margin=0.05)
    results = asked(trained(study, records_of, of, components=("active", "scale")), "+".join(NAMES), of)
    (dossier,) = assess(results)
    assert {p.modality: (p.useful, p.used) for p in dossier.parts if p.component is None} == {
        "audio": ("useful", "used"), "visual": ("useful", "used"), "track": ("harmful", "misleading")
    }  # fmt: skip
    assert dossier.part("audio", None).gain.estimate.mean == pytest.approx(0.5, abs=0.01)
    # A margin of the sum of losses is none of its parts: without one nothing is shown to be none.
    assert {p.gain.margin for p in dossier.parts if p.component} == {None}
    section = modalities.section(results)
    assert "the study's metric, loss (lower is better)" in section.lead
    table = next(t.table for t in section.tables if t.name == "subsets")
    raw = {row[1]: row[4] for row in table.rows if row[2] == "all" and row[3] == "retrained"}
    assert raw["audio"] < raw["audio+track"], "the table has the measure as it is"


def test_a_measure_that_nobody_measured_gives_no_word(study_of, records_of):
    results = trained(lattice_study(study_of), records_of)
    results = asked(results, "+".join(NAMES))
    results = with_results(
        results, lambda r: changed(r, scores={way: {"loss": told["loss"]} for way, told in r.scores.items()}, emap=None)
    )
    assert set(words(results, "used").values()) == {None}


def test_families_are_the_whole_and_the_components(study_of, records_of):
    results = trained(lattice_study(study_of), records_of, noise=0.05)
    (dossier,) = assess(results)
    for own in ([None], list(COMPONENTS)):
        parts = [p for p in dossier.parts if p.component in own]
        tests = [t for p in parts for t in (p.gain, p.share, p.overlap, p.alone)]
        tests += [p.retrained for p in dossier.pairs if p.component in own]
        assert {t.family for t in tests} == {len(tests)}
        gain_SR = [
            results.table("skill", p.component)["+".join(NAMES)].to_numpy()
            - results.table("skill", p.component)["+".join(n for n in NAMES if n != p.modality)].to_numpy()
            for p in parts
        ]
        lattice = dossier.lattice
        for p, gain_R in zip(parts, gain_SR, strict=True):
            assert p.gain.paired == compare(gain_R, np.zeros(12), overlap=results.overlap)
        rows = []
        for c in own:
            value_RS = lattice.values(c)
            gain_RM, share_RM = last_gains(value_RS), shapley(value_RS)
            index_RMM = interactions(value_RS)
            alone_RM = value_RS[:, [1, 2, 4]] - value_RS[:, :1]
            rows += [x_RM[:, m] for x_RM in (gain_RM, share_RM, share_RM - gain_RM, alone_RM) for m in range(3)]
            rows += [index_RMM[:, i, j] for i, j in ((0, 1), (0, 2), (1, 2))]
        flips = joint_sign_flips(rows)
        t = holm([compare(row, np.zeros(12), overlap=results.overlap).p_t for row in rows])
        p_of_gain = [2 * max(flips[i], t[i]) for k in range(len(own)) for i in range(15 * k, 15 * k + 3)]
        assert [p.gain.p for p in parts] == pytest.approx([min(1.0, p) for p in p_of_gain])


# Used ----------------------------------------------------------------------------------------------------------------
def test_used_rests_on_permuted_values(study_of, records_of):
    """One arm alone is enough; nothing is said of usefulness then."""
    study = replace(
        study_of(["all"], repeats=12, margin=0.02), arms=(arm_of(NAMES),), pairs=(), reference="+".join(NAMES)
    )
    results = asked(trained(study, records_of), "+".join(NAMES), emap={"scale": 0.6})
    (dossier,) = assess(results)
    assert (dossier.lattice, dossier.main) == (None, "permuted")
    assert set(words(results).values()) == {None}
    used = words(results, "used")
    assert (used["audio", "active"], used["track", "active"]) == ("used", "not used")
    assert (used["visual", "position"], used["audio", "crop"]) == ("not used", "not used")
    assert [a.component for a in dossier.additive if a.gap.sign > 0] == [None, "scale"]
    section = modalities.section(results)
    assert section.findings[0].label == "used"
    assert section.findings[0].text.startswith("The trained model uses 'audio'. By component it is used for active")
    assert section.question == "Which modalities does the trained model use, and which need one another?"
    assert section.tables[0].caption == "In words: used by the trained model"
    assert "share" not in section.lead.lower()
    assert (
        "Without any interaction of modalities the trained model would score worse in scale"
        in section.findings[-1].text
    )


def test_what_does_better_with_wrong_values_is_misleading(study_of, records_of):
    def misled(reads):
        return {"active": 0.5 - 0.2 * ("track" in reads), "scale": 0.1 * ("audio" in reads)}

    results = trained(
        lattice_study(study_of),
        records_of,
        components=("active", "scale"),
        of=lambda r: dict.fromkeys(("active", "scale"), 0.2),
    )
    results = asked(results, "+".join(NAMES), misled)
    assert words(results, "used")["track", "active"] == "misleading"


def test_disagreement_between_useful_and_used_is_pointed_out(study_of, records_of):
    """Retrained models do as well without track, yet the trained one leans on it; and the other way round."""

    def leans(reads):
        return {**truth(reads), "position": 0.5 * ("track" in reads), "active": 0.5}

    results = asked(trained(lattice_study(study_of), records_of), "+".join(NAMES), leans)
    (dossier,) = assess(results)
    assert dossier.part("track", "position").disagreement == "is used, yet a model trained without it does as well"
    odd = dossier.part("audio", "active")
    assert (odd.useful, odd.used) == ("useful", "not used")
    told = [f for f in modalities.section(results).findings if f.label == "disagreement"]
    assert [f.text for f in told] == [
        "'audio' helps in training, yet the trained model does as well without it for active.",
        "'track' is used, yet a model trained without it does as well for position.",
    ]
    assert all("n = 12" in f.evidence and "p" in f.evidence for f in told)


# What may be missing -------------------------------------------------------------------------------------------------
def test_nothing_to_tell_without_a_lattice_and_without_answers(results_of):
    results = results_of()
    assert lattices(results) == []
    assert modalities.section(results) is None
    assert modalities.shown_dossiers(results, assess(results)) == []


def test_leaving_one_out_tells_what_is_useful_and_no_shares(study_of, records_of):
    reads = [NAMES, *(tuple(n for n in NAMES if n != out) for out in NAMES)]
    results = trained(lattice_study(study_of, reads), records_of)
    (dossier,) = assess(results)
    assert not dossier.lattice.complete
    useful = words(results)
    assert useful["audio", "active"] == "useful"
    assert useful["visual", "position"] == "not needed", "no subset shows that it helps where track is missing"
    assert {p.share for p in dossier.parts} == {p.word for p in dossier.pairs} == {None}
    section = modalities.section(results)
    assert "Not every subset" in section.limits
    assert "What the trained models use was not analysed" in section.limits
    assert [t.name for t in section.tables] == ["words", "rules", "dossier", "subsets"]


def test_arms_that_differ_in_more_than_modalities_make_no_lattice(study_of, records_of):
    study = lattice_study(study_of, [NAMES, ("audio", "visual"), ("audio", "track")])
    wide = replace(arm_of(("audio", "track"), width=512), name="audio+track")
    results = trained(replace(study, arms=(*study.arms[:2], wide)), records_of)
    (lattice,) = lattices(results)
    assert lattice.arms == {7: "audio+visual+track", 3: "audio+visual"}


def test_runs_that_failed_or_lack_are_left_out_in_pairs(study_of, records_of):
    study = lattice_study(study_of)
    results = trained(study, records_of, failures=[("audio+track", 3)], absent=[("audio+visual+track", 0)])
    results = asked(results, "+".join(NAMES))
    results = replace(results, analyses=results.analyses[1:])
    (dossier,) = assess(results)
    assert dossier.part("visual", "active").gain.paired.n == 10
    assert dossier.part("audio", "active").gain.paired.n == 11
    assert dossier.part("audio", "active").share.paired.n == 10
    assert dossier.part("audio", "active").drop.paired.n == 11
    assert modalities.section(results).findings


def test_components_without_a_score_and_single_components(study_of, records_of):
    results = trained(lattice_study(study_of), records_of, nothing=["crop"])
    (dossier,) = assess(results)
    assert dossier.components == (None, "active", "scale", "position")
    one = trained(lattice_study(study_of), records_of, lambda r: {"active": truth(r)["active"]}, components=("active",))
    (dossier,) = assess(asked(one, "+".join(NAMES), lambda r: {"active": truth(r)["active"]}))
    assert dossier.components == (None,)


def test_what_could_not_be_permuted_is_said_and_the_next_way_taken(study_of, records_of):
    results = asked(
        trained(lattice_study(study_of), records_of), "+".join(NAMES), absences=("mean", "zero"),
        alone=("visual",),
    )  # fmt: skip
    results = with_results(results, lambda r: changed(r, emap=None, perceptual=None))
    (dossier,) = assess(results)
    assert (dossier.main, dossier.additive) == ("mean", ())
    section = modalities.section(results)
    assert "here by the training mean" in section.lead
    assert "a single test item has visual" in section.limits
    assert "additive" not in [t.name for t in section.tables]
    assert "without interaction cannot be computed there" not in section.limits
    results = with_results(results, lambda r: changed(r, single_donor=True))
    assert "without interaction cannot be computed there" in modalities.section(results).limits


def with_results(results, of):
    """With another result in every answer."""
    return replace(results, analyses=tuple(replace(one, result=of(one.result)) for one in results.analyses))


def ways(results, table):
    """Words for ways of masking in a table of the section, by the modalities of the row."""
    (found,) = [t.table for t in modalities.section(results).tables if t.name == table]
    by, of = [found.columns.index({"masks": "masked_by", "subsets": "others"}[table]), 1]
    return {(row[of], row[by]) for row in found.rows if "absent" in row[by]}


def test_absence_that_is_not_learned_is_said(study_of, records_of):
    lattice = trained(lattice_study(study_of), records_of)
    results = asked(lattice, "+".join(NAMES), learned=None)
    assert ways(results, "masks") == {(name, "marked absent") for name in NAMES}
    assert "no embedding of absence is learned" in modalities.section(results).limits
    unasked = asked(lattice, "+".join(NAMES), absences=("mean",), learned=None)
    assert "embedding" not in modalities.section(unasked).limits


def test_a_learned_embedding_of_absence_is_named_and_so_is_one_never_trained(study_of, records_of):
    lattice = trained(lattice_study(study_of), records_of)
    results = asked(lattice, "+".join(NAMES), learned={"audio": 0.2713, "visual": 0.25, "track": 0.0})
    assert ways(results, "masks") == {
        ("audio", "absent (learned embedding)"),
        ("visual", "absent (learned embedding)"),
        ("track", "absent (learned embedding, never trained)"),
    }
    told = dict(ways(results, "subsets"))
    assert told["audio+visual"] == "absent (learned embedding, never trained)"
    assert told["visual+track"] == "absent (learned embedding)"
    assert told["visual"] == "absent (learned embedding, never trained for track)"
    limits = modalities.section(results).limits
    assert "(27 % for audio and 25 % for visual)" in limits
    assert "For track it was never trained, because no training window lacks it" in limits


def test_embeddings_of_absence_may_be_trained_in_no_or_in_some_repeats(study_of, records_of):
    lattice = trained(lattice_study(study_of), records_of)
    none = modalities.section(asked(lattice, "+".join(NAMES), learned=dict.fromkeys(NAMES, 0.0))).limits
    assert "For audio, visual and track it was never trained, because no training window lacks them" in none
    assert "it was trained at" not in none
    results = asked(lattice, "+".join(NAMES), learned=dict.fromkeys(NAMES, 0.1))
    every = modalities.section(results).limits
    assert "never trained" not in every
    first, *others = results.analyses
    never = replace(first, result=changed(first.result, learned={"audio": 0.0, "visual": 0.1, "track": 0.1}))
    results = replace(results, analyses=(never, *others))
    assert "For audio (in some repeats) it was never trained" in modalities.section(results).limits


def test_absence_may_be_the_only_way_of_masking(study_of, records_of):
    results = asked(
        trained(lattice_study(study_of), records_of), "+".join(NAMES), absences=("absent",),
        learned=dict.fromkeys(NAMES, 0.1),
    )  # fmt: skip
    assert "masked, here by absent (learned embedding);" in modalities.section(results).lead


def test_sampled_orders_give_shares_and_no_interactions(study_of, records_of):
    orders = ((0, 1, 2), (2, 1, 0))
    results = trained(lattice_study(study_of), records_of)
    results = asked(results, "+".join(NAMES), orders=orders)
    (dossier,) = assess(results)
    share = dossier.part("audio", "scale").shares["mean"]
    assert share.mean == pytest.approx(0.3)
    assert all(e.n == 0 for p in dossier.pairs for e in p.masked.values())
    assert "estimates from random orders" in modalities.section(results).limits


def test_several_arms_have_each_a_dossier_and_two_are_told(study_of, records_of):
    names = ["add", "gated", "concat"]
    study = study_of(names, repeats=12, margin=0.02)
    fused = [replace(arm_of(NAMES, fusion={"kind": kind}), name=kind) for kind in names]
    study = replace(study, arms=tuple(fused))
    results = trained(study, records_of, lambda r: dict.fromkeys(COMPONENTS, 0.2))
    for name in names:
        results = asked(results, name)
    assert [d.arm for d in assess(results)] == names
    section = modalities.section(results)
    assert section.findings[0].text.startswith("The trained model of 'add' uses 'audio'.")
    assert {f.text.split(" of '")[1].split("'")[0] for f in section.findings if " of '" in f.text} < set(names)
    assert section.tables[0].table.columns[0] == "arm"
    assert len(section.tables[0].table.rows) == 3 * 5
    assert "the reference and the best arm" in section.limits


def test_of_many_pairs_the_largest_are_told(study_of, records_of):
    names = [f"part{i:02}" for i in range(10)]

    def growing(reads):
        return {name: (0.1 + 0.05 * i) * ({"audio", "visual"} <= set(reads)) for i, name in enumerate(names)}

    results = trained(lattice_study(study_of), records_of, growing, components=names)
    told = [f.text for f in modalities.section(results).findings if f.label == "together"]
    assert len(told) == modalities.MOST_NAMED
    assert not any("part00" in text for text in told)
    assert any("part09" in text for text in told)


def test_each_word_has_its_rule():
    assert {w for kind in (Useful, Used, Interplay) for w in get_args(kind)} == {word for word, _ in RULES}
