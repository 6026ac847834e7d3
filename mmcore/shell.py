"""Commands that a message proposes, so that they can be copied."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path


def argument(value: str | Path) -> str:
    """A path or a name as an argument of a command line: quoted where a shell would divide or change it.

    Example:
        >>> argument("corpus/語"), argument("my corpus")
        ('corpus/語', "'my corpus'")
    """
    text = str(value)
    if re.fullmatch(r"[\w./\\:+=@%,-]+" if os.name == "nt" else r"[\w./:+=@%,-]+", text):
        return text
    return f'"{text}"' if os.name == "nt" else shlex.quote(text)
