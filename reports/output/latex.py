"""A Summary's table of arms for a paper: LaTeX with booktabs.

The best score of each column is bold; marks say which arms are better or worse than the arm that they are compared
with. Whatever a name holds, the text compiles with pdfLaTeX.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from mmcore.language import Language, language, say
from reports import numbers as numerals
from reports.model.report import ArmRow, ComparisonRow, Summary
from reports.model.verdict import measure_words
from reports.numbers import opened, prose
from reports.summary.methods import how_tested

SIGNS: dict[str, str] = {
    "better": "+",
    "worse": "-",
    "equivalent": "=",
    "better on these items": "(+)",
    "worse on these items": "(-)",
    "equivalent on these items": "(=)",
}
MOST_OPPONENTS = 3
"""Arms beside the reference that marks may point to by number; a study that compares with more has none of these."""
WIDEST = 90
"""Characters that fit beside one another; a wider table is scaled to the text."""


_HEADS: dict[Language, tuple[str, ...]] = {
    "en": (r"\documentclass{article}", r"\usepackage[T1]{fontenc}", r"\usepackage[utf8]{inputenc}"),
    "ja": (
        r"% lualatex または xelatex でコンパイルしてください。",
        r"\documentclass{article}",
        r"\usepackage{iftex}",
        r"\ifLuaTeX\usepackage{luatexja}\else\usepackage{xeCJK}\fi",
    ),
}
"""The first lines of a document in each language: which program compiles it, and with which fonts."""


def as_latex(summary: Summary) -> str:
    """A document of its own that holds the table."""
    lines = [
        *_HEADS[language()],
        r"\usepackage[margin=2.5cm]{geometry}",
        r"\usepackage{booktabs}",
        r"\usepackage{graphicx}",
        r"\begin{document}",
        arms_table(summary).rstrip(),
        *_runs(summary),
        r"\end{document}",
    ]
    return "\n".join(lines) + "\n"


def arms_table(summary: Summary) -> str:
    r"""The table alone, for ``\input`` into a paper that loads booktabs and graphicx.

    A paper in Japanese also loads luatexja (lualatex) or xeCJK (xelatex).
    """
    metric = summary.metric
    level = say("{level} interval", level=numerals.percent(summary.level))
    titles = [say("arm"), metric.title, level, *summary.components, say("parameters"), say("FLOPs")]
    header, arms, baselines = [escape(title) for title in titles], _arms(summary), _baselines(summary)
    widths = [max(len(row[i]) for row in (header, *arms, *baselines)) for i in range(len(header))]
    wide = sum(widths) + 2 * len(widths) > WIDEST
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_caption(summary)}}}",
        rf"\label{{tab:{_label(summary.study)}}}",
        *([r"\resizebox{\linewidth}{!}{%"] if wide else []),
        rf"\begin{{tabular}}{{l{'r' * (len(titles) - 1)}}}",
        r"\toprule",
        _row(header),
        r"\midrule",
        *map(_row, arms),
        *([r"\midrule"] if baselines else []),
        *map(_row, baselines),
        r"\bottomrule",
        r"\end{tabular}" + ("}" if wide else ""),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    # After the end of a row or a rule LaTeX takes a bracket or a star for an option, not for the next row's text.
    return "{}" + " & ".join(cells) + r" \\"


def _runs(summary: Summary) -> list[str]:
    """Comments that name the runs of each arm, as it is written in the table, by their fingerprints.

    Empty where the scores are not from our runs: these have none.
    """
    if not summary.native and not any(run.fingerprint for run in summary.runs):
        return []
    runs: dict[str, list[str]] = {}
    for run in summary.runs:
        failed = "" if run.status == "done" else f" ({run.status})"
        runs.setdefault(run.arm, []).append(f"{run.fingerprint}{failed}")
    return [f"% runs of {escape(arm)}: {', '.join(mine)}" for arm, mine in runs.items()]


def _arms(summary: Summary) -> list[list[str]]:
    scores = [[arm.score.mean, *(e.mean for e in arm.components)] for arm in summary.arms]
    best = [_best([row[i] for row in scores], summary.metric.higher_is_better) for i in range(len(scores[0]))]
    names = (None, *summary.components)
    rows = []
    for arm, values in zip(summary.arms, scores, strict=True):
        texts = []
        for name, value, top in zip(names, values, best, strict=True):
            text = escape(numerals.number(value))
            # What is printed alike is equally good to the reader.
            bold = rf"\textbf{{{text}}}" if numerals.number(value) == top else text
            texts.append(bold + _marks(summary, arm, name))
        name = escape(arm.name)
        name = say("{arm} (reference)", arm=name) if arm.reference else name
        interval = escape(numerals.interval(arm.score.low, arm.score.high))
        size = [escape(numerals.count(arm.parameters)), escape(numerals.quantity(arm.flops))]
        rows.append([name, texts[0], interval, *texts[1:], *size])
    return rows


def _baselines(summary: Summary) -> list[list[str]]:
    rows = []
    for b in summary.baselines:
        score, *parts = (escape(numerals.number(v)) for v in (b.score, *b.components))
        rows.append([say("{baseline} (naive)", baseline=escape(b.name)), score, "", *parts, "", ""])
    return rows


def _best(values: Sequence[float], higher_is_better: bool) -> str | None:
    """The best value as it is printed; None where there are fewer than two to compare."""
    known = [v for v in values if v == v]
    if len(known) < 2:
        return None
    return numerals.number(max(known) if higher_is_better else min(known))


def _marks(summary: Summary, arm: ArmRow, component: str | None) -> str:
    """Signs of what was decided on an arm, those against another arm than the reference with that arm's number."""
    numbers = _opponents(summary)
    signs = [
        SIGNS[c.verdict] + numbers[c.reference]
        for c in _marked(summary)
        if (c.arm, c.component) == (arm.name, component) and c.verdict in SIGNS
    ]
    return f"$^{{{','.join(signs)}}}$" if signs else ""


def _opponents(summary: Summary) -> dict[str, str]:
    """Whom marks are against, with what stands behind their sign: nothing for the reference, else a number."""
    others = dict.fromkeys(c.reference for c in summary.comparisons if c.reference != summary.reference)
    numbered = others if len(others) <= MOST_OPPONENTS else ()
    return {summary.reference: ""} | {name: str(i) for i, name in enumerate(numbered, start=1)}


def _marked(summary: Summary) -> list[ComparisonRow]:
    known = _opponents(summary)
    return [c for c in summary.comparisons if c.reference in known]


def _caption(summary: Summary) -> str:
    compared = _marked(summary)
    said = [escape(summary.question), escape(prose(_means(summary), say("The best score of a column is bold.")))]
    found = {c.verdict for c in compared}
    tested = next((c.tested for c in compared if c.tested), say("items"))
    marks = [
        f"$^{{{sign}}}$ {escape(_meaning(verdict, tested))}" for verdict, sign in SIGNS.items() if verdict in found
    ]
    if marks:
        decided = dict.fromkeys(c.reference for c in compared if c.verdict in SIGNS)
        against = [
            say("{name} (marked {n})", name=escape(name), n=number) if number else escape(name)
            for name, number in _opponents(summary).items()
            if name in decided
        ]
        listed = say(", ").join(marks)
        said.append(say("Against {arms}: {marks}.", arms=numerals.listing(against), marks=listed))
    if len(compared) < len(summary.comparisons):
        reference = escape(summary.reference)
        said.append(say("Comparisons with other arms than {reference} are not marked.", reference=reference))
    if compared:
        words = {"test": how_tested(compared), "alpha": f"{summary.alpha:g}"}
        test = (
            say("Arms are paired by repeat; the test is {test}, at {alpha}.", **words)
            if summary.paired
            else say("Arms are not paired; the test is {test}, at {alpha}.", **words)
        )
        said.append(escape(prose(test, summary.families)))
    return prose(*said)


def _meaning(verdict: str, tested: str) -> str:
    """What a sign stands for."""
    match verdict:
        case "better on these items":
            return say("better on these {tested} only", tested=tested)
        case "worse on these items":
            return say("worse on these {tested} only", tested=tested)
        case "equivalent on these items":
            return say("equivalent on these {tested} only", tested=tested)
        case _:
            return say(verdict)


def _means(summary: Summary) -> str:
    """What the numbers of the table are."""
    metric = summary.metric
    counts = sorted({arm.n for arm in summary.arms})
    n = f"{counts[0]}" if len(counts) == 1 else say("{low} to {high}", low=counts[0], high=counts[-1])
    words = {
        "title": opened(metric.title), "direction": metric.direction, "n": n, "metric": metric.title,
        "level": numerals.percent(summary.level),
    }  # fmt: skip
    by = ""
    if summary.components:
        by = say(", and {measure} by component", measure=measure_words(metric.measure))
    if summary.shared:
        return say(
            "{title} on test items ({direction}): means over n = {n} repeats with the {level} interval of {metric}, "
            "which is about the tested items alone{by_component}.",
            by_component=by,
            **words,
        )
    return say(
        "{title} on test items ({direction}): means over n = {n} repeats with the {level} interval of "
        "{metric}{by_component}.",
        by_component=by,
        **words,
    )


def _label(name: str) -> str:
    """A name as a label takes it."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)


_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "`": r"\textasciigrave{}", "−": "$-$", "–": r"\textendash{}",
    "—": r"\textemdash{}", "∞": r"$\infty$", "×": r"$\times$", "±": r"$\pm$", "·": r"$\cdot$", "≤": r"$\leq$",
    "≥": r"$\geq$", "→": r"$\to$", "…": r"\dots{}", "“": "``", "”": "''", "’": "'", "µ": r"$\mu$",
}  # fmt: skip
_GREEK = frozenset(
    {
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
        "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
    }
)  # fmt: skip
_NOT_IN_T1 = frozenset("ĦħĸĿŀŉŦŧ")


def escape(text: str) -> str:
    """Text that LaTeX takes literally; a character that its fonts lack becomes its code point, ``[U+65E5]``.

    In Japanese the letters of East Asia stay: luatexja and xeCJK have them.

    White space of any kind, a line break too, is one space.
    """
    said = "".join(_character(c) for c in " ".join(text.split()))
    # Two of these in a row would be set as one other character.
    return re.sub(r"([-,])(?=\1)", r"\1{}", said)


def _character(c: str) -> str:
    if c in _SPECIAL:
        return _SPECIAL[c]
    if c.isascii() and c.isprintable():
        return c
    # Latin-1 letters and Latin Extended-A are what a T1 font holds, but for a few.
    if c.isalpha() and "\u00c0" <= c <= "\u017e" and c not in _NOT_IN_T1:
        return c
    if language() != "en" and unicodedata.east_asian_width(c) in "WF":
        # The programs that a text of this language needs have the letters.
        return c
    match unicodedata.name(c, "").lower().replace("lamda", "lambda").split():
        case ["greek", "small", "letter", letter] if letter in _GREEK:
            return rf"$\{letter}$"
    return f"[U+{ord(c):04X}]"
