"""Does the modality dossier find what the simulated corpus declares? Over several corpora, at a size for minutes.

    python -m benchmarks.dossier_truth --home /tmp/truth --seeds 1 2 3 --repeats 10

For each corpus seed the catalogue's study `modalities` is run with a small model, 7 arms × repeats, and every word of
its dossier that the declaration decides is held against it. Nothing is trained twice: the same call goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.corpora import locate
from experiments.driver import analyse_study, run_study
from experiments.home import Home
from experiments.opening import open_request, with_own_models
from experiments.planning.request import Options
from mmcore.data.sources.simulated import Truth, read_truth
from reports.sections.modalities.dossier import Dossier
from reports.sections.modalities.tests import assess

SMALL: dict[str, object] = {
    "model": {"width": 32, "layers": 1, "heads": 2, "feed_forward": 64, "dropout": 0.0},
    "training.epochs": 8,
    "training.optimiser.learning_rate": 0.01,
    # A pure product has no slope to start from: with a weight of its own it is found in a third of the epochs.
    "loss.weights": {"active": 1.0, "asset": 1.0, "scale": 6.0, "position": 1.0, "rotation": 0.2, "crop": 1.0},
}
"""What is changed on the quick preset: a run takes about two seconds of one core."""
CONTENT = ("audio", "visual")


def declared(truth: Truth) -> dict[tuple[str, str], bool]:
    """Whether a component needs a modality: its content, and the tracks' own past where that says anything more."""
    return {
        (modality, name): modality in component.modalities if modality in CONTENT else component.history
        for name, component in truth.components.items()
        for modality in (*CONTENT, "track")
    }


def disagreements(dossier: Dossier, truth: Truth) -> list[str]:
    """Where the dossier's words contradict the declaration, in words; [] where they do not."""
    found = []
    for (modality, name), needed in declared(truth).items():
        part = dossier.part(modality, name)
        # A little of position's past carries over, so its tracks help where the footage is missing: redundant, used.
        helps = ("useful",) if needed else ("redundant", "partly redundant", "harmful", "not needed", "not shown")
        if part.useful not in helps:
            found.append(f"{modality} for {name} is called {part.useful}")
        if needed != (part.used == "used") and not (modality == "track" and name == "position"):
            found.append(f"{modality} for {name} is called {part.used} by the trained model")
    for name, component in truth.components.items():
        (pair,) = [p for p in dossier.pairs if (p.one, p.other, p.component) == (*CONTENT, name)]
        if (pair.word == "together") != component.together:
            found.append(f"audio and visual for {name} are called {pair.word}")
    for one in dossier.additive:
        together = one.component is not None and truth.components[one.component].together
        if one.component is not None and together and one.gap.sign < 1:
            found.append(f"the trained model is said to need no interaction for {one.component}")
    return found


def main() -> None:
    """Print the words of every corpus, and where they contradict the declaration."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--home", type=Path, required=True)
    arguments.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments.add_argument("--repeats", type=int, default=10)
    arguments.add_argument("--workers", type=int, help="processes; default: one a core")
    given = arguments.parse_args()
    wrong = 0
    for seed in given.seeds:
        corpus = f"simulated:quick:{seed}"
        changes = tuple(SMALL.items())
        options = Options(corpus=corpus, repeats=given.repeats, changes=changes, workers=given.workers)
        run_study("modalities", given.home, options)
        home = Home.choose(given.home)
        outcome = analyse_study(
            with_own_models(open_request("modalities", home, options), "analyse"), home, ("coalitions",)
        )
        (dossier,) = assess(outcome.results)
        truth = read_truth(locate(corpus, home).folder)
        contradictions = disagreements(dossier, truth)
        wrong += len(contradictions)
        print(f"\ncorpus {seed}, {given.repeats} repeats: {len(contradictions)} contradictions {contradictions}")
        for name in truth.components:
            words = [f"{m}: {dossier.part(m, name).useful} · {dossier.part(m, name).used}" for m in dossier.modalities]
            print(f"  {name:10}{'   '.join(f'{word:32}' for word in words)}", flush=True)
    raise SystemExit(wrong > 0)


if __name__ == "__main__":
    main()
