"""Benchmarks that run whole studies start as quickly as the tests of studies do."""

from __future__ import annotations

from factories.studies import blank_figures, migrated, no_mirror, quick_starts, tiny_corpus, with_database

__all__ = ["blank_figures", "migrated", "no_mirror", "quick_starts", "tiny_corpus", "with_database"]
