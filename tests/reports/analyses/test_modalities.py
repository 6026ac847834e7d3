"""Words about modalities, where what is true was put in; and everything that may be missing."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from mmcore.config import build_config
from reports.analyses import modalities
from reports.analyses.assess import assess
from reports.analyses.lattice import lattices
from reports.figures.modality_effects import ModalityEffects
from reports.figures.modality_interplay import ModalityAdditive, ModalityInterplay
from reports.figures.modality_masks import ModalityMasks
from reports.figures.svg import inline, to_svg
from reports.frame import tidy
from reports.render import write_report
from reports.statistics.comparisons import compare
from reports.statistics.verdicts import decide
from reports.summary import summarise
from studies.resolved import ResolvedArm

NAMES = ("audio", "visual", "track")
COMPONENTS = ("active", "scale", "position", "crop")
FLOOR = -0.4
"""Skill of the made-up constant predictor."""


def truth(reads):
    """Active ← audio; scale ← audio and visual together; position ← visual, or track as well; crop ← nothing."""
    reads = set(reads)
    return {
        "active": 0.5 * ("audio" in reads),
        "scale": 0.6 * ({"audio", "visual"} <= reads),
        "position": 0.5 * bool(reads & {"visual", "track"}),
        "crop": 0.0,
    }


def subsets(names=NAMES):
    return [s for size in range(len(names), 0, -1) for s in combinations(names, size)]


def arm_of(reads, **model):
    config = {"corpus": "made_up", "model": {"modalities": list(reads), **model}}
    return ResolvedArm("+".join(reads), {"model.modalities": list(reads)}, build_config(config))


def lattice_study(study_of, reads=None, repeats=12, margin=0.02, **options):
    reads = subsets() if reads is None else reads
    study = study_of(["+".join(s) for s in reads], repeats=repeats, margin=margin, **options)
    return replace(study, arms=tuple(arm_of(s) for s in reads))


def trained(study, records_of, of=truth, noise=0.004, components=COMPONENTS, **options):
    """Results of a lattice whose skill is the floor of reading nothing, plus the truth, plus noise."""
    reads = {arm.name: arm.config.model.modalities or NAMES for arm in study.arms}
    gain = {name: {c: v + FLOOR - 0.3 for c, v in of(r).items()} for name, r in reads.items()}
    return tidy(study, records_of(study, gain, components=components, noise=noise, **options))


def answer(
    arm, repeat, of, *, absences=("permuted", "mean", "zero", "absent"), emap=None, noise=0.0, names=NAMES, **more
):
    """What the probe tells of a model whose skill on a subset is given."""
    whole = 2 ** len(names) - 1
    tables = []
    for s in range(whole + 1):
        value = {c: v + FLOOR + noise for c, v in of([n for m, n in enumerate(names) if s >> m & 1]).items()}
        tables.append(value)
    components = list(tables[0])

    def column(table):
        return {"whole": float(np.mean(list(table.values()))), "components": {c: float(v) for c, v in table.items()}}

    rows = [column(t) for t in tables]
    skill = {
        "whole": [r["whole"] for r in rows],
        "components": {c: [r["components"][c] for r in rows] for c in components},
    }
    projected = column({c: tables[whole][c] - (emap or {}).get(c, 0.0) for c in components})
    return {
        "arm": arm, "repeat": repeat, "fingerprint": f"{arm}{repeat}", "kind": "coalitions", "settings": {},
        "seconds": 1.0,
        "result": {
            "modalities": list(names), "components": components, "windows": 9, "draws": 8,
            "subsets": list(range(whole + 1)), "orders": None, "naive": dict.fromkeys(components, 1.0),
            "skill": dict.fromkeys(absences, skill),
            "emap": {"skill": projected, "uncorrected": projected},
            "perceptual": {n: {"active": {"drop": 0.1, "score": 0.125}} for n in names},
            "alone": [], **more,
        },
    }  # fmt: skip


def asked(results, arm, of=truth, **options):
    rng = np.random.default_rng(1)
    repeats = range(results.study.repeats)
    made = [answer(arm, r, of, noise=0.01 * rng.standard_normal(), **options) for r in repeats]
    return replace(results, analyses=(*results.analyses, *made))


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
    assert (useful["audio", None], useful["visual", None]) == ("useful", "useful")
    (dossier,) = assess(results)
    pairs = {(p.one, p.other, p.component): p.word for p in dossier.pairs}
    assert pairs["audio", "visual", "scale"] == "together"
    assert pairs["visual", "track", "position"] == "overlap"
    assert {pairs["audio", "visual", "active"], pairs["audio", "track", "crop"]} <= {"apart", "not shown"}


def test_shares_add_up_from_nothing_to_all(study_of, records_of):
    """The empty subset is the constant predictor: 0.5 of active over its floor belongs to audio alone."""
    (dossier,) = assess(trained(lattice_study(study_of), records_of, noise=0.0))
    for c, total in (("active", 0.5), ("scale", 0.6), ("position", 0.5), ("crop", 0.0)):
        shares = [p.share.estimate.mean for p in dossier.parts if p.component == c]
        level = np.mean([v for v in dossier.lattice.skill(c, 7)]) - total - FLOOR
        assert sum(shares) == pytest.approx(total + level, abs=1e-9)


def test_a_modality_under_a_second_name_is_redundant(study_of, records_of):
    def twice(reads):
        return {"active": 0.4 * bool({"audio", "visual"} & set(reads)), "scale": 0.3 * ("track" in reads)}

    useful = words(trained(lattice_study(study_of), records_of, twice, components=("active", "scale")))
    assert (useful["audio", "active"], useful["visual", "active"]) == ("redundant", "redundant")
    assert useful["track", "scale"] == "useful"


def test_redundant_can_be_shown_without_a_margin(study_of, records_of):
    """The gain next to all others is then shown to be below the share."""
    useful = words(trained(lattice_study(study_of, margin=None), records_of))
    assert useful["visual", "position"] == "redundant"
    assert useful["audio", "crop"] == "not shown"


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
    assert dossier.part("audio", "active").gain.decision.verdict == "better"
    assert dossier.part("audio", "active").useful == "not needed"


@pytest.mark.parametrize("repeats", [1, 3])
def test_few_repeats_show_nothing(study_of, records_of, repeats):
    results = asked(trained(lattice_study(study_of, repeats=repeats), records_of), "+".join(NAMES))
    assert set(words(results).values()) | set(words(results, "used").values()) == {"not shown"}
    assert modalities.section(results).findings[0].label == "not shown"


def test_a_margin_of_another_measure_is_not_one_of_skill(study_of, records_of):
    results = trained(lattice_study(study_of, metric="active/f1"), records_of)
    assert "not needed" not in words(results).values()


def test_families_are_the_whole_and_the_components(study_of, records_of):
    results = trained(lattice_study(study_of), records_of, noise=0.05)
    (dossier,) = assess(results)
    for own in ([None], list(COMPONENTS)):
        parts = [p for p in dossier.parts if p.component in own]
        family = [
            compare(results.table("skill", p.component)["+".join(NAMES)].to_numpy()
                    - results.table("skill", p.component)["+".join(n for n in NAMES if n != p.modality)].to_numpy(),
                    np.zeros(12), overlap=results.overlap)
            for p in parts
        ]  # fmt: skip
        assert len(family) == 3 * len(own)
        for p, paired, decision in zip(parts, family, decide(family, margin=0.02), strict=True):
            assert p.gain.paired.difference == paired.difference
            assert (p.gain.decision.p_holm, p.gain.decision.verdict) == (decision.p_holm, decision.verdict)


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
        "Without any interaction of modalities the trained model would lose skill in scale" in section.findings[-1].text
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
        "'track' is used, yet a model trained without it does as well.",
        "'audio' helps in training, yet the trained model does as well without it for active.",
        "'track' is used, yet a model trained without it does as well for position.",
    ]
    assert all("n = 12" in f.evidence and "p" in f.evidence for f in told)


# What may be missing -------------------------------------------------------------------------------------------------
def test_nothing_to_tell_without_a_lattice_and_without_answers(results_of):
    results = results_of()
    assert lattices(results) == []
    assert modalities.section(results) is None
    told = modalities.told_dossiers(results, assess(results))
    assert all(figure(told).frame().empty for figure in FIGURES)


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
    assert "What the trained models use was not asked" in section.limits
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
        emap=None, alone=["visual"],
    )  # fmt: skip
    for one in results.analyses:
        one["result"] |= {"emap": None, "perceptual": None}
    (dossier,) = assess(results)
    assert (dossier.main, dossier.additive) == ("mean", ())
    section = modalities.section(results)
    assert "here by the training mean" in section.lead
    assert "a single test item has visual" in section.limits
    assert "additive" not in [t.name for t in section.tables]


def test_sampled_orders_give_shares_and_no_interactions(study_of, records_of):
    orders = [[0, 1, 2], [2, 1, 0]]
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
    assert len(told) == modalities.MOST_TOLD
    assert not any("part00" in text for text in told)
    assert any("part09" in text for text in told)


# Page and pictures ---------------------------------------------------------------------------------------------------
FIGURES = (ModalityEffects, ModalityInterplay, ModalityAdditive, ModalityMasks)


@pytest.fixture(scope="module")
def both(study_of, records_of):
    return asked(trained(lattice_study(study_of), records_of), "+".join(NAMES), emap={"scale": 0.6})


@pytest.fixture(scope="module")
def told(both):
    return modalities.told_dossiers(both, assess(both))


def test_pictures_draw_the_numbers_of_the_dossier(told):
    effects, interplay, additive, masks = (figure(told).frame() for figure in FIGURES)
    (dossier,) = told
    assert len(effects) == 3 * 5 * 3
    row = effects.query("modality == 'audio' and component == 'scale' and way == 'masked'").iloc[0]
    assert (row["mean"], row["n"]) == (dossier.part("audio", "scale").drop.estimate.mean, 12)
    assert len(interplay) == 3 * 5
    assert interplay.query("pair == 'audio × visual' and component == 'scale'")["word"].tolist() == ["together"]
    assert additive["component"].tolist() == ["all", *COMPONENTS]
    assert additive.query("shown")["component"].tolist() == ["all", "scale"]
    assert len(masks) == 3 * 5
    assert set(masks["way"]) == {
        "trained anew without it", "values of another item", "the training mean", "raw zeros", "told to be absent"
    }  # fmt: skip


@pytest.mark.parametrize("figure", FIGURES)
def test_pictures_are_sound(told, figure):
    drawn = figure(told)
    svg = to_svg(drawn.draw())
    assert inline(svg, drawn.name, drawn.title, drawn.description)
    assert drawn.description.count("'") % 2 == 0
    assert drawn.value in drawn.frame().columns
    assert svg == to_svg(figure(told).draw()), "the same numbers give the same bytes"


def test_pictures_of_the_masked_alone(study_of, records_of):
    study = replace(study_of(["all"], repeats=12), arms=(arm_of(NAMES),), pairs=(), reference="+".join(NAMES))
    results = asked(trained(study, records_of), "+".join(NAMES))
    told = modalities.told_dossiers(results, assess(results))
    for figure in FIGURES:
        drawn = figure(told)
        assert not drawn.frame().dropna(subset=[drawn.value]).empty
        to_svg(drawn.draw())
    assert "masked by values of another item" in ModalityInterplay(told).description


def test_far_values_are_written_at_the_edge(study_of, records_of):
    def far(reads):
        return {"active": 3.0 * ("audio" in reads), "scale": -2.0 * ("track" in reads)}

    results = trained(lattice_study(study_of), records_of, far, components=("active", "scale"))
    svg = to_svg(ModalityEffects(modalities.told_dossiers(results, assess(results))).draw())
    assert "›" in svg
    assert "‹" in svg


def test_the_page_has_the_section(both, tmp_path):
    summary = summarise(both)
    (section,) = [s for s in summary.sections if s.key == "modalities"]
    page = write_report(summary, both, tmp_path).read_text()
    assert 'id="section-modalities"' in page
    assert "work together for scale" in page
    for table in section.tables:
        rows = (tmp_path / "tables" / f"modalities_{table.name}.csv").read_text().splitlines()
        assert len(rows) == 1 + len(table.table.rows)
        assert all(len(row) == len(table.table.columns) for row in table.table.rows)
    numbers = [v for t in section.tables for row in t.table.rows for v in row if isinstance(v, float)]
    assert numbers
    assert not any(math.isinf(v) for v in numbers)
    for name in section.figures:
        assert (tmp_path / "figures" / f"{name}.svg").exists()


def test_each_word_has_its_rule():
    from typing import get_args

    from reports.analyses.dossier import Interplay, Used, Useful
    from reports.analyses.modality_tables import RULES

    assert {w for kind in (Useful, Used, Interplay) for w in get_args(kind)} == {word for word, _ in RULES}
