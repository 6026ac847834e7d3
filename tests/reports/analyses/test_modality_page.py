"""The page and the pictures of modalities draw the numbers of the dossier."""

import math
from dataclasses import replace

import pytest
from factories.lattices import COMPONENTS, NAMES, arm_of, asked, lattice_study, trained

from reports.figures.svg import inline, to_svg
from reports.output.render import write_report
from reports.sections.modalities import section as modalities
from reports.sections.modalities.figures_effects import ModalityEffects
from reports.sections.modalities.figures_interplay import ModalityAdditive, ModalityInterplay
from reports.sections.modalities.figures_masks import ModalityMasks
from reports.sections.modalities.tests import assess
from reports.summary.build import summarise

FIGURES = (ModalityEffects, ModalityInterplay, ModalityAdditive, ModalityMasks)


@pytest.fixture(scope="module")
def both(study_of, records_of):
    return asked(trained(lattice_study(study_of), records_of), "+".join(NAMES), emap={"scale": 0.6})


@pytest.fixture(scope="module")
def told(both):
    return modalities.shown_dossiers(both, assess(both))


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
        "retrained without it", "values of another item", "the training mean", "raw zeros", "marked absent"
    }  # fmt: skip


def test_the_picture_of_masks_tells_learned_embeddings_from_those_never_trained(study_of, records_of):
    shares = {"audio": 0.3, "visual": 0.3, "track": 0.0}
    results = asked(trained(lattice_study(study_of), records_of), "+".join(NAMES), learned=shares)
    figure = ModalityMasks(modalities.shown_dossiers(results, assess(results)))
    frame = figure.frame()
    told = frame[frame["way"].str.startswith("absent")].set_index("modality")["way"].to_dict()
    assert told == {
        "audio": "absent (learned embedding)", "visual": "absent (learned embedding)",
        "track": "absent (learned embedding, never trained)",
    }  # fmt: skip
    drawing = figure.draw()
    drawing.draw_without_rendering()
    right = max(text.get_window_extent().x1 for text in drawing.legends[0].get_texts())
    assert right <= drawing.bbox.x1, "the legend lies within the picture"
    legend = [text.get_text() for text in drawing.legends[0].get_texts()]
    assert legend[0] == "retrained without it"
    assert set(legend) == set(frame["way"])


@pytest.mark.parametrize("figure", FIGURES)
def test_pictures_are_sound(told, figure):
    drawn = figure(told)
    svg = to_svg(drawn.draw())
    assert inline(svg, drawn.name, drawn.title, drawn.description)
    assert drawn.description.count("'") % 2 == 0
    assert drawn.value in drawn.frame().columns
    assert svg == to_svg(figure(told).draw()), "the same numbers give the same bytes"


@pytest.mark.parametrize("figure", FIGURES)
def test_pictures_of_nothing_have_nothing_to_draw(figure):
    drawn = figure([])
    assert drawn.frame().empty
    assert drawn.value in drawn.frame().columns


def test_pictures_of_the_masked_alone(study_of, records_of):
    study = replace(study_of(["all"], repeats=12), arms=(arm_of(NAMES),), pairs=(), reference="+".join(NAMES))
    results = asked(trained(study, records_of), "+".join(NAMES))
    told = modalities.shown_dossiers(results, assess(results))
    for figure in FIGURES:
        drawn = figure(told)
        assert not drawn.frame().dropna(subset=[drawn.value]).empty
        to_svg(drawn.draw())
    assert "masked by values of another item" in ModalityInterplay(told).description


def test_far_values_are_written_at_the_edge(study_of, records_of):
    def far(reads):
        return {"active": 3.0 * ("audio" in reads), "scale": -2.0 * ("track" in reads)}

    results = trained(lattice_study(study_of), records_of, far, components=("active", "scale"))
    svg = to_svg(ModalityEffects(modalities.shown_dossiers(results, assess(results))).draw())
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
