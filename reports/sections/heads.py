"""Words that sections hand over as keys in English: heads of columns, labels, and cells that are words.

A page shows them in the reader's language, through ``say``; files and JSON have them as they stand here. Longer ones
are marked where they stand.
"""

from __future__ import annotations

from typing import Final

from mmcore.language import later

HEADS: Final = (
    later("arm"), later("against"), later("reference"), later("component"), later("modality"), later("gate"),
    later("difference"), later("low"), later("high"), later("p"), later("p after Holm"), later("p corrected"),
    later("repeats"), later("repeat"), later("mean"), later("loss"), later("naive loss"), later("naive ratio"),
    later("ratio"), later("verdict"), later("label"), later("outcome"), later("word"), later("rule"), later("unit"),
    later("skill"), later("skill against"), later("family"), later("group"), later("groups"), later("condition"),
    later("item"), later("items"), later("items gained"), later("average rank"), later("on"), later("of"),
    later("error"), later("confidence"), later("accuracy"), later("predictions"), later("rank"), later("end"),
    later("start"), later("steps"), later("place"), later("layer"), later("from"), later("to"), later("share"),
    later("distance"), later("measure"), later("ICC of the measure"), later("norm"), later("gate alone"),
    later("norm alone"), later("standard deviation"), later("held"), later("cost"), later("cost low"),
    later("cost high"), later("cost of holding"), later("point"), later("else"), later("lost"), later("ρ"),
    later("ρ low"), later("ρ high"), later("damage"), later("undamaged"), later("area"), later("area low"),
    later("area high"), later("strongest"), later("below naive from"), later("repeats below"), later("earliest"),
    later("latest"), later("cost difference"), later("cost verdict"), later("cost p"), later("level"), later("score"),
    later("score low"), later("score high"), later("gain"), later("gain against"), later("trial"), later("setting"),
    later("value"), later("axis"), later("method"), later("objective"), later("searched"), later("number"),
    later("state"), later("last"), later("epochs"), later("seconds"), later("reused"), later("failure"),
    later("runs"), later("useful"), later("used"), later("disagreement"), later("alone"), later("alone low"),
    later("alone high"), later("drop"), later("drop low"), later("drop high"), later("drop n"), later("drop p"),
    later("gain low"), later("gain high"), later("gain n"), later("gain p"), later("share low"), later("share high"),
    later("share n"), later("share p"), later("placebo"), later("placebo low"), later("placebo high"),
    later("placebo n"), later("placebo p"), later("masked by"), later("how"), later("index"), later("one"),
    later("other"), later("additive"), later("additive low"), later("additive high"), later("additive uncorrected"),
    later("difference low"), later("difference high"), later("reads"), later("others"),
)  # fmt: skip
"""Heads of columns, with spaces instead of underscores."""

LABELS: Final = (
    later("faithful"), later("weakly faithful"), later("not faithful"), later("correlates, without effect"),
    later("correlates, effect not shown"), later("not shown"), later("not known"), later("undecided"),
    later("useful"), later("redundant"), later("partly redundant"), later("harmful"), later("not needed"),
    later("differs by component"), later("used"), later("misleading"), later("not used"), later("together"),
    later("overlap"), later("hinder"), later("apart"), later("interaction"), later("disagreement"), later("differs"),
    later("mixed"), later("tied"), later("not told apart"), later("lower loss"), later("higher loss"),
    later("too few for a sign test"), later("sign test undecided"),
    later("keeps more"), later("keeps less"), later("falls below"), later("below undamaged"), later("holds"),
    later("harder"), later("easier"), later("gains more"), later("gains less"), later("confirmed"),
    later("promised too much"), later("stable"), later("depends on the budget"), later("open"),
    later("no importances"), later("failures"), later("edge of the space"), later("fewer settings"),
    later("failed"), later("left out"),
)  # fmt: skip
"""Labels of findings."""

CELLS: Final = (
    later("all"), later("equal"), later("higher"), later("lower"), later("too few groups"), later("too few repeats"),
    later("costs more"), later("costs less"), later("worst"), later("best"), later("hardest"), later("retrained"),
    later("rollout"), later("nothing"), later("gates"), later("attention"), later("coalitions"), later("corruption"),
    later("errors"),
)  # fmt: skip
"""Words in cells, and what an analysis is called."""

UNITS: Final = (
    later("training standard deviations"), later("share of the steps"), later("share of the window"),
    later("share of the items"), later("seconds"), later("steps"),
)  # fmt: skip
"""What levels of damage are counted in."""
