"""What would tuning the weighted loss have done? The objective that `search:` refuses, run all the same.

    python -m benchmarks.naive_objective --home /tmp/naive

Loss weights are searched three times with one budget: twice for the lowest weighted validation loss, with weights as
proportions and with each free between 0.1 and 10, and once for validation skill, as a study does it. Then all winners
and equal weights are trained anew on fresh repeats and tested. Nothing is trained twice: the same call goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.driver import run_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Options
from experiments.progress import Screen
from experiments.records import read_record
from experiments.tuning.tune import tune
from mmcore.config import RunConfig
from mmcore.data.prepare import prepare
from mmcore.measures import parse_metric
from mmcore.record import Record
from reports.output.text import as_text
from studies.search.block import Objective

SKILL = Objective("validation/skill", parse_metric("skill"))
PROPORTIONS: Mapping[str, object] = {"loss.weights": {"kind": "simplex", "role": "scientific"}}
FREE: Mapping[str, object] = {"kind": "log_uniform", "low": 0.1, "high": 10.0, "role": "scientific"}


@dataclasses.dataclass(frozen=True)
class WeightedLoss(Objective):
    """What a run minimised, on validation items: the sum over components of weight times loss."""

    def of(self, record: Record) -> float:
        """Its value in a record; NaN where a component's loss is not known."""
        assert isinstance(record.config, RunConfig)
        weights, total = record.config.loss.weights, 0.0
        for s in record.scores:
            known = (s.split, s.items, s.metric, s.baseline, s.parameter)
            if known == ("validation", "all", "loss", None, None) and s.component is not None:
                total += weights.get(s.component, 1.0) * s.value
        return total


def study_file(home: Home, name: str, arms: Mapping[str, Any], space: Mapping[str, Any], given: Any) -> str:
    """A study that searches this space, as YAML (JSON is YAML); its path."""
    study = {
        "question": "What do loss weights come to that are tuned for the weighted loss?",
        "corpus": given.corpus,
        "reference": "equal",
        "arms": {"equal": {}, **arms},
        "search": {
            "space": space,
            "pruner": "none",
            "budget": {"trials": given.trials},
            "repeats": 2,
            "confirm": {"best": 1, "baselines": []},
        },
        "repeats": given.repeats,
        "margin": 0.02,
    }
    path = home.root / f"{name}.yaml"
    path.write_text(json.dumps(study, indent=1), encoding="utf-8")
    return str(path)


def naive(study: str, home: Home, options: Options) -> tuple[dict[str, Any], float, float]:
    """Search for the lowest weighted loss: the winner's settings, its weighted loss and its skill, both validation."""
    request = open_request(study, home, options)
    if not request.place.exists:
        request.place.ensure(lambda event: None)
        request = open_request(study, home, options)
    search = request.study.search
    assert search is not None
    weighted = WeightedLoss("weighted_loss", parse_metric("loss"))
    misled = dataclasses.replace(request.study, search=dataclasses.replace(search, objective=(weighted,)))
    # Under a name of its own: the file, opened again, is a study with another objective.
    key, search_key = f"{request.key}-weighted", f"{request.search_key}-weighted"
    request = dataclasses.replace(request, study=misled, key=key, search_key=search_key)
    data = misled.arms[0].config.data
    store = prepare(request.place.folder, data, home.prepared, lambda event: None)
    with Screen() as screen:
        (found,) = tune(request, home, screen, lambda: store.path)
    best = next(trial for trial in found.trials if trial.number == found.best[0])
    records = [read_record(home.run(name)) for name in best.fingerprints]
    return dict(best.axes), best.values[0], fmean(SKILL.of(record) for record in records if record is not None)


def main() -> None:
    """Search, confirm, and print what came of it."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--home", type=Path, required=True)
    arguments.add_argument("--corpus", default="simulated:noisy")
    arguments.add_argument("--trials", type=int, default=40)
    arguments.add_argument("--repeats", type=int, default=12)
    arguments.add_argument("--epochs", type=int, help="default: the preset's")
    arguments.add_argument("--workers", type=int, help="processes; default: one a core")
    given = arguments.parse_args()
    home = Home.choose(given.home).make()
    changes = (("training.epochs", given.epochs),) if given.epochs else ()
    options = Options(changes=changes, workers=given.workers)
    first = open_request(study_file(home, "naive_proportions", {}, PROPORTIONS, given), home, options)
    free = {f"loss.weights.{component}": FREE for component in first.schema.targets.components}
    arms = {}
    for name, space in (("naive proportions", PROPORTIONS), ("naive free", free)):
        study = study_file(home, name.replace(" ", "_"), {}, space, given)
        arms[name], loss, skill = naive(study, home, options)
        print(f"{name}: weighted validation loss {loss:.3f}, validation skill {skill:.3f}; {json.dumps(arms[name])}")
    study = study_file(home, "honest", arms, PROPORTIONS, given)
    with Screen() as screen:
        outcome = run_study(study, home.root, options, display=screen)
    print(as_text(outcome.summary))
    print(f"Report: {outcome.report}")


if __name__ == "__main__":
    main()
