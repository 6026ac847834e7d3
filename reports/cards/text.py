"""A card for a console: short enough to stand among other output."""

from __future__ import annotations

from reports.cards.card import Card, clipped, remainder

MOST_LINES = 6
"""Lines and notes of a card that a console prints, each."""
_HEAD, _WIDTH = 118, 180
"""Letters of title and subtitle, and of a line."""


def card_text(card: Card) -> str:
    """Title, lines and notes; fewer than 1,000 characters, however large the object is.

    Example:
        >>> from reports.cards.card import Line
        >>> print(card_text(Card("Summary of 'level'", "", (Line("'both' is better than 'track'."),))))
        Summary of 'level'
          'both' is better than 'track'.
    """
    head = clipped(card.title, _HEAD) + (f": {clipped(card.subtitle, _HEAD)}" if card.subtitle else "")
    lines = [line.text for line in card.lines]
    shown = [*lines[:MOST_LINES], remainder(lines, MOST_LINES, "lines"), *card.notes]
    kept, left = [head], 990 - len(head)
    for text in (f"  {clipped(text, _WIDTH)}" for text in shown if text):
        left -= len(text) + 1
        if left < 0:
            break
        kept.append(text)
    return "\n".join(kept)
