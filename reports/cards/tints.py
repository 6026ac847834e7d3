"""The colours of a card: each has a contrast of at least 3 : 1 with white and with black."""

from __future__ import annotations

from collections.abc import Mapping

from reports.cards.card import Tone

TINTS: Mapping[Tone, str] = {
    "better": "#2f8f6f",
    "worse": "#c23b58",
    "equivalent": "#2f6fb7",
    "open": "#7a7f87",
    "warning": "#b07a12",
    "plain": "#7a7f87",
}
"""As in the figures of a report."""
