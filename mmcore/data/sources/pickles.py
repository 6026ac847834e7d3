"""Reads a pickle without unpickling: arrays, numbers, text and plain containers, and no call of anything.

A pickle is a program. Python's unpickler runs it: it imports what the file names and calls it. Here an interpreter of
its own reads the program, and it can neither import nor call. It knows the few names by which numpy writes an array;
each stands for code of this file. Any other name ends the reading. numpy's own ``__setstate__`` is not used either:
with a forged state it takes numbers for addresses.

Arrays are views into the mapped file, so a pickle of many gigabytes costs little memory until it is used. Protocols 0
to 5 are read, those of Python 2 included. The opcodes are those of Python's ``pickletools``.
"""

from __future__ import annotations

import codecs
import mmap
import struct
import warnings
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from mmcore.data.sources.pickled_arrays import NAMES, Name, PickledArray, PickledType, array_of, code_of
from mmcore.errors import CorpusError
from mmcore.files import open_file

SAFE_ROUTE = (
    "If you trust the file, load it with its own library in a sandbox, save the arrays with "
    "numpy.savez('data.npz', audio=..., y=...), then: mmstudy data import numpy data.npz --out DIR"
)
MAX_STEPS = 20_000_000
"""Instructions that are read: a file with more is no file of arrays."""


_LONG_TEXT = 1 << 20
_OTHERS = {
    b"PK\x03\x04": "a zip archive, as numpy.savez and torch.save write it",
    b"\x1f\x8b": "a gzip file, to be unpacked first",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUM": "an .npy file",
}
"""How files of other kinds begin."""


_MARK = object()
"""Where a container's parts begin on the stack."""


def read_pickle(path: Path, offset: int = 0) -> Any:
    """What a pickle holds.

    Args:
        path: the file.
        offset: bytes before the pickle begins; an .npy file has a header.

    Returns:
        dict, list, tuple, set, str, bytes (or a view of them), numbers, None, and numpy arrays of numbers, text, bytes
        or of these objects. Arrays are read-only where they are views into the file. No array, an empty one and NaN
        come back as they were written.

    Raises:
        CorpusError: the file asks for anything else (it is named), claims more than it holds, is torn or no pickle.
    """
    where = str(path)
    try:
        with open_file(path) as file:
            # The map stays open as long as an array looks into it.
            whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        for magic, kind in _OTHERS.items():
            if whole[offset : offset + len(magic)] == magic:
                raise ValueError(kind)
        return _Reader(whole, offset, where).run()
    except OSError as error:
        raise CorpusError(
            "the file cannot be read",
            found=error.strerror or str(error),
            next_step="Check that it is there and that you may read it",
            where=where,
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError, struct.error, OverflowError) as error:
        raise CorpusError(
            "the file is not a complete pickle of arrays and plain containers",
            found=str(error)[:120] or type(error).__name__,
            next_step="Compare its size with that of the original, and copy or download it again",
            where=where,
        ) from None
    except (MemoryError, RecursionError) as error:
        raise CorpusError(
            "the file claims more than this machine can hold",
            found=type(error).__name__,
            next_step=SAFE_ROUTE,
            where=where,
        ) from None


class _Reader:
    """Reads the instructions one by one."""

    def __init__(self, whole: mmap.mmap, offset: int, where: str) -> None:
        self._whole, self._data, self._where = whole, memoryview(whole), where
        self._at = offset
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        for _ in range(MAX_STEPS):
            code = chr(self._take(1)[0])
            if code == ".":
                return self._pop()
            self._step(code)
        raise ValueError(f"more than {MAX_STEPS} instructions")

    # Bytes -------------------------------------------------------------------------------------------------------
    def _take(self, count: int) -> memoryview:
        if not 0 <= count <= len(self._data) - self._at:
            raise ValueError(f"{count} bytes claimed at byte {self._at}, {len(self._data) - self._at} left")
        self._at += count
        return self._data[self._at - count : self._at]

    def _number(self, format: str) -> int:
        return struct.unpack(format, self._take(struct.calcsize(format)))[0]

    def _line(self) -> bytes:
        end = self._whole.find(b"\n", self._at)
        if end < 0:
            raise ValueError("a line that never ends")
        return bytes(self._take(end + 1 - self._at)[:-1])

    def _text(self, count: int) -> str:
        return str(self._take(count), "utf-8", "replace")

    def _old_text(self, count: int) -> Any:
        """Python 2's byte strings: text, or, where it is long, most likely the numbers of an array."""
        return str(self._take(count), "latin-1") if count < _LONG_TEXT else self._take(count)

    def _quoted(self) -> str:
        """A byte string of protocol 0, written as Python 2 would show it."""
        with warnings.catch_warnings():
            # An escape that Python does not know is a warning, and here a fault of the file.
            warnings.simplefilter("error", DeprecationWarning)
            try:
                return str(codecs.escape_decode(self._line().strip()[1:-1])[0], "latin-1")
            except DeprecationWarning as error:
                raise ValueError(str(error)) from None

    # Stack -------------------------------------------------------------------------------------------------------
    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a container that never ends")
        return value.made if isinstance(value, PickledArray) and value.made is not None else value

    def _since_mark(self) -> list[Any]:
        values: list[Any] = []
        while self._stack[-1] is not _MARK:
            values.append(self._pop())
        self._stack.pop()
        return values[::-1]

    def _top(self, kind: type) -> Any:
        top = self._stack[-1]
        if type(top) is not kind:
            raise ValueError(f"parts of a {kind.__name__} for something else")
        return top

    def _fill(self, values: list[Any]) -> None:
        top = self._top(dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            # The hash of a deep tuple can overflow the stack, so that keys are plain.
            top[_plain(key)] = value

    # Instructions ------------------------------------------------------------------------------------------------
    def _step(self, code: str) -> None:
        """Do one instruction: of the stack and of single values here, others below.

        Raises:
            ValueError: no instruction of a pickle.
        """
        stack, push = self._stack, self._stack.append
        match code:
            case "\x80":  # PROTO
                self._take(1)
            case "\x95":  # FRAME
                self._take(8)
            case "(":
                push(_MARK)
            case "0":
                stack.pop()
            case "1":
                self._since_mark()
            case "2":
                push(stack[-1])
            case "N":
                push(None)
            case "\x88" | "\x89":
                push(code == "\x88")
            case "I":
                line = self._line()
                push(line == b"01" if line in (b"00", b"01") else int(line))
            case "J":
                push(self._number("<i"))
            case "K":
                push(self._number("<B"))
            case "M":
                push(self._number("<H"))
            case "L":
                push(int(self._line().rstrip(b"L")))
            case "\x8a" | "\x8b":  # LONG1, LONG4
                push(int.from_bytes(self._take(self._number("<B" if code == "\x8a" else "<i")), "little", signed=True))
            case "F":
                push(float(self._line()))
            case "G":
                push(struct.unpack(">d", self._take(8))[0])
            case "S":
                push(self._quoted())
            case "T" | "U":
                push(self._old_text(self._number("<i" if code == "T" else "<B")))
            case "V":
                push(str(self._line(), "raw-unicode-escape").encode("utf-8", "replace").decode())
            case "X" | "\x8c" | "\x8d":
                push(self._text(self._number({"X": "<I", "\x8c": "<B", "\x8d": "<Q"}[code])))
            case "B" | "C" | "\x8e" | "\x96":  # bytes, bytearray
                data = self._take(self._number({"B": "<I", "C": "<B", "\x8e": "<Q", "\x96": "<Q"}[code]))
                push(bytes(data) if len(data) < 256 else data)
            case _:
                self._contain(code)

    def _contain(self, code: str) -> None:
        """Make a container, or fill one."""
        push = self._stack.append
        match code:
            case "]":
                push([])
            case "a":
                value = self._pop()
                self._top(list).append(value)
            case "e":
                values = self._since_mark()
                self._top(list).extend(values)
            case "l":
                push(self._since_mark())
            case ")":
                push(())
            case "t":
                push(tuple(self._since_mark()))
            case "\x85" | "\x86" | "\x87":
                push(tuple([self._pop() for _ in range(ord(code) - 0x84)][::-1]))
            case "}":
                push({})
            case "d":
                values = self._since_mark()
                push({})
                self._fill(values)
            case "s":
                value, key = self._pop(), self._pop()
                self._fill([key, value])
            case "u":
                self._fill(self._since_mark())
            case "\x8f":
                push(set())
            case "\x90":
                values = self._since_mark()
                self._top(set).update(_plain(value) for value in values)
            case "\x91":
                push(frozenset(_plain(value) for value in self._since_mark()))
            case _:
                self._refer(code)

    def _refer(self, code: str) -> None:
        """Remember a value, look one up, or do what stands for a call."""
        stack, push = self._stack, self._stack.append
        match code:
            case "g" | "h" | "j":
                push(self._memo[self._place(code)])
            case "p" | "q" | "r":
                self._memo[self._place(code)] = stack[-1]
            case "\x94":
                self._memo[len(self._memo)] = stack[-1]
            case "c":
                push(self._named(str(self._line(), "utf-8"), str(self._line(), "utf-8")))
            case "\x93":
                name, module = self._pop(), self._pop()
                push(self._named(str(module), str(name)))
            case "i":  # INST: a class and its arguments
                self._refuse(f"{str(self._line(), 'utf-8')}.{str(self._line(), 'utf-8')}")
            case "R" | "\x81":  # REDUCE, NEWOBJ
                arguments, what = self._pop(), self._pop()
                push(self._made(what, arguments))
            case "b":
                self._build(self._pop())
            case "P" | "Q" | "\x82" | "\x83" | "\x84" | "\x92" | "o" | "\x97" | "\x98":
                self._refuse("an object from outside the file, or of an unknown class")
            case _:
                raise ValueError(f"byte {ord(code)} at {self._at - 1} where an instruction should be")

    def _place(self, code: str) -> int:
        if code in "gp":
            return int(self._line())
        return self._number("<B" if code in "hq" else "<I")

    # Names, and what stands for them -----------------------------------------------------------------------------
    def _named(self, module: str, name: str) -> Name:
        known = NAMES.get((module, name))
        return known if known is not None else self._refuse(f"{module}.{name}")

    def _refuse(self, name: str) -> NoReturn:
        raise CorpusError(
            "a pickle is read without running it, so that it may hold arrays and plain containers alone",
            found=f"a call of {name}"[:200],
            next_step=f"Do not trust this file. {SAFE_ROUTE}",
            where=self._where,
        )

    def _made(self, what: Any, arguments: Any) -> Any:
        if not isinstance(arguments, tuple):
            raise ValueError("a call without arguments")
        match what:
            case Name.RECONSTRUCT:
                if len(arguments) != 3 or arguments[0] is not Name.NDARRAY or arguments[1] != (0,):
                    raise ValueError("an array that is not empty before its state")
                return PickledArray()
            case Name.DTYPE:
                return PickledType(code_of(arguments[0]))
            case Name.ENCODE:
                text, encoding = arguments
                if encoding not in ("latin1", "latin-1"):
                    raise ValueError(f"bytes in encoding {encoding}"[:60])
                return text.encode("latin-1")
            case Name.SCALAR:
                dtype, data = arguments
                return array_of((), dtype, data, False)[()]
            case Name.FROM_BUFFER:
                data, dtype, shape, order = arguments
                return array_of(shape, dtype, data, order == "F")
            case Name.DICT if arguments == ():
                return {}
            case Name.BYTES if arguments == ():
                return b""
            case Name.DICT | Name.SET if len(arguments) == 1 and isinstance(arguments[0], list):
                if what is Name.SET:
                    return {_plain(value) for value in arguments[0]}
                return {_plain(key): value for key, value in arguments[0]}
            case _:
                raise ValueError("a call of something that is not a name")

    def _build(self, state: Any) -> None:
        match self._stack[-1]:
            case PickledType() as type_:
                type_.build(state)
            case PickledArray() as array:
                # Older versions of numpy wrote no version number in front.
                *_, shape, dtype, fortran, data = state
                array.made = array_of(shape, dtype, data, bool(fortran))
            case _:
                raise ValueError("a state for something that has none")


def _plain(key: Any) -> Any:
    if type(key) not in (str, int, float, bool, bytes, type(None)) and not isinstance(key, np.generic):
        raise ValueError(f"a {type(key).__name__} as a key")
    return key
