"""Where a report's numbers come from: corpus, code, machine, runs, and the command that rebuilds it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mmcore.frozen import without_defaults
from mmcore.result import Drawn
from reports.numbers import counted, listing, percent
from reports.records.frame import StudyResults
from reports.summary.methods import drawn_text
from reports.summary.splits import splits_of
from studies.resolved import ResolvedStudy

_ENVIRONMENT = ("commit", "dirty", "python", "torch", "platform", "device", "threads", "numerics")
"""What runs say about how they were made."""


def facts_of(results: StudyResults) -> tuple[tuple[str, str], ...]:
    """Provenance for people: (label, value), without what is not known."""
    study, corpus, runs, caller = results.study, results.corpus, results.run_rows, results.provenance
    facts: list[tuple[str, Any]] = [
        ("Command", caller.get("command")),
        ("Rebuild this report", caller.get("rebuild")),
        ("Study file", caller.get("study_file")),
        ("Preset", study.preset),
        ("Changed on the command line", ", ".join(f"{k}={v}" for k, v in study.changes.items())),
        ("Repeats", _numbered(study)),
        ("Matched", _matched(study)),
        ("Corpus", corpus.get("name")),
        ("Corpus content", corpus.get("content")),
        ("Corpus path", corpus.get("path")),
        ("Modalities", ", ".join(corpus.get("modalities", ()))),
        ("Task", corpus.get("task")),
        ("Groups", _groups(runs, results.drawn)),
        ("mmstudy", caller.get("mmstudy")),
        ("Commit", _values(runs, "commit")),
        ("Uncommitted changes", _dirty(runs)),
        ("Python", _values(runs, "python")),
        ("Packages", _packages(runs)),
        ("Platform", _values(runs, "platform")),
        ("Device", _values(runs, "device")),
        ("Threads", _values(runs, "threads")),
        ("First run started", min(_distinct(runs, "started"), default="")),
        ("Last run finished", max(_distinct(runs, "finished"), default="")),
        ("Home", caller.get("home")),
        ("MLflow", caller.get("mlflow")),
    ]
    return tuple((label, str(value)) for label, value in facts if value)


def provenance_of(results: StudyResults) -> dict[str, Any]:
    """The same as plain data, with every run and every arm's config (without defaults)."""
    runs, study = results.run_rows, results.study
    # When the report was made stays out: the same records must give the same bytes.
    caller = {k: v for k, v in results.provenance.items() if k != "created"}
    return {
        **caller,
        "preset": study.preset,
        "changes": dict(study.changes),
        "match": None if study.match is None else study.match.model_dump(),
        "corpus": {k: results.corpus.get(k) for k in ("name", "content", "path", "task", "leaky", "missing")},
        "splits": splits_of(results),
        "environment": {
            **{k: _distinct(runs, k) for k in _ENVIRONMENT},
            "packages": [json.loads(text) for text in _distinct(runs, "packages")],
        },
        "configs": {arm.name: without_defaults(arm.config) for arm in study.arms},
        "runs": [{k: run[k] for k in ("arm", "repeat", "fingerprint", "status", "reused_from")} for run in runs],
    }


def _numbered(study: ResolvedStudy) -> str:
    """Which repeats, where they are not the first ones: they share no split and no seed with those before."""
    numbers = study.numbers
    return f"{numbers[0]} to {numbers[-1]}" if numbers[0] else ""


def _matched(study: ResolvedStudy) -> str:
    if study.match is None:
        return ""
    return f"by {study.match.by}, to {percent(study.match.tolerance)} of arm '{study.reference}'"


def _distinct(runs: Sequence[dict[str, Any]], key: str) -> list[Any]:
    """What the runs say, each once, in order; without what is not known."""
    return list(dict.fromkeys(run[key] for run in runs if run[key] is not None))


def _values(runs: Sequence[dict[str, Any]], key: str) -> str:
    return ", ".join(str(v) for v in _distinct(runs, key))


def _dirty(runs: Sequence[dict[str, Any]]) -> str:
    known = [run["dirty"] for run in runs if run["dirty"] is not None]
    if not known:
        return ""
    return f"in {counted(sum(known), 'run')} of {len(runs)}" if any(known) else "none"


def _groups(runs: Sequence[dict[str, Any]], drawn: Drawn) -> str:
    done = [run for run in runs if run["status"] == "done"]
    if not done:
        return ""
    parts = [f"{part} {_span([run[f'{part}_groups'] for run in done])}" for part in ("train", "test")]
    return f"{listing(parts)}, {drawn_text(drawn)}"


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low}–{high}"


def _packages(runs: Sequence[dict[str, Any]]) -> str:
    versions: dict[str, list[str]] = {}
    for text in _distinct(runs, "packages"):
        for name, version in json.loads(text).items():
            if version is not None and version not in versions.setdefault(name, []):
                versions[name].append(version)
    return ", ".join(f"{name} {'/'.join(found)}" for name, found in versions.items())
