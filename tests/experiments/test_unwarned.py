"""Warnings are left out in the thread that asks for it, whatever other threads do to the filters meanwhile."""

from __future__ import annotations

import threading
import warnings

import pytest

from experiments.unwarned import unwarned


def test_another_thread_that_puts_its_filters_back_does_not_let_warnings_through() -> None:
    """One thread draws figures while another one logs models."""
    inside, restored = threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def other() -> None:
        with unwarned():
            inside.set()
            restored.wait(30)
            try:
                warnings.warn("nothing that a user could act on", UserWarning, 1)
            except UserWarning as error:
                raised.append(error)

    before = warnings.filters
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outer = warnings.catch_warnings()
        outer.__enter__()
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(30)
        # Ends before the other thread does, with the filters that it found: errors.
        outer.__exit__(None, None, None)
        with pytest.raises(UserWarning, match="mine"):
            warnings.warn("mine", stacklevel=1)
        restored.set()
        thread.join(30)
    assert raised == []
    assert warnings.filters == before


def test_warnings_are_themselves_again_afterwards() -> None:
    own = warnings.warn
    with unwarned(), unwarned():
        warnings.warn("left out", DeprecationWarning, 2)
    assert warnings.warn is own
    with pytest.warns(UserWarning, match="heard") as heard:
        warnings.warn("heard", stacklevel=1)
    assert heard[0].filename == __file__


def test_the_line_that_warns_is_named_while_another_thread_hears_nothing() -> None:
    inside, done = threading.Event(), threading.Event()

    def other() -> None:
        with unwarned():
            inside.set()
            done.wait(30)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(30)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        warnings.warn("heard", stacklevel=1)
    done.set()
    thread.join(30)
    assert [one.filename for one in heard] == [__file__]


def test_what_is_raised_within_ends_it() -> None:
    own = warnings.warn
    with pytest.raises(KeyError), unwarned():
        raise KeyError
    assert warnings.warn is own
