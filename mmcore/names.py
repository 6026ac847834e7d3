"""Names in any script: of modalities, columns, items, classes.

One name can be written in two ways in Unicode: ``ガ`` as one character (NFC) or as ``カ`` and a mark (NFD, how macOS
writes file names). Every name is brought to NFC where it enters, so that both ways are one name.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from mmcore.errors import MMStudyError


def nfc(name: str) -> str:
    """The name in NFC; itself where it is so already.

    Example:
        >>> nfc("e\\u0301") == "\\u00e9"
        True
    """
    return unicodedata.normalize("NFC", name)


Name = Annotated[str, AfterValidator(nfc)]
"""Text that is a name: in NFC once it is read."""


def names_a_folder(name: str) -> bool:
    """Whether a name is safe as that of a folder on every system: letters and digits of any script, ``_ - .`` after
    the first character.

    Example:
        >>> names_a_folder("音声"), names_a_folder("a/b"), names_a_folder(".hidden")
        (True, False, False)
    """
    # Marks are parts of letters in many scripts (Devanagari, Thai), where no single character holds both.
    kinds = [unicodedata.category(character)[0] for character in name]
    return bool(name) and kinds[0] in "LN" and all(k in "LNM" or c in "_-." for k, c in zip(kinds, name, strict=True))


def is_text(name: str | Path) -> bool:
    """Whether a name is text that any file can hold.

    A byte of a name that is no UTF-8, as in ``caf\\xe9`` from an old archive, is half a surrogate pair in Python.
    Neither JSON nor YAML nor a database can write that.

    Example:
        >>> is_text("café"), is_text("caf\\udce9")
        (True, False)
    """
    try:
        str(name).encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse_torn_text(text: str | Path, what: str, error: type[MMStudyError]) -> None:
    """Refuse a path, or another text from outside, that no record, report or database could name.

    Args:
        what: what it is, as the message calls it. error: the error's class.

    Raises:
        MMStudyError: a byte of it is no UTF-8, or it has half a surrogate pair.
    """
    if not is_text(text):
        raise error(
            f"{what} must be UTF-8, so that records and reports can name it",
            found="the bytes that are shown with a backslash",
            next_step="Rename the file or the folder",
            where=_shown(str(text)),
        )


def _shown(text: str) -> str:
    try:
        return os.fsencode(text).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        # Other halves of surrogate pairs come from Python code, not from the system.
        return text.encode("utf-8", "backslashreplace").decode()
