"""Where a report's numbers come from: corpus, code, machine, runs, and the command that rebuilds it."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from mmcore.frozen import without_defaults
from reports.frame import StudyResults
from reports.numerals import counted, listing


def facts_of(results: StudyResults) -> tuple[tuple[str, str], ...]:
    """Provenance for people: (label, value), without what is not known."""
    study, corpus, runs, caller = results.study, results.corpus, results.runs, results.provenance
    facts: list[tuple[str, Any]] = [
        ("Command", caller.get("command")),
        ("Rebuild this report", caller.get("rebuild")),
        ("Study file", caller.get("study_file")),
        ("Preset", study.preset),
        ("Changed on the command line", ", ".join(f"{k}={v}" for k, v in study.changes.items())),
        ("Corpus", corpus.get("name")),
        ("Corpus content", corpus.get("content")),
        ("Corpus path", corpus.get("path")),
        ("Modalities", ", ".join(corpus.get("modalities", ()))),
        ("Task", corpus.get("task")),
        ("Groups", _groups(runs)),
        ("mmstudy", caller.get("mmstudy")),
        ("Commit", _values(runs["commit"])),
        ("Uncommitted changes", _dirty(runs)),
        ("Python", _values(runs["python"])),
        ("Packages", _packages(runs)),
        ("Platform", _values(runs["platform"])),
        ("Device", _values(runs["device"])),
        ("Threads", _values(runs["threads"])),
        ("First run started", _edge(runs["started"], "min")),
        ("Last run finished", _edge(runs["finished"], "max")),
        ("Home", caller.get("home")),
        ("MLflow", caller.get("mlflow")),
    ]
    return tuple((label, str(value)) for label, value in facts if value)


def provenance_of(results: StudyResults) -> dict[str, Any]:
    """The same as plain data, with every run and every arm's config (without defaults)."""
    runs, study = results.runs, results.study
    # When the report was made stays out: the same records must give the same bytes.
    caller = {k: v for k, v in results.provenance.items() if k != "created"}
    return {
        **caller,
        "preset": study.preset,
        "changes": dict(study.changes),
        "corpus": {k: results.corpus.get(k) for k in ("name", "content", "path", "task", "leaky", "missing")},
        "environment": {
            **{k: _distinct(runs[k]) for k in ("commit", "dirty", "python", "torch", "platform", "device", "threads")},
            "packages": [json.loads(text) for text in _distinct(runs["packages"])],
        },
        "configs": {arm.name: without_defaults(arm.config) for arm in study.arms},
        "runs": [
            {k: (None if v is None or v != v else v) for k, v in run.items()}
            for run in runs[["arm", "repeat", "fingerprint", "status", "reused_from"]].to_dict("records")
        ],
    }


def _distinct(values: pd.Series) -> list[Any]:
    return [v.item() if hasattr(v, "item") else v for v in values.dropna().drop_duplicates().tolist()]


def _values(values: pd.Series) -> str:
    return ", ".join(str(v) for v in _distinct(values))


def _dirty(runs: pd.DataFrame) -> str:
    known = runs["dirty"].dropna()
    if known.empty:
        return ""
    return f"in {counted(int(known.astype(bool).sum()), 'run')} of {len(runs)}" if known.astype(bool).any() else "none"


def _groups(runs: pd.DataFrame) -> str:
    done = runs[runs["status"] == "done"].dropna(subset=["train_groups", "test_groups"])
    if done.empty:
        return ""
    how = "given by the corpus" if done["given"].all() else "drawn for each repeat"
    parts = [f"{part} {_span(done[column])}" for part, column in (("train", "train_groups"), ("test", "test_groups"))]
    return f"{listing(parts)}, {how}"


def _span(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low}–{high}"


def _packages(runs: pd.DataFrame) -> str:
    versions: dict[str, list[str]] = {}
    for text in _distinct(runs["packages"]):
        for name, version in json.loads(text).items():
            if version is not None and version not in versions.setdefault(name, []):
                versions[name].append(version)
    return ", ".join(f"{name} {'/'.join(found)}" for name, found in versions.items())


def _edge(values: pd.Series, which: str) -> str:
    """The earliest or latest of ISO times, which sort as text."""
    known = sorted(str(v) for v in values.dropna())
    return "" if not known else known[0] if which == "min" else known[-1]
