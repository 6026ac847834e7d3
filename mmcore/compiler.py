"""Let a process train without torch's compiler, whose import takes it as long as that of torch itself.

Parts of torch import the compiler only to say that they are not to be compiled.
"""

from __future__ import annotations

from collections.abc import Callable


def keep_compiler_out(function: Callable[..., object] | None) -> None:
    """Write where torch itself would that this function of torch is not compiled, before its first call does so.

    Args:
        function: of torch; one that does not import the compiler, or None where this torch has none, stays as it is.
    """
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None and not hasattr(wrapped, "__dynamo_disable"):
        setattr(wrapped, "__dynamo_disable", wrapped)
