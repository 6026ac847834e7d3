"""The base class of everything that has a card."""

from __future__ import annotations

from abc import abstractmethod

from reports.cards.card import Card
from reports.cards.html import card_html
from reports.cards.text import card_text


class Shown:
    """An object with a card: a notebook shows the card, a console prints its lines.

    A dataclass that derives from it is made with ``repr=False``.
    """

    @abstractmethod
    def card(self) -> Card:
        """What is shown at a glance."""

    def __repr__(self) -> str:
        return card_text(self.card())

    def _repr_html_(self) -> str:
        return card_html(self.card())
