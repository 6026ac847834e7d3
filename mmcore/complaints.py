"""What pydantic complains of, in the words of this project: a message never begins with "Value error" or "Input"."""

from __future__ import annotations

import re
from typing import Any

_WORDS = (
    (r"(?:Value error, |Assertion failed, |Invalid JSON: )", ""),
    (r"Input should be a valid integer.*", "must be a whole number"),
    (r"Input should be a valid (?:number|decimal).*", "must be a number"),
    (r"Input should be a valid string.*", "must be text"),
    (r"Input should be a valid boolean.*", "must be true or false"),
    (r"Input should be a valid (?:list|tuple|set|frozenset|array).*", "must be a list"),
    (r"Input should be (?:a valid (?:dict|mapping)|an object|a dictionary).*", "must be a mapping"),
    (r"Input should be None", "must be null"),
    (r"Input tag (.*) found using '(\w+)' does not match any of the expected tags: (.*)", r"must have a \2 of \3"),
    (r"Unable to extract tag using discriminator '(\w+)'", r"must name its \1"),
    (r"(?:Field required|Missing required .*argument)", "must be given"),
    (r"(?:Extra inputs are not permitted|Unexpected .*argument)", "must be a known key"),
    (r"(?:Input|[A-Z]\w*) should ", "must "),
)
"""How messages begin, as regular expressions, and what stands there instead; the first that fits."""
_INSIDE = (
    (r" after validation, not \d+$", ""),
    (r"\bgreater than or equal to\b", "at least"),
    (r"\bless than or equal to\b", "at most"),
)


def plain(message: str) -> str:
    """A message of pydantic's as the rest of a sentence about the value.

    Example:
        >>> plain("Input should be greater than or equal to 2"), plain("Value error, 'x' is not one of 'a', 'b'.")
        ('must be at least 2', "'x' is not one of 'a', 'b'.")
        >>> plain("Input should be a valid integer, unable to parse string as an integer")
        'must be a whole number'
    """
    for pattern, words in _WORDS:
        found = re.match(pattern, message)
        if found is None:
            continue
        if not words:
            # In words of ours, or of a parser.
            return message[found.end() :]
        message = found.expand(words) + message[found.end() :]
        for inside, better in _INSIDE:
            message = re.sub(inside, better, message)
        return message
    return message[:1].lower() + message[1:]


def complaint(error: Any) -> str:
    """What is wrong, of one of the errors that a ``ValidationError`` lists.

    Example:
        >>> complaint({"type": "string_too_short", "msg": "String should have at least 1 character"})
        'must have at least 1 character'
    """
    return plain(error["msg"])


def expectation(error: Any) -> str:
    """What such an error expects, to stand behind the word.

    Example:
        >>> expectation({"type": "float_type", "msg": "Input should be a valid number"})
        'a number'
    """
    return re.sub("^must (be|have) ", "", complaint(error))
