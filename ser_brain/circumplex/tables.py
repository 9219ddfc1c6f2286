"""Tables of a circumplex report: components, distances, placement, separability."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ser_brain.circumplex.axes import WAYS
from ser_brain.circumplex.reduction import SHARES
from ser_brain.tables import Table, p_value


def variance(results: Mapping) -> Table:
    """How many components carry how much, per part."""
    shares = [f"{share:.0%}" for share in SHARES]
    head = ["Part", *shares, "Kept", "They carry", "Of this set", "Length"]
    table = Table(
        "variance",
        "Principal components that carry 60, 80 and 95 % of the variance of what they are "
        "fitted on; the components kept, their share of that variance and of this set's. "
        "Length: how strongly the first correlates with the length of the clips (Pearson's r, "
        "without its sign).",
        head,
        detail=f"Fitted on {results['fitted_on']}.",
    )
    for part, found in results["variance"].items():
        shares = [found["share"], found["share_of_judged"], found["length_correlation"]]
        table.rows.append([part, *found["components_for"], found["components"], *shares])
    return table


def distances(results: Mapping) -> Table:
    """Every pair of emotions, the farthest first."""
    table = Table(
        "distances",
        "Distances between the Gaussians of two emotions, the farthest first. Mahalanobis "
        "under the covariance all emotions share, and under the mean of the two emotions' own.",
        ["Emotions", "Mahalanobis, shared", "Mahalanobis, own", "Bhattacharyya"],
    )
    table.rows = [
        [" – ".join(pair["between"]), pair["shared"], pair["own"], pair["bhattacharyya"]]
        for pair in results["distances"]["pairs"]
    ]
    return table


def placement(results: Mapping) -> Table:
    """Where the emotions come to lie."""
    table = Table(
        "placement",
        "Placed centroids of speakers that the placement was not fitted on. Angular error in "
        "degrees (chance: 90); left out: where the emotion itself had no part in the fit; "
        "recentred: where the set is first shifted onto the mean of what is fitted on.",
        ["Emotion", "Valence", "Arousal", "Angular error", "Left out", "Recentred"],
    )
    emotions = results["placement"]["emotions"]
    alone = ("left_out_error", "recentred_error")
    for found in emotions:
        cells = [found[key] for key in ("valence", "arousal", "error", *alone)]
        table.rows.append([found["emotion"], *cells])
    if table.rows:
        means = [_mean(found[key] for found in emotions) for key in alone]
        table.rows.append(["mean", None, None, results["placement"]["mean_error"], *means])
    return table


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def ratings(results: Mapping) -> Table:
    """Agreement of placed points with ratings."""
    words = {
        "words": "on Russell's words",
        "ratings": "on other speakers' ratings",
        "predicted": "predicted by the model",
    }
    table = Table(
        "ratings",
        "Concordance (CCC) of placed points with rated valence and arousal.",
        ["Placed", "Valence", "Arousal"],
    )
    table.rows = [
        [words[way], found["valence"], found["arousal"]]
        for way, found in results["placement"]["ratings"].items()
    ]
    return table


def separability(results: Mapping) -> Table:
    """AUC of both axes and their difference."""
    table = Table(
        "separability",
        "AUC of the two sides of each axis, averaged over pairs of emotions. Difference: "
        "arousal − valence; within speakers: of each speaker's own utterances, as a mean over "
        "the speakers with its sign-flip p-value.",
        ["Score", "Axis", "High", "Low", "AUC", "p"],
    )
    for way, words in WAYS.items():
        found = results["separability"][way]
        for axis in ("arousal", "valence"):
            of_axis = found[axis]
            if of_axis is None:
                table.rows.append([words, axis, None, None, None, None])
                continue
            sides = [", ".join(of_axis[side]) for side in ("high", "low")]
            table.rows.append([words, axis, *sides, of_axis["auc"], None])
        within = found["within_speakers"]
        if found["difference"] is not None:
            table.rows.append([words, "difference", None, None, found["difference"], None])
        if within is not None:
            cells = [within["difference"], p_value(within["p"])]
            table.rows.append([words, "difference within speakers", None, None, *cells])
    return table
