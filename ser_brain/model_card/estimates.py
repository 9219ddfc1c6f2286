"""The values of an evaluation as a card gives them: without intervals that are none."""

from __future__ import annotations

from collections.abc import Mapping

# What a card reports, of what the model predicts.
REPORTED = ("uar", "wa", "macro_f1", "valence ccc", "arousal ccc")
# With fewer speakers the bootstrap knows fewer than 40 different samples of them (4 speakers:
# 35), of which none can be a tail of 2.5 %.
SPEAKERS_FOR_AN_INTERVAL = 5
NO_INTERVAL = {"low": None, "high": None}


def estimates(evaluation: Mapping) -> dict[str, dict]:
    """Metric -> value with interval, and without where too few speakers were drawn.

    Parameters
    ----------
    evaluation : mapping
        See :func:`ser_brain.evaluation.evaluate`.

    Returns
    -------
    dict
        Keys are ``uar``, ``valence ccc`` and so on; values ``{"value", "low", "high"}``.
    """
    found = {}
    if evaluation["classification"]:
        found |= _trusted(evaluation["classification"], "")
    for dimension, result in (evaluation["regression"] or {}).items():
        found |= _trusted(result, f"{dimension} ")
    return found


def reported(evaluation: Mapping) -> dict[str, dict]:
    """Of the estimates, those that a card reports and that are defined."""
    found = estimates(evaluation)
    return {m: found[m] for m in REPORTED if m in found and found[m]["value"] is not None}


def too_few_speakers(result: Mapping) -> bool:
    """Whether an interval over the speakers of a result would be none."""
    drawn = result["drawn"]
    return drawn["unit"] == "speaker" and drawn["count"] < SPEAKERS_FOR_AN_INTERVAL


def _trusted(result: Mapping, before: str) -> dict[str, dict]:
    hidden = NO_INTERVAL if too_few_speakers(result) else {}
    return {f"{before}{name}": {**each, **hidden} for name, each in result["metrics"].items()}
