"""The language that people are spoken to in: ``say`` finds a sentence in the catalogue of that language.

English stands in the code; every other language has a folder of catalogues, ``languages/LANGUAGE/*.po`` (gettext's
format). ``python -m docsite.strings`` lists what a catalogue lacks, and a test holds that none lacks anything.
Names of arms, settings, metrics and files, keys of JSON, log lines and errors stay as they are in every language.
"""

from __future__ import annotations

import locale
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from pathlib import Path
from string import Formatter
from typing import Any, Final, Literal, ParamSpec, TypeVar, cast, get_args

from mmcore.errors import ConfigError

P = ParamSpec("P")
T = TypeVar("T")
Language = Literal["en", "ja"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
VARIABLE: Final = "MMSTUDY_LANG"
"""The environment variable that names the language; child processes inherit it."""
CATALOGUES: Final = Path(__file__).parent / "languages"
COUNTED: Final = "counted"
"""The context of a noun with its number, as ``counted(3, "run")`` says it: ``{n}`` is the number."""

_chosen: ContextVar[Language | None] = ContextVar("language", default=None)


def language() -> Language:
    """The language of this moment: :func:`speaking`, else ``MMSTUDY_LANG``, else the locale, else English.

    Raises:
        ConfigError: ``MMSTUDY_LANG`` names a language that has no catalogue.
    """
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    named = os.environ.get(VARIABLE)
    return _of_locale() if not named else known(named, VARIABLE)


def known(name: str, where: str) -> Language:
    """A language that has a catalogue.

    Raises:
        ConfigError: it has none. ``where`` says who named it.
    """
    if name not in LANGUAGES:
        raise ConfigError(
            "the language must have a catalogue", expected=" or ".join(LANGUAGES), found=repr(name), where=where
        )
    return cast(Language, name)


@contextmanager
def speaking(chosen: Language) -> Iterator[None]:
    """Say everything in this language inside the ``with`` block, in this thread; child processes do not know it."""
    token = _chosen.set(chosen)
    try:
        yield
    finally:
        _chosen.reset(token)


def in_one_language(work: Callable[P, T]) -> Callable[P, T]:
    """A function that says everything in the language of the moment in which it is called, and asks for it once.

    For what says thousands of sentences: to look at the environment for each of them takes an eighth of a report.
    """

    @wraps(work)
    def spoken(*args: P.args, **named: P.kwargs) -> T:
        with speaking(language()):
            return work(*args, **named)

    return spoken


def say(text: str, /, **values: object) -> str:
    """A text in the language of this moment, with its values put in.

    Args:
        text: the English text as it stands in the code, with ``{name}`` or ``{name:.3f}`` for each value. Without
            values nothing is put in, and braces stand for themselves.

    Returns:
        The English text where the catalogue has none: an own word of the user's is shown as it is.

    Example:
        >>> with speaking("en"):
        ...     say("{arm} is ahead by {gain:.2f}", arm="gated", gain=0.1)
        'gated is ahead by 0.10'
    """
    chosen = language()
    if chosen == "en":
        return text.format(**values) if values else text
    found = _catalogue(chosen).get(("", text), text)
    return _put_in(found, values) if values else found


def _put_in(text: str, values: Mapping[str, object]) -> str:
    """A text with its values, and a space where a Latin letter or a digit of a value meets a Japanese letter.

    What a value holds stays as it is: names are the user's.
    """
    said = ""
    for literal, name, form, conversion in Formatter().parse(text):
        said = _beside(said, literal)
        if name is not None:
            value = Formatter().convert_field(values[name], conversion)
            said = _beside(said, format(value, form or ""))
    return said


def _beside(left: str, right: str) -> str:
    if left and right and {_LATIN, _JAPANESE} == {_script(left[-1]), _script(right[0])}:
        return f"{left} {right}"
    return left + right


_LATIN, _JAPANESE = "latin", "japanese"


def _script(letter: str) -> str:
    """The script of a letter or digit; empty for punctuation, spaces and signs."""
    if letter.isascii():
        return _LATIN if letter.isalnum() or letter in "_%" else ""
    return _JAPANESE if "\u3041" <= letter <= "\u30ff" or "\u4e00" <= letter <= "\u9fff" else ""


class Sentence(str):
    """A sentence in English that can be said in the reader's language as well; see :func:`sentence`."""

    __slots__ = ("_text", "_values")

    _text: str
    _values: Mapping[str, object]

    @property
    def shown(self) -> str:
        """In the language of this moment."""
        if language() == "en":
            return str(self)
        return say(self._text, **{name: shown(value) for name, value in self._values.items()})


def sentence(text: str, /, **values: object) -> Sentence:
    """A sentence that is English wherever it is written, and is said where it is shown, by :func:`shown`.

    For what a file keeps whose bytes count, such as the comments of ``corpus.yaml``, and a terminal shows too. A value
    may be such a sentence itself.

    Example:
        >>> sentence("{n} of {all} items", n=2, all=3)
        '2 of 3 items'
    """
    made = Sentence(text.format(**values) if values else text)
    made._text, made._values = text, values
    return made


def shown(value: Any) -> Any:
    """Such a sentence in the language of this moment; anything else as it is."""
    return value.shown if isinstance(value, Sentence) else value


def later(text: str, /) -> str:
    """Mark a text that stands in the code before the language is known, as a constant does: ``say`` gets it later."""
    return text


def said_of(n: int, noun: str) -> str | None:
    """A number with its noun where the catalogue has one, e.g. ``実行 3 件``; None: say it as English does."""
    chosen = language()
    found = None if chosen == "en" else _catalogue(chosen).get((COUNTED, noun))
    return None if found is None else found.format(n=f"{n}")


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """``1 repeat``, ``8 repeats``; in another language as its catalogue says it of this noun."""
    return said_of(n, noun) or f"{n} {_form(n, noun, plural)}"


def number_of(n: int, noun: str, plural: str | None = None) -> str:
    """As :func:`counted`, in English always: for errors.

    Example:
        >>> number_of(1, "item"), number_of(1200, "item"), number_of(2, "class", "classes")
        ('1 item', '1,200 items', '2 classes')
    """
    return f"{n:,} {_form(n, noun, plural)}"


def _form(n: int, noun: str, plural: str | None) -> str:
    return noun if n == 1 else plural or noun + "s"


def say_of(n: int, one: str, many: str, /, **values: object) -> str:
    """A text about a number, ``{n}``: in English ``one`` where it is 1, else ``many``.

    Other languages are told ``many`` alone, which the catalogue of a language without plurals says of any number.

    Example:
        >>> say_of(1, "1 row has no time", "{n} rows have no time"), say_of(2, "1 row …", "{n} rows have no time")
        ('1 row has no time', '2 rows have no time')
    """
    if n == 1 and language() == "en":
        return one.format(**values)
    return say(many, n=n, **values)


def sentence_of(n: int, one: str, many: str, /, **values: object) -> Sentence:
    """As :func:`say_of`, for a :func:`sentence`.

    Example:
        >>> sentence_of(1, "1 row of {name}", "{n} rows of {name}", name="audio")
        '1 row of audio'
    """
    made = Sentence(one.format(**values) if n == 1 else many.format(n=n, **values))
    made._text, made._values = many, {"n": n, **values}
    return made


def _of_locale() -> Language:
    """The language of the machine's locale, as far as it has a catalogue; else English."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable)
        if value:
            return cast(Language, value[:2]) if value[:2] in LANGUAGES else "en"
    if os.name == "nt":
        value = (locale.getlocale()[0] or "").lower()
        return "ja" if value.startswith(("ja", "japanese")) else "en"
    return "en"


@cache
def _catalogue(chosen: Language) -> Mapping[tuple[str, str], str]:
    """Context and English text → the text in that language, from all its files; what is not translated is left out."""
    from babel.messages.pofile import read_po

    found: dict[tuple[str, str], str] = {}
    for path in sorted((CATALOGUES / chosen).glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file):
                if message.id and message.string and not message.fuzzy:
                    found[(message.context or "", str(message.id))] = str(message.string)
    return found
