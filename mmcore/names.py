"""Names in any script: of modalities, columns, items, classes.

One name can be written in two ways in Unicode: ``ガ`` as one character (NFC) or as ``カ`` and a mark (NFD, how macOS
writes file names). Every name is brought to NFC where it enters, so that both ways are one name.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator


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
