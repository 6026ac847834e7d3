"""Reports on searches: what saved epochs, fewer settings than were asked for, and whose score it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from factories.lattices import asked, lattice_study, trained
from factories.searches import found, resolved

from reports.model.section import Finding, Section
from reports.records.frame import StudyResults
from reports.sections.modalities import section as modalities
from reports.sections.modalities.tests import assess
from reports.sections.search.estimates import saved
from reports.sections.search.section import section
from studies.search.results import SearchResult, TrialResult, TrialState
from studies.search.space import Choice

OBJECTIVES = ("validation/skill", "validation/active/f1")


def trial(
    number: int, epochs: int, *values: float, state: TrialState = "complete", reused: int = 0, full: int = 48
) -> TrialResult:
    """A trial of two runs."""
    axes = {"model.layers": 1 + number % 4}
    return TrialResult(
        number, state, settings=axes, axes=axes,
        values=(values or (0.5, 0.5)) if state == "complete" else (),
        epochs=epochs, epochs_full=full, seconds=1.0, fingerprints=(f"{number}a", f"{number}b"), reused=reused,
        failure="NaN" if state == "failed" else None,
    )  # fmt: skip


def search(
    *trials: TrialResult, objectives: int = 1, best: int = 1, confirmed: Mapping[str, TrialResult] | None = None
) -> SearchResult:
    space = {"model.layers": Choice(values=(1, 2, 3, 4))}
    asked = resolved(space, objectives=OBJECTIVES[:objectives], trials=len(trials), best=best)
    return found(asked, [replace(t, values=t.values[:objectives]) for t in trials], confirmed=confirmed)


@pytest.fixture
def findings(results_of: Callable[..., StudyResults]) -> Callable[..., list[Finding]]:
    def of(*searches: SearchResult) -> list[Finding]:
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
        trial(9, 0, state="waiting"),
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
            "took 72 epochs instead of 96: 25 % were left out because trials failed.",
        ),
        (
            [trial(0, 24), trial(1, 24, state="failed")],
            "took 48 epochs instead of 96: early stopping saved 25 %; 25 % were left out because trials failed.",
        ),
        ([trial(0, 9_999, full=10_000)], "took 9,999 epochs instead of 10,000: early stopping saved under 1 %."),
        # What still runs has saved nothing yet.
        ([trial(0, 48), trial(1, 0, state="running")], "took 48 epochs."),
    ],
)
def test_savings_are_told_by_their_cause(
    findings: Callable[..., list[Finding]], trials: list[TrialResult], text: str
) -> None:
    (told,) = [f.text for f in findings(search(*trials)) if "epochs" in f.text]
    assert told == f"The search for 'tuned' {text}"


# Several objectives --------------------------------------------------------------------------------------------------
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
    winners = {f"made up {n}": replace(trial(n, 48), values=(0.5, 0.5)[:objectives]) for n in (0, 1)}

    def made(best: int, confirmed: Mapping[str, TrialResult]) -> SearchResult:
        return search(trial(0, 48), trial(1, 48), objectives=objectives, best=best, confirmed=confirmed)

    def told(one: SearchResult) -> list[str]:
        return [f.text for f in findings(one) if "confirmed instead" in f.text]

    assert told(made(3, winners)) == [f"Search for 'tuned': {text}"]
    assert told(made(2, winners)) == []
    assert told(replace(made(3, {}), complete=False)) == []


def test_of_several_objectives_each_is_named(findings: Callable[..., list[Finding]]) -> None:
    winner = trial(1, 48, 0.99, 0.98)
    both = search(winner, objectives=2, confirmed={"multimodal": winner})
    two = [f.text for f in findings(both) if "retrained" in f.text]
    assert [text.partition(", and ")[0] for text in two] == [
        "In skill on validation items, 'multimodal' (trial 1) had 0.990 in the search",
        "In F1 of active on validation items, 'multimodal' (trial 1) had 0.980 in the search",
    ]
    single = search(winner, confirmed={"multimodal": replace(winner, values=(0.99,))})
    (one,) = [f.text for f in findings(single) if "retrained" in f.text]
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
