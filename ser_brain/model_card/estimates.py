"""The values of an evaluation that a card gives."""

from __future__ import annotations

from collections.abc import Mapping

# What a card reports, of what the model predicts.
REPORTED = ("uar", "wa", "macro_f1", "valence ccc", "arousal ccc")


def estimates(evaluation: Mapping) -> dict[str, dict]:
    """Metric -> value with its interval, of all tasks together.

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
        found |= evaluation["classification"]["metrics"]
    for dimension, result in (evaluation["regression"] or {}).items():
        found |= {f"{dimension} {name}": each for name, each in result["metrics"].items()}
    return found


def reported(evaluation: Mapping) -> dict[str, dict]:
    """Of the estimates, those that a card reports and that are defined."""
    found = estimates(evaluation)
    return {m: found[m] for m in REPORTED if m in found and found[m]["value"] is not None}
