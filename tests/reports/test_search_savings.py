"""Reports on searches: what saved epochs, fronts of two points, and whose score it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from factories.lattices import asked, lattice_study, trained

from reports.model.section import Finding, Section
from reports.records.frame import StudyResults
from reports.sections.modalities import section as modalities
from reports.sections.modalities.tests import assess
from reports.sections.search.estimates import hypervolume_frame, saved
from reports.sections.search.figures_front import Hypervolume
from reports.sections.search.section import section
from reports.statistics.search import reference_point

State = Literal["complete", "pruned", "failed", "running", "retried"]
OBJECTIVES = ("validation/skill", "validation/active/f1")


def trial(
    number: int, epochs: int, *values: float, state: State = "complete", full: int = 48, reused: int = 0
) -> dict[str, Any]:
    """A trial of two runs."""
    params = {"model.layers": 1 + number % 4}
    return {
        "number": number, "state": state, "params": params, "axes": params,
        "values": list(values or (0.5, 0.5)) if state == "complete" else [],
        "repeats": [], "components": {}, "intermediate": [], "epochs": epochs, "epochs_full": full, "seconds": 1.0,
        "fingerprints": [f"{number}a", f"{number}b"], "reused": reused,
        "failure": "NaN" if state == "failed" else None, "started": None, "finished": f"2026-03-01T10:{number:02d}",
        "process": None,
    }  # fmt: skip


def search(*trials: dict[str, Any], objectives: int = 1, **told: Any) -> dict[str, Any]:
    return {
        "arm": "tuned", "role": "scientific", "sampler": "random", "pruner": "none",
        "budget": {"trials": len(trials), "epochs": None}, "repeats": 2, "steps": "epochs",
        "space": {"model.layers": {"kind": "choice", "values": [1, 2, 3, 4]}},
        "objective": [{"name": name, "maximise": True} for name in OBJECTIVES[:objectives]],
        "trials": [t | {"values": t["values"][:objectives]} for t in trials],
        "best": [], "confirmed": [], "confirm": 1, "complete": True,
        "epochs_spent": sum(t["epochs"] for t in trials),
        "epochs_full": sum(t["epochs_full"] for t in trials if t["state"] != "retried"),
        "hash": "c0ffee", "storage": "", "study": "tuned", "importances": {},
    } | told  # fmt: skip


@pytest.fixture
def findings(results_of: Callable[..., StudyResults]) -> Callable[..., list[Finding]]:
    def of(*searches: dict[str, Any]) -> list[Finding]:
        results = results_of()
        validation = results.scores.assign(split="validation")
        f1 = validation.query("component == 'active' and metric == 'skill'").assign(metric="f1")
        scores = pd.concat([results.scores, validation, f1], ignore_index=True)
        found = section(replace(results, scores=scores, search=searches))
        assert isinstance(found, Section)
        return list(found.findings)

    return of


# What saved epochs ---------------------------------------------------------------------------------------------------
def test_each_epoch_that_was_not_trained_has_one_cause() -> None:
    made = search(
        trial(0, 48),
        trial(1, 0, reused=2),
        trial(2, 20, reused=1),  # one run was there, the other stopped early, after 20 of 24
        trial(3, 30),  # stopped early
        trial(4, 8, state="pruned"),
        trial(5, 0, state="pruned", reused=1),
        trial(6, 24, state="failed"),
        trial(7, 0, state="failed", full=0),  # could not be built
        trial(8, 0, state="running"),
        trial(9, 0, state="retried"),
    )
    assert saved(made) == {"pruning": 40 + 24, "reuse": 48 + 24 + 24, "early stopping": 4 + 18, "failed": 24}


@pytest.mark.parametrize(
    ("trials", "text"),
    [
        ([trial(0, 48), trial(1, 48)], "took 96 epochs."),
        ([trial(0, 48), trial(1, 24)], "took 72 epochs instead of 96: early stopping saved 25 %."),
        (
            [trial(0, 48), trial(1, 24, state="pruned"), trial(2, 0, reused=2), trial(3, 24)],
            "took 96 epochs instead of 192: pruning saved 12 %, reuse 25 % and early stopping 12 %.",
        ),
        (
            [trial(0, 48), trial(1, 24, state="failed")],
            "took 72 epochs instead of 96: 25 % were left out as trials failed.",
        ),
        (
            [trial(0, 24), trial(1, 24, state="failed")],
            "took 48 epochs instead of 96: early stopping saved 25 %; 25 % were left out as trials failed.",
        ),
        ([trial(0, 9_999, full=10_000)], "took 9,999 epochs instead of 10,000: early stopping saved under 1 %."),
        # What still runs has saved nothing yet.
        ([trial(0, 48), trial(1, 0, state="running")], "took 48 epochs."),
    ],
)
def test_savings_are_told_by_their_cause(
    findings: Callable[..., list[Finding]], trials: list[dict[str, Any]], text: str
) -> None:
    (found,) = [f.text for f in findings(search(*trials)) if "epochs" in f.text]
    assert found == f"The search for 'tuned' {text}"


# Several objectives --------------------------------------------------------------------------------------------------
def test_a_front_of_two_ends_has_a_volume() -> None:
    found = hypervolume_frame(search(trial(0, 48, 0.0, 1.0), trial(1, 48, 1.0, 0.0), objectives=2))
    # The reference is (−0.1, −0.1): two rectangles of 0.1 by 1.1 that share 0.1 by 0.1.
    assert list(found["volume"]) == pytest.approx([0.11, 0.21])


def test_a_new_end_of_a_front_adds_volume() -> None:
    trials = [trial(0, 48, 0.0, 1.0), trial(1, 48, 0.5, 0.5), trial(2, 48, 1.0, 0.0)]
    volumes = hypervolume_frame(search(*trials, objectives=2))["volume"]
    assert (volumes.diff().dropna() > 0).all()


def test_the_reference_lies_beyond_the_worst() -> None:
    points = np.array([[0.0, 2.0], [1.0, 4.0]])
    assert reference_point(points, [True, False]) == pytest.approx([-0.1, 4.2])
    # Without a range, a share of the value itself; of nothing, of 1.
    assert reference_point(np.array([[2.0, -2.0], [2.0, -2.0]]), [True, False]) == pytest.approx([1.8, -1.8])
    assert reference_point(np.array([[0.0]]), [True]) == pytest.approx([-0.1])


def test_an_objective_without_a_range_leaves_the_volume_to_the_others() -> None:
    trials = [trial(0, 48, 0.5, 0.2), trial(1, 48, 0.5, 0.4)]
    volumes = list(hypervolume_frame(search(*trials, objectives=2))["volume"])
    assert 0 < volumes[0] < volumes[1]


def test_the_figure_says_where_its_reference_is(results_of: Callable[..., StudyResults]) -> None:
    assert "10 % of its range beyond the worst" in Hypervolume(results_of()).description


@pytest.mark.parametrize(
    ("objectives", "text"),
    [
        (1, "2 different settings were completed, so 2 are confirmed instead of 3."),
        (2, "The front has 2 different settings, so 2 are confirmed instead of 3."),
    ],
)
def test_fewer_settings_than_were_asked_for_are_told(
    findings: Callable[..., list[Finding]], objectives: int, text: str
) -> None:
    winners = [{"arm": f"made up {n}", "trial": n, "values": [0.5, 0.5][:objectives], "settings": {}} for n in (0, 1)]
    made = search(trial(0, 48), trial(1, 48), objectives=objectives, confirm=3, confirmed=winners)

    def told(one: dict[str, Any]) -> list[str]:
        return [f.text for f in findings(one) if "confirmed instead" in f.text]

    assert told(made) == [f"Search for 'tuned': {text}"]
    assert told(made | {"confirm": 2}) == []
    assert told(made | {"confirmed": [], "complete": False}) == []


def test_of_several_objectives_each_is_named(findings: Callable[..., list[Finding]]) -> None:
    winner = {"arm": "multimodal", "trial": 1, "values": [0.99, 0.98], "settings": {}}
    two = [f.text for f in findings(search(trial(1, 48), objectives=2, confirmed=[winner])) if "trained anew" in f.text]
    assert [text.partition(", and ")[0] for text in two] == [
        "In skill on validation items, 'multimodal' (trial 1) had 0.990 in the search",
        "In F1 of active on validation items, 'multimodal' (trial 1) had 0.980 in the search",
    ]
    single = search(trial(1, 48), confirmed=[winner | {"values": [0.99]}])
    (one,) = [f.text for f in findings(single) if "trained anew" in f.text]
    assert one.startswith("'multimodal' (trial 1) had 0.990 in the search")


# Modalities ----------------------------------------------------------------------------------------------------------
def test_of_a_modality_without_any_answer_nothing_is_told(
    study_of: Callable[..., Any], records_of: Callable[..., Any]
) -> None:
    study = lattice_study(study_of)
    lost = [("visual+track", repeat) for repeat in range(study.repeats)]
    found = modalities.section(trained(study, records_of, failures=lost))
    assert found is not None
    assert not [f.text for f in found.findings if "trained model ." in f.text or "'audio'" in f.text or not f.text]
    assert [f for f in found.findings if f.text.startswith("'visual' differs by component")]


def test_a_modality_known_by_component_alone_is_named(
    study_of: Callable[..., Any], records_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = asked(trained(lattice_study(study_of), records_of), "audio+visual+track")
    (dossier,) = assess(results)
    parts = tuple(p if p.component else replace(p, gain=None, drop=None) for p in dossier.parts)
    monkeypatch.setattr(modalities, "assess", lambda _: [replace(dossier, parts=parts)])
    found = modalities.section(results)
    assert found is not None
    text = found.findings[0].text
    assert text.startswith("By component 'audio' is useful for active and scale")
    assert "In the trained model it is used for active" in text
