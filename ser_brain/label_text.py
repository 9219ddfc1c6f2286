"""The findings of the label check for a reader."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ser_brain.tables import Table, to_text


def labels_text(facts: Mapping) -> str:
    """What :func:`ser_brain.label_sanity.check_labels` found on a test set.

    One line where the labels are as documented; otherwise each exchange, what it would do to
    the UAR, and the clips to listen to first.
    """
    if facts["verdict"] == "exchanged":
        return "\n".join(_exchanged(facts))
    if facts["verdict"] == "untested":
        reasons = ", ".join(f"{count:,} {why}" for why, count in facts["left_out"].items())
        return f"{facts['test_set']}: the labels cannot be checked (utterances: {reasons})."
    return " ".join([_silent(facts), *_cautions(facts)])


def _silent(facts: Mapping) -> str:
    if facts["p"] <= facts["level"]:
        said = "another naming of the classes agrees better, by too little for an exchange"
    elif facts["p"] < 1:
        said = "another naming of the classes agrees better, as happens by chance"
    else:
        said = "no naming of the classes agrees better than the documented one"
    return (
        f"{facts['test_set']}: {said} (p {facts['p']:.2g}, {facts['speakers']} speakers, "
        f"{_uars(facts, 'documented')})."
    )


def _uars(facts: Mapping, naming: str) -> str:
    return (
        f"UAR {facts['uar'][naming]:.3f}, or {facts['freed_uar'][naming]:.3f} without the "
        "model's preference for some classes"
    )


def _cautions(facts: Mapping) -> list[str]:
    """What silence does not say."""
    found = []
    if facts["learned"]:
        found.append(
            "The model learned these labels; a naming that is wrong throughout, it learned too."
        )
    if facts["unseen"]:
        which = f"an exchange of {', '.join(_arrows(pair) for pair in facts['unseen'])}"
        if len(facts["unseen"]) == math.comb(len(facts["emotions"]), 2):
            which = "any exchange"
        found.append(f"These predictions would not show {which}.")
    if facts["left_out"]:
        reasons = ", ".join(f"{count:,} {why}" for why, count in facts["left_out"].items())
        found.append(f"Left out: {reasons}.")
    return found


def _arrows(classes: Sequence[str]) -> str:
    """``anger <-> sadness``; of three or more, what sounds like what."""
    if len(classes) == 2:
        return " <-> ".join(classes)
    return " -> ".join([*classes, classes[0]])


def _exchanged(facts: Mapping) -> list[str]:
    lines = [f"{facts['test_set']}: class names seem to be exchanged."]
    for exchange in facts["exchanges"]:
        lines.append(
            f"  {_arrows(exchange['classes'])}: p {exchange['p']:.2g}, "
            f"{exchange['speakers_for']} of {exchange['speakers']} speakers agree"
        )
    lines += [
        f"  as documented: {_uars(facts, 'documented')}",
        f"  exchanged:     {_uars(facts, 'exchanged')}",
        "",
        "A model that hears one of these classes in the other, in this language or by these",
        "speakers, would look the same. Listen to these clips first:",
        "",
        to_text(_clips(facts)),
    ]
    return lines + [f"\n{caution}" for caution in _cautions(facts)]


def _clips(facts: Mapping) -> Table:
    head = ["Clip", "Documented as", "Sounds like", "P(documented)", "P(sounds like)"]
    table = Table("clips", "", head)
    for exchange in facts["exchanges"]:
        for clip in exchange["clips"]:
            documented, other = clip["documented"], clip["sounds_like"]
            given = clip["probabilities"]
            table.rows.append([clip["id"], documented, other, given[documented], given[other]])
    return table
