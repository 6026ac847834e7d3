"""Ways to spoil a text, a file or a name."""

from __future__ import annotations

import random
import re

SCALARS = (
    "null", "true", "false", "[]", "{}", "''", '""', "-1", "0", "1", "2", "0.5", "1e309", "1:30", "010", "on",
    "yes", "no", "&a [*a]", "*x", "!!set {a, b}", "!!python/name:os.system", "2026-01-01", '"a\\0b"', '"\\ud800"',
    '"\\e[31m"', "9" * 100, "[[[[[[[[1]]]]]]]]", "{a: {a: {a: 1}}}", "a/b", "../x", "' '", "é", "\u202e", "all",
    "base", "none", "1_000", ".inf", ".nan", "0x7fffffffffff", str(2**63), str(2**40), "1000000", "1000000000",
    "-0.0", "1e-320", "[1, 2]", "{kind: add}", "{kind: nonsense}", "[a, a]", "test", "audio", "track", "skill",
    "x" * 300, "?", "- a", "'%s'", "{{ x }}", "<b>",
)  # fmt: skip
NAMES = (
    "on", "yes", "1", "010", "null", "~", "all", "base", "none", "a b", " a", "a ", "a/b", "a\\b", "..", ".", "é",
    "e\u0301", "Ａ", "音声", "\u202eab", "\x1b[31m", "a\nb", "a\tb", "=1+1", "-a", "@x", "x" * 260, "x" * 5000, "CON",
    "a:b", "a*", "a?b", "%s", "%20", "#", "$HOME", "`x`", "<script>", "{{ 7*7 }}", "a,b", 'a"b', "a'b", "Alice",
    "alice", "skill", "loss", "time", "item", "group", "split", "test", "a+b", "\u200f", "\ud800", "", "🙂",
)  # fmt: skip
BYTES = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"[]",
    b"null",
    b"{}",
    b"PK\x03\x04",
    b"\x93NUMPY",
    b"PAR1",
    b"[" * 3000,
)


def bomb() -> str:
    """Nine levels of nine aliases."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    return "\n".join(lines + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]) + "\n"


def spoil_yaml(text: str, rng: random.Random) -> tuple[str, str]:
    """Another text, and what was done to it."""
    lines = text.splitlines()
    at = rng.randrange(len(lines))
    line = lines[at]
    match rng.randrange(14):
        case 0 | 1 | 2 | 3:
            found = [*re.finditer(r"(?<=[:\[,{ ])\s*[^\s:,\[\]{}]+(?=[,\]}]|$)", line)]
            if found:
                one, new = rng.choice(found), rng.choice(SCALARS)
                lines[at] = f"{line[: one.start()]} {new}{line[one.end() :]}"
                return "\n".join(lines) + "\n", f"line {at + 1}: value {new[:40]!r}"
            return spoil_yaml(text, rng)
        case 4:
            del lines[at]
            what = f"line {at + 1} deleted"
        case 5:
            lines.insert(at, line)
            what = f"line {at + 1} twice"
        case 6:
            lines[at] = rng.choice(["  ", " ", "\t", ""]) + line.lstrip()
            what = f"line {at + 1} indented otherwise"
        case 7:
            letters = list(line)
            if letters:
                letters[rng.randrange(len(letters))] = rng.choice("abc:{}[]#&*!|>%@`\"'\\ \t\x00\x1b\u202e")
            lines[at] = "".join(letters)
            what = f"line {at + 1}: a letter"
        case 8:
            cut = rng.randrange(len(text))
            return text[:cut], f"cut after {cut} characters"
        case 9:
            key = re.match(r"\s*-?\s*([\w.]+):", line)
            if key is None:
                return spoil_yaml(text, rng)
            name = rng.choice([key[1] + "s", key[1][:-1] or "x", key[1].upper(), *NAMES[:12]])
            lines[at] = line.replace(key[1], name, 1)
            what = f"line {at + 1}: key {name[:40]!r}"
        case 10:
            other = rng.randrange(len(lines))
            lines[at], lines[other] = lines[other], line
            what = f"lines {at + 1} and {other + 1} exchanged"
        case 11:
            return text + bomb(), "an alias bomb"
        case 12:
            deep = rng.choice([50, 70, 500, 3000])
            return text + "deep: " + "[" * deep + "]" * deep + "\n", f"{deep} brackets"
        case _:
            return rng.choice(
                ["", "\n", "---\n", "[]\n", "null\n", "a\n", text + "---\n" + text, "%YAML 1.1\n---\n" + text]
            ), ("another document")
    return "\n".join(lines) + "\n", what


def spoil_bytes(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Other bytes, and what was done to them."""
    match rng.randrange(6):
        case 0:
            new = rng.choice(BYTES)
            return new, f"only {new[:8]!r}"
        case 1:
            cut = rng.randrange(len(data) + 1)
            return data[:cut], f"cut after {cut} bytes"
        case 2:
            at = rng.randrange(max(1, len(data)))
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :], f"byte {at}"
        case 3:
            at, size = rng.randrange(max(1, len(data))), rng.choice([16, 512, 4096])
            return data[:at] + bytes(size) + data[at + size :], f"{size} zeros at {at}"
        case 4:
            return data + data[rng.randrange(max(1, len(data))) :], "a part twice"
        case _:
            at = rng.randrange(max(1, len(data)))
            new = rng.choice(
                [b"nan", b"inf", b"1e400", b"-", b",", b'"', b"\r", b"\n\n", b"\0", b"\xff", b"=1+1", b"9" * 400]
            )
            return data[:at] + new + data[at:], f"{new[:8]!r} at {at}"
