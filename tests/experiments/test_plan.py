"""Plans say what is to do, cost nothing and write nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from factories.records import a_record, failed

from experiments.cli.plan_view import plan_json
from experiments.cli.text import plan_text, status_text
from experiments.driver import run_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options
from experiments.progress import Silent
from experiments.records import write_record
from experiments.results import load_results
from mmcore.errors import CorpusError, RecordError, StudyError


def planned(study: Path, corpus: Path, home: Home, **options: object):
    return plan(open_request(str(study), home, Options(corpus=str(corpus), **options)), home)  # pyright: ignore[reportArgumentType]


def test_everything_is_to_do_at_first(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    found = planned(tiny_study, tiny_corpus, home)
    assert [(r.arm, r.repeat, r.state) for r in found.runs] == [
        ("both", 0, "to do"),
        ("track", 0, "to do"),
        ("both", 1, "to do"),
        ("track", 1, "to do"),
    ]
    assert len({r.fingerprint for r in found.runs}) == 4
    assert found.seconds > 0
    assert "roughly" in found.basis
    assert not home.root.exists()


def test_what_is_there_is_reused_resumed_or_kept_as_failed(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    names = [r.fingerprint for r in planned(tiny_study, tiny_corpus, home).runs]
    assert all(names)
    folders = [home.run(name) for name in names if name]
    for folder in folders[:3]:
        (folder / "checkpoints").mkdir(parents=True)
    write_record(folders[0], a_record(seconds=12.0, fingerprint=folders[0].name))
    write_record(folders[1], failed(fingerprint=folders[1].name))
    (folders[2] / "checkpoints" / "last.pt").write_bytes(b"")
    (folders[2] / "history.json").write_text('[{"epoch": 1}]')
    before = sorted(home.root.rglob("*"))
    found = planned(tiny_study, tiny_corpus, home, workers=1)
    assert [r.state for r in found.runs] == ["done", "failed", "resume", "to do"]
    assert found.runs[2].seconds == pytest.approx(6.0)  # half of the epochs of an arm that took 12 s before
    assert "1 finished run" in found.basis
    assert sorted(home.root.rglob("*")) == before
    text = plan_text(found)
    assert "1 failed run is kept" in text
    assert json.dumps(plan_json(found))


def test_a_run_that_a_process_trains_now_is_running(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    name = planned(tiny_study, tiny_corpus, home).runs[0].fingerprint
    assert name
    home.run(name).mkdir(parents=True)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print('held', flush=True); "
            "sys.stdin.read()",
            str(home.run(name) / "run.lock"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        assert planned(tiny_study, tiny_corpus, home).runs[0].state == "running"
    finally:
        holder.communicate()
    assert planned(tiny_study, tiny_corpus, home).runs[0].state == "to do"


def test_device_workers_and_place_do_not_change_a_run(
    tiny_study: Path, tiny_corpus: Path, home: Home, tmp_path: Path
) -> None:
    one = planned(tiny_study, tiny_corpus, home)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for path in tiny_corpus.rglob("*"):
        if path.is_file():
            target = moved / path.relative_to(tiny_corpus)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    other = planned(tiny_study, moved, home, workers=1, device="auto")
    assert [r.fingerprint for r in one.runs] == [r.fingerprint for r in other.runs]


def test_a_changed_value_changes_every_run(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    one = planned(tiny_study, tiny_corpus, home)
    other = planned(tiny_study, tiny_corpus, home, changes=(("training.epochs", 3),))
    assert not {r.fingerprint for r in one.runs} & {r.fingerprint for r in other.runs}


def test_a_simulated_corpus_is_planned_before_it_is_made(home: Home) -> None:
    found = plan(open_request("track_vs_multimodal", home, Options()), home)
    assert found.count("to do") == len(found.runs) == 20
    assert "will be simulated first" in plan_text(found)


def test_planning_imports_no_torch_and_help_is_quick(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    code = """if True:
        import sys
        from experiments.cli.main import app
        def call(*words):
            try: app(words)
            except SystemExit as end: assert not end.code
        call(*sys.argv[1:])
        heavy = {'torch', 'mlflow', 'optuna', 'matplotlib', 'seaborn', 'scipy'} & set(sys.modules)
        assert not heavy, heavy
    """
    # What comes after a command has imports of its own, which need one process and not four.
    further = """if True:
        import experiments.driver
        heavy = {'torch', 'mlflow', 'optuna', 'matplotlib', 'seaborn'} & set(sys.modules)
        assert not heavy, 'a report imports ' + str(heavy)
        call(*sys.argv[1:3], 'plan', 'fusion')
        assert 'torch' in sys.modules, 'its models are counted'
        heavy = {'torch._dynamo', 'sympy', 'mlflow', 'optuna', 'matplotlib', 'seaborn'} & set(sys.modules)
        assert not heavy, 'a matched plan imports ' + str(heavy)
    """
    for words, more in (
        (["--help"], ""),
        (["list"], ""),
        (["--home", str(home.root), "plan", str(tiny_study), "--corpus", str(tiny_corpus)], further),
        (["--home", str(home.root), "status", str(tiny_study), "--corpus", str(tiny_corpus)], ""),
    ):
        done = subprocess.run([sys.executable, "-c", f"{code}\n{more}", *words], capture_output=True, text=True)
        assert done.returncode == 0, (words, done.stderr)


def test_a_matched_study_trains_the_matched_models(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    plain = planned(tiny_study, tiny_corpus, home)
    matched = planned(tiny_study, tiny_corpus, home, match="flops")
    state = {(run.arm, run.repeat): run.fingerprint for run in plain.runs}
    changed = [(run.arm, state[run.arm, run.repeat] != run.fingerprint) for run in matched.runs]
    assert changed == [("both", True), ("track", False)] * 2


@pytest.mark.parametrize("spec", ["simulated:qick", "simulated:", "simulated:quick:x"])
def test_unknown_simulated_corpora_are_refused(home: Home, spec: str) -> None:
    with pytest.raises(CorpusError, match="names no simulated corpus"):
        open_request("track_vs_multimodal", home, Options(corpus=spec))


def test_a_folder_without_a_corpus_says_how_to_make_one(home: Home, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="mmstudy data import"):
        open_request("track_vs_multimodal", home, Options(corpus=str(tmp_path / "nowhere")))


def test_modalities_that_the_corpus_lacks_are_refused(home: Home, tiny_corpus: Path, tmp_path: Path) -> None:
    study = tmp_path / "s.yaml"
    study.write_text(
        "question: Is it?\nreference: a\nrepeats: 2\npreset: null\narms:\n  a: {model.modalities: [video]}\n  b: {}\n"
    )
    with pytest.raises(StudyError, match=r"s\.yaml:6: .*'video'.*audio, track"):
        open_request(str(study), home, Options(corpus=str(tiny_corpus)))


def test_reports_of_different_things_never_share_a_folder(
    tiny_study: Path, tiny_corpus: Path, home: Home, tmp_path: Path
) -> None:
    keys = {
        open_request(str(tiny_study), home, Options(corpus=str(tiny_corpus))).key,
        open_request(str(tiny_study), home, Options(corpus=str(tiny_corpus), repeats=3)).key,
        open_request(str(tiny_study), home, Options(corpus=str(tiny_corpus), match="parameters")).key,
        open_request(str(tiny_study), home, Options(corpus=str(tiny_corpus), match="none")).key,
    }
    twin = tmp_path / "other" / tiny_corpus.name
    shutil.copytree(tiny_corpus, twin)
    keys.add(open_request(str(tiny_study), home, Options(corpus=str(twin))).key)
    namesake = tmp_path / "elsewhere" / tiny_study.name
    namesake.parent.mkdir()
    namesake.write_bytes(tiny_study.read_bytes())
    keys.add(open_request(str(namesake), home, Options(corpus=str(tiny_corpus))).key)
    assert len(keys) == 6
    assert open_request("fusion", home, Options()).key == "fusion"


def test_a_study_that_names_a_preset_which_is_not_there_is_told_its_line(tmp_path: Path, home: Home) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("question: Why?\nreference: a\npreset: quik\narms: {a: {}, b: {model.layers: 1}}\n")
    with pytest.raises(StudyError, match=r"mine.yaml:3: preset 'quik' is unknown. Did you mean 'quick'"):
        open_request(str(path), home, Options())
    with pytest.raises(StudyError, match=r"^--preset: preset 'sed' is unknown. Did you mean 'seed'"):
        open_request(str(path), home, Options(preset="sed"))


def test_the_first_estimate_grows_with_every_layer_on_the_way(tmp_path: Path, home: Home) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("question: Why?\nreference: a\narms: {a: {}, b: {model.norm: pre}}\n")

    def seconds(*changes: tuple[str, Any]) -> float:
        return plan(open_request(str(path), home, Options(changes=changes)), home).seconds

    plain = seconds()
    assert seconds(("model.layers_before", 2)) > plain
    assert seconds(("model.fusion.kind", "decision")) > plain
    few, many = (seconds(("model.fusion", {"kind": "bottleneck", "tokens": n})) for n in (1, 20))
    assert plain < few < many
    assert seconds(("model.fusion.kind", "cross_modal")) > plain


def test_a_plan_with_an_open_search_is_not_finished_when_its_known_arms_are(
    tiny_study: Path, tiny_corpus: Path, home: Home
) -> None:
    search = "search:\n  space: {model.dropout: {kind: uniform, low: 0, high: 0.5, role: scientific}}\n"
    with tiny_study.open("a", encoding="utf-8") as file:
        file.write(search + "  budget: {trials: 6}\n  repeats: 1\n")
    found = planned(tiny_study, tiny_corpus, home, workers=2)
    for run in found.runs:
        assert run.fingerprint is not None
        home.run(run.fingerprint).mkdir(parents=True)
        write_record(home.run(run.fingerprint), a_record(seconds=12.0, fingerprint=run.fingerprint))
    found = planned(tiny_study, tiny_corpus, home, workers=2)
    assert found.count("done") == len(found.runs)
    assert found.workers == 2, "trials can share the machine, too"
    text = plan_text(found)
    assert "6 to do" in text
    assert "nothing to train" not in text
    assert "still to be trained" in text
    assert "2 runs of what is found come on top" in text


def test_a_budget_of_epochs_reaches_further_where_trials_are_pruned(
    tiny_study: Path, tiny_corpus: Path, home: Home
) -> None:
    search = "search:\n  space: {model.dropout: {kind: uniform, low: 0, high: 0.5}}\n"
    written = tiny_study.read_text(encoding="utf-8")
    for pruner, told in (("halving", "at least 3 to do"), ("none", " 3 to do")):
        more = f"  budget: {{epochs: 6}}\n  repeats: 1\n  pruner: {pruner}\n"
        tiny_study.write_text(written + search + more, encoding="utf-8")
        text = plan_text(planned(tiny_study, tiny_corpus, home))
        assert told in text
        assert "on top" not in text, "every arm is known"
        assert ("at least 3 to do" in text) == (pruner == "halving")
        assert "at most 12 epochs" in text, "6 for each arm"


def test_errors_by_a_column_that_items_do_not_have_are_refused_before_anything_is_trained(
    tiny_study: Path, tiny_corpus: Path, home: Home, tmp_path: Path
) -> None:
    corpus = shutil.copytree(tiny_corpus, tmp_path / "with_genres")
    header, *lines = (corpus / "items.csv").read_text().splitlines()
    rows = [f"{header},genre", *(f"{line},{'ab'[at % 2]}" for at, line in enumerate(lines))]
    (corpus / "items.csv").write_text("\n".join(rows) + "\n")
    text = tiny_study.read_text()
    study = tmp_path / "by_genre.yaml"
    for column, line in (("genre", None), ("gener", len(text.splitlines()) + 1)):
        study.write_text(f"{text.rstrip()}\nanalyses:\n  - {{kind: errors, columns: [{column}]}}\n")
        if line is None:
            assert planned(study, corpus, home).runs
            continue
        with pytest.raises(StudyError, match=r"found 'gener'\. Did you mean 'genre'") as caught:
            planned(study, corpus, home)
        assert caught.value.where == f"{study}:{line + 1}"


def test_a_corpus_that_changed_says_why_its_runs_are_trained_again(
    tiny_study: Path, tiny_corpus: Path, home: Home, tmp_path: Path
) -> None:
    """Someone mends a cell: all finished runs seem gone, and nothing in the plan said why."""
    corpus = tmp_path / "mended"
    shutil.copytree(tiny_corpus, corpus)
    options = Options(corpus=str(corpus))
    assert planned(tiny_study, corpus, home).warnings == ()
    run_study(str(tiny_study), home.root, options, display=Silent())
    assert planned(tiny_study, corpus, home).warnings == ()
    page = next(home.root.glob("reports/*/report.html"))
    assert status_text(planned(tiny_study, corpus, home), home).endswith(f"\n\nreport: {page}")
    table = next((corpus / "audio").glob("*.parquet"))
    before = table.read_bytes()
    pd.read_parquet(table).assign(level=0.5).to_parquet(table)
    found = planned(tiny_study, corpus, home)
    assert {run.state for run in found.runs} == {"to do"}
    (why,) = found.warnings
    assert why.startswith("the corpus has changed since the report of this study was written")
    assert status_text(found, home).endswith(f"\n\nreport, of the corpus before it changed: {page}")
    with pytest.raises(RecordError, match=r"The corpus has changed since the study's report was written\. Start it: "):
        load_results(found, home)
    # With the same bytes the runs count again, as the warning says.
    table.write_bytes(before)
    again = planned(tiny_study, corpus, home)
    assert ({run.state for run in again.runs}, again.warnings) == ({"done"}, ())


def test_a_report_that_cannot_be_read_says_nothing_of_the_corpus(
    tiny_study: Path, tiny_corpus: Path, home: Home
) -> None:
    request = open_request(str(tiny_study), home, Options(corpus=str(tiny_corpus)))
    for text in ("", "[]", '{"provenance": {}}', '{"provenance": {"corpus": null}}'):
        folder = home.report(request.key)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").write_text(text, encoding="utf-8")
        assert plan(request, home).warnings == ()
