"""Prepared stores and corpora of a home."""

from __future__ import annotations

import re
from collections.abc import Iterator

from experiments.elsewhere import PLACE, read_place
from experiments.held import is_held
from experiments.home import Home
from experiments.upkeep.findings import Finding, entries, leftovers, read
from mmcore.data.prepared import open_prepared, read_index
from mmcore.data.sources.folder import read_items, read_schema
from mmcore.quality import read_quality

_NAME = re.compile(r"[0-9a-f]{32}")


def check_prepared(home: Home) -> Iterator[Finding | int]:
    """Every prepared store is opened; a number for each."""
    for folder in entries(home.prepared):
        if _NAME.fullmatch(folder.name):
            yield 0
            yield from read(lambda f=folder: open_prepared(f), folder)
    if not any(is_held(path) for path in home.prepared.glob("*.lock")):
        yield from leftovers(home.prepared, "*.partial-*")


def check_corpora(home: Home) -> Iterator[Finding | int]:
    """Corpora in the home, and what it keeps of those that are elsewhere; a number for each."""
    for folder in entries(home.corpora):
        if not folder.is_dir() or ".partial-" in folder.name or folder.name == "elsewhere":
            continue
        yield 0
        yield from read(lambda f=folder: (read_schema(f), read_items(f / "items.csv")), folder)
    if not any(is_held(path) for path in home.corpora.glob("*.lock")):
        yield from leftovers(home.corpora, "*.partial-*")
    for folder in entries(home.corpora / "elsewhere"):
        yield 0
        yield from read(lambda f=folder: read_place(f), folder / PLACE)
        corpus = folder / "corpus"
        yield from read(lambda f=corpus: (read_schema(f), read_items(f / "items.csv")), corpus)
        for store in entries(folder / "prepared"):
            yield from read(lambda s=store: (read_index(s), read_quality(s)), store)
        for place in (folder, corpus, *entries(folder / "prepared")):
            yield from leftovers(place, ".*.tmp")
