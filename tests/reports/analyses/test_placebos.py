"""Words that rest on placebos: what a modality brings beyond the size of the model that reads it."""

from dataclasses import replace

import numpy as np
import pytest
from factories.lattices import COMPONENTS, FLOOR, NAMES, arm_of, asked, lattice_study, subsets, truth

from reports.output.render import as_html
from reports.records.frame import tidy
from reports.sections.family import judge_together
from reports.sections.modalities import section as modalities
from reports.sections.modalities.dossier import Part
from reports.sections.modalities.figures_effects import ModalityEffects
from reports.sections.modalities.lattice import lattices
from reports.sections.modalities.placebos import placebos
from reports.sections.modalities.tests import assess
from reports.summary.build import summarise

FULL = "+".join(NAMES)


def control_of(name, placebo, reads=NAMES):
    """The arm that reads these, one of them of another item."""
    arm = arm_of(reads)
    data = arm.config.data.model_copy(update={"placebo": (placebo,)})
    overrides = {**arm.overrides, "data.placebo": [placebo]}
    return replace(arm, name=name, overrides=overrides, config=arm.config.model_copy(update={"data": data}))


def study_with(study_of, reads=None, controls=NAMES, **options):
    """A lattice, or what is named of it, and the full set with placebos."""
    study = lattice_study(study_of, reads, **options)
    made = tuple(control_of(f"placebo {name}", name) for name in controls)
    pairs = (*study.pairs, *((FULL, arm.name) for arm in made))
    return replace(study, arms=(*study.arms, *made), pairs=pairs)


def trained(study, records_of, of=truth, size=0.0, noise=0.004):
    """Skill is the truth of what an arm can learn from, plus ``size`` for each modality that it reads beyond one."""
    gain = {}
    for arm in study.arms:
        reads = arm.config.model.modalities or NAMES
        told = of([name for name in reads if name not in arm.config.data.placebo])
        gain[arm.name] = {c: v + size * (len(reads) - 1) + FLOOR - 0.3 for c, v in told.items()}
    components = list(next(iter(gain.values())))
    return tidy(study, records_of(study, gain, components=components, noise=noise))


def words(results):
    (dossier,) = assess(results)
    return {(p.modality, p.component): p.useful for p in dossier.parts}


def test_a_placebo_is_no_subset_of_the_lattice(study_of, records_of):
    """It reads all modalities, as the full set does, and must not stand for it or for any other subset."""
    study = lattice_study(study_of)
    controls = tuple(control_of(f"placebo {name}", name) for name in NAMES)
    smaller = control_of("smaller", "audio", ("audio", "track"))
    study = replace(study, arms=(*controls, smaller, *study.arms))
    (lattice,) = lattices(trained(study, records_of))
    assert lattice.arms == {
        7: "audio+visual+track", 3: "audio+visual", 5: "audio+track", 6: "visual+track", 1: "audio", 2: "visual",
        4: "track",
    }  # fmt: skip
    only = replace(study, arms=(*controls, smaller))
    assert lattices(trained(only, records_of)) == []


def test_each_control_stands_beside_its_own_arm(study_of, records_of):
    """A placebo of two modalities, or one that differs in more, is no control of one modality."""
    study = study_with(study_of, controls=("audio", "track"))
    wider = control_of("wider", "visual")
    model = wider.config.model.model_copy(update={"width": 64})
    both = control_of("both", "visual")
    data = both.config.data.model_copy(update={"placebo": ("audio", "visual")})
    study = replace(
        study,
        arms=(
            *study.arms,
            replace(wider, config=wider.config.model_copy(update={"model": model})),
            replace(both, config=both.config.model_copy(update={"data": data})),
            control_of("smaller", "track", ("visual", "track")),
        ),
    )
    found = placebos(trained(study, records_of))
    assert {arm: dict(one.controls) for arm, one in found.items()} == {
        FULL: {"audio": "placebo audio", "track": "placebo track"},
        "visual+track": {"track": "smaller"},
    }
    assert found["visual+track"].modalities == ("visual", "track")
    gain_RM = found[FULL].gains("active")
    assert np.isnan(gain_RM[:, 1]).all()
    assert gain_RM[:, 0].mean() == pytest.approx(0.5, abs=0.01)
    assert gain_RM[:, 2].mean() == pytest.approx(0.0, abs=0.01)


def test_what_size_alone_brings_is_not_called_useful(study_of, records_of):
    """Every modality makes the model better by 0.1, whatever it says: without placebos all would be useful."""
    results = trained(study_with(study_of), records_of, size=0.1)
    plain = replace(results, study=replace(results.study, arms=tuple(lattice_study(study_of).arms)))
    assert {useful for (_, c), useful in words(plain).items() if c == "crop"} == {"useful"}
    useful = words(results)
    assert {useful[name, "crop"] for name in NAMES} == {"redundant"}
    assert [name for name in NAMES if useful[name, "active"] == "useful"] == ["audio"]
    assert [name for name in NAMES if useful[name, "scale"] == "useful"] == ["audio", "visual"]
    (dossier,) = assess(results)
    part = dossier.part("track", "active")
    assert part.gain.sign > 0
    assert part.placebo.none
    assert part.disagreement == "helps in training, yet a placebo of the same size helps as much"
    text = " ".join(finding.text for finding in modalities.section(results).findings)
    assert "'track' helps in training, yet a placebo of the same size helps as much for active." in text


def test_the_text_says_what_the_word_rests_on(study_of, records_of):
    section = modalities.section(trained(study_with(study_of), records_of))
    audio = section.findings[0]
    assert audio.text.startswith(
        "'audio' is useful: models trained with a placebo of the same size in its place score worse."
    )
    assert "Against a placebo of the same size: it gains +0." in audio.evidence
    assert "Trained without it: worse by" in audio.evidence
    assert "Useful: models retrained with a placebo of the modality score worse." in section.lead
    assert "Useful: models retrained without" not in section.lead
    assert "not what its absence reveals" in section.limits
    table = next(t for t in section.tables if t.name == "dossier").table
    assert "placebo_p" in table.columns
    plain = modalities.section(trained(lattice_study(study_of), records_of))
    assert "placebo" not in " ".join(f.text + f.evidence for f in plain.findings) + plain.lead + plain.limits
    assert "placebo" not in next(t for t in plain.tables if t.name == "dossier").table.columns


def test_placebos_alone_answer_what_is_useful(study_of, records_of):
    """No modality is left out anywhere and nothing is masked: the section is there all the same."""
    study = study_with(study_of, [NAMES])
    results = trained(study, records_of)
    (dossier,) = assess(results)
    assert (dossier.arm, dossier.lattice, dossier.masked) == (FULL, None, None)
    useful = words(results)
    assert [name for name in NAMES if useful[name, "active"] == "useful"] == ["audio"]
    assert {useful[name, "crop"] for name in NAMES} == {"not needed"}
    assert all(part.gain is None and part.used is None for part in dossier.parts)
    section = modalities.section(results)
    assert section.question.startswith("Which modalities are useful")
    figure = ModalityEffects([dossier])
    assert set(figure.frame()["way"]) == {"placebo"}
    assert "triangles" in figure.description
    figure.draw()
    assert "with a placebo of the same size in its place" in as_html(summarise(results))


def test_the_legend_with_all_ways_lies_within_the_picture(study_of, records_of):
    (dossier,) = assess(asked(trained(study_with(study_of), records_of), FULL))
    figure = ModalityEffects([dossier]).draw()
    figure.canvas.draw()
    legend = figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [
        "retrained without it", "share over all subsets", "masked", "a placebo in its place",
    ]  # fmt: skip
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


def test_a_modality_without_a_score_of_its_placebo_is_judged_by_models_without_it(study_of, records_of):
    results = trained(study_with(study_of, controls=("audio",)), records_of)
    (dossier,) = assess(results)
    assert dossier.part("audio", "active").placebo is not None
    assert dossier.part("visual", "active").placebo is None
    assert words(results)["visual", "scale"] == "useful"


def test_tests_of_placebos_are_corrected_with_the_others(study_of, records_of):
    (dossier,) = assess(trained(study_with(study_of), records_of))
    sizes = {p.placebo.family for p in dossier.parts if p.component is None}
    assert sizes == {p.gain.family for p in dossier.parts if p.component is None}
    (plain,) = assess(trained(lattice_study(study_of), records_of))
    assert sizes == {next(p.gain.family for p in plain.parts if p.component is None) + len(NAMES)}


def test_repeats_that_start_elsewhere_give_the_same_words(study_of, records_of):
    """Everything is counted from the study's first repeat: nothing is lost or misplaced under other numbers."""
    study = study_with(study_of)
    here = asked(trained(study, records_of), FULL)
    gain = {a.name: truth([n for n in a.config.model.modalities if n not in a.config.data.placebo]) for a in study.arms}
    gain = {name: {c: v + FLOOR - 0.3 for c, v in told.items()} for name, told in gain.items()}
    records = records_of(study, gain, components=list(COMPONENTS), noise=0.004)
    moved = [replace(record, repeat=record.repeat + 100) for record in records]
    answers = tuple(replace(answer, repeat=answer.repeat + 100) for answer in here.analyses)
    there = replace(tidy(replace(study, first_repeat=100), moved), analyses=answers)
    ((one,), (other,)) = assess(here), assess(there)
    told = [
        [(p.modality, p.component, p.useful, p.used, p.gain.p, p.placebo.p, p.share.p) for p in d.parts]
        for d in (one, other)
    ]
    assert told[0] == told[1]
    assert {pair.word for pair in other.pairs} == {pair.word for pair in one.pairs} >= {"together"}
    assert modalities.section(here).findings == modalities.section(there).findings


def test_the_trained_model_is_asked_as_before(study_of, records_of):
    """Answers are of the arm that reads everything; arms with a placebo have no dossier of their own."""
    results = asked(trained(study_with(study_of), records_of), FULL)
    (dossier,) = assess(results)
    assert dossier.part("audio", "active").used == "used"
    assert dossier.part("audio", "active").useful == "useful"


def made(values, margin=0.02):
    (test,) = judge_together([np.asarray(values)], alpha=0.05, overlap=1 / 3, margins=[margin])
    return test


@pytest.mark.parametrize(
    ("placebo", "word", "odd"),
    [
        (0.3, "useful", None),
        (-0.3, "harmful", "is used, yet a model trained with a placebo in its place does better"),
        (0.0, "not needed", "is used, yet a model trained with a placebo in its place does as well"),
    ],
)
def test_the_word_follows_the_placebo(placebo, word, odd):
    wave = 0.001 * np.sin(np.arange(12))
    part = Part(
        "audio", None, made(wave), None, None, None, made(0.3 + wave), {}, {}, None, None, made(placebo + wave)
    )  # fmt: skip
    assert (part.useful, part.disagreement) == (word, odd)
    assert replace(part, placebo=None).useful == "not needed"


def test_components_are_those_of_the_corpus(study_of, records_of):
    (dossier,) = assess(trained(study_with(study_of, subsets()), records_of))
    assert dossier.components == (None, *COMPONENTS)
