"""Sentences that go through say, and two that do not: for the test that finds those."""

from mmcore.language import say


def told(arm: str) -> list[str]:
    """No sentence of this docstring counts."""
    said = [say("this one is said"), say("{arm} is said as well", arm=arm)]
    if not arm:
        raise ValueError("an error stays as it is")
    said.append(f"{arm} is not said at all")
    return [*said, "nor is this one"]
