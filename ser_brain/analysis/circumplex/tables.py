"""Tables of a circumplex report: components, distances, placement, separability."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ser_brain.analysis.circumplex.analysis import Analysis
from ser_brain.analysis.circumplex.angles import angles_deg, source_of
from ser_brain.analysis.circumplex.bootstrap import estimate, mirrored
from ser_brain.analysis.circumplex.components import SHARES
from ser_brain.analysis.circumplex.separability import WAYS
from ser_brain.core.tables import Table, p_value


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


STATISTICS = {
    "violations": "Order violations",
    "correlation": "Circular correlation",
    "correspondence": "Correspondence index",
}
REFERENCES = {"words": "Russell's words", "neutral_as_calm": "Neutral taken as calm"}


def centroids(results: Mapping) -> Table:
    """Angle and radius of every emotion."""
    table = Table(
        "centroids",
        "Centroids in the plane of the first two components, in degrees anticlockwise from "
        "pleasure, after the best rotation and reflection onto Russell's angles.",
        ["Emotion", "Russell's angle", "Source", "Angle", "Spread over parts", "Radius"],
    )
    table.rows = [
        [
            found["emotion"],
            found["reference_deg"],
            found["source"],
            found["angle"],
            found["spread_deg"],
            found["radius"],
        ]
        for found in results["centroids"]
    ]
    return table


def angles_of_parts(results: Mapping) -> Table:
    """Angles as they come out of the components, not aligned with anything."""
    table = Table(
        "angles",
        "Angles of the centroids in the components of each part, in degrees, as they come.",
        ["Part", "Emotion", "Angle"],
    )
    table.rows = [
        [part, found["emotion"], found["parts"][part]]
        for part in results["parts"]
        for found in results["centroids"]
    ]
    return table


def order(results: Mapping) -> Table:
    """The order's statistics with both permutation tests."""
    table = Table(
        "order",
        "Is it Russell's order? Means over the parts. By chance: the mean under permuted "
        "labels of utterances, and under permuted names of emotions, with their p-values.",
        [
            "Reference",
            "Statistic",
            "Value",
            "Chance, labels",
            "p, labels",
            "Chance, names",
            "p, names",
        ],
    )
    for key, words in REFERENCES.items():
        tested = results["order"][key]
        if tested is None:
            continue
        for name, title in STATISTICS.items():
            found = tested[name]
            if found is not None:
                table.rows.append(
                    [
                        words,
                        title,
                        found["value"],
                        found["chance_labels"],
                        p_value(found["p_labels"]),
                        found["chance_names"],
                        p_value(found["p_names"]),
                    ]
                )
    return table


def order_words(results: Mapping) -> list[str]:
    """What the number of emotions allows the order to say, in sentences."""
    said = []
    for key, words in REFERENCES.items():
        tested = results["order"][key]
        if tested is None:
            continue
        placed, orders = tested["placed"], tested["distinct_orders"]
        names = f"{len(placed)} emotions ({', '.join(placed)})"
        if orders == 1:
            said.append(
                f"{words}: {names} have only one circular order up to rotation and "
                "reflection. It is always the right one and says nothing."
            )
        else:
            said.append(
                f"{words}: {names} have {orders:,} circular orders up to rotation and "
                f"reflection; the right one comes by chance once in {orders:,}."
            )
    return said or ["Fewer than three emotions have an angle: there is no order to test."]


def reference(emotions: Sequence[str]) -> Table:
    """The reference angles with who says so."""
    known = angles_deg(emotions)
    table = Table(
        "reference",
        "Reference angles, in degrees anticlockwise from pleasure. Assigned: Russell (1980) "
        "does not place the word. Neutral is the centre and has no angle.",
        ["Emotion", "Angle", "Source"],
    )
    table.rows = [[emotion, known.get(emotion), source_of(emotion)] for emotion in emotions]
    return table


Results = Mapping[str, object]
COMPONENTS_80 = 1  # place of 80 % among reduction.SHARES


def _of_order(reference: str, name: str) -> Callable[[Results, str], float | None]:
    def of_part(results: Results, part: str) -> float | None:
        tested = results["order"][reference]
        return tested[name]["parts"][part] if tested and tested[name] else None

    return of_part


def _of_axis(axis: str, way: str) -> Callable[[Results, str], float | None]:
    def of_part(results: Results, part: str) -> float | None:
        found = results["separability"][way][axis]
        return found["parts"][part] if found else None

    return of_part


# Column -> its value in one part, None where undefined.
COLUMNS: Mapping[str, Callable[[Results, str], float | None]] = {
    "Length": lambda r, part: r["variance"][part]["length_correlation"],
    "Components for 80 %": lambda r, part: r["variance"][part]["components_for"][COMPONENTS_80],
    "Mahalanobis": lambda r, part: r["distances"]["parts"][part],
    "Circular correlation": _of_order("words", "correlation"),
    "Violations, neutral as calm": _of_order("neutral_as_calm", "violations"),
    "Angular error": lambda r, part: r["placement"]["parts"].get(part),
    "AUC arousal, map": _of_axis("arousal", "map"),
    "AUC valence, map": _of_axis("valence", "map"),
    "AUC arousal, best": _of_axis("arousal", "best"),
    "AUC valence, best": _of_axis("valence", "best"),
}


def stability(models: Mapping[str, Mapping[str, Results]]) -> Table:
    """A line for every part of every model on every set, their mean and spread, and chance.

    Parameters
    ----------
    models : mapping
        Model -> set -> results of its analysis.
    """
    table = Table(
        "stability",
        "Over models, sets and parts. Length: how strongly the first component correlates with "
        "the length of the clips. Mahalanobis: mean over the pairs of emotions. Chance: under "
        "permuted labels, or by definition.",
        ["Test set", "Model", "Part", *COLUMNS],
    )
    for name, first in next(iter(models.values())).items():
        for label, of_model in models.items():
            table.rows += [[name, label, *row] for row in _rows(of_model[name])]
        table.rows.append([name, "chance", None, *_chance(first)])
    return table


def _rows(results: Results) -> list[list]:
    parts = results["parts"]
    rows = [[part, *[of_part(results, part) for of_part in COLUMNS.values()]] for part in parts]
    if len(parts) < 2:
        return rows
    columns = [
        [v for v in column if v is not None]
        for column in zip(*(row[1:] for row in rows), strict=True)
    ]
    mean = [float(np.mean(column)) if column else None for column in columns]
    spread = [float(np.std(column, ddof=1)) if len(column) > 1 else None for column in columns]
    return [*rows, ["mean", *mean], ["standard deviation", *spread]]


def _chance(results: Results) -> list[float | None]:
    order = results["order"]
    correlation = order["words"] and order["words"]["correlation"]["chance_labels"]
    calm = order["neutral_as_calm"]
    violations = calm and calm["violations"] and calm["violations"]["chance_labels"]
    known = {
        "Mahalanobis": results["distances"]["chance"],
        "Circular correlation": correlation,
        "Violations, neutral as calm": violations,
        "Angular error": 90.0,
    }
    return [0.5 if title.startswith("AUC") else known.get(title) for title in COLUMNS]


HEADLINES = {
    "distance": "Mahalanobis, mean of pairs",
    "arousal map": "AUC arousal, on the map",
    "valence map": "AUC valence, on the map",
    "arousal best": "AUC arousal, on the best axis",
    "valence best": "AUC valence, on the best axis",
}


def headline(results: Results, name: str) -> dict | None:
    """One of the headline estimates."""
    if name == "distance":
        return results["distances"]["mean"]
    axis, way = name.split()
    found = results["separability"][way][axis]
    return found["auc"] if found else None


def comparison(analyses: Mapping[str, Mapping[str, Analysis]]) -> Table:
    """The first model against every other, on the same utterances and with the same draws."""
    (label, run), *others = analyses.items()
    table = Table(
        "comparison",
        f"{label} against other models on the same utterances; the difference is drawn over "
        "the same speakers.",
        ["Test set", "Other model", "Statistic", "This model", "Other", "Difference"],
    )
    for name, analysis in run.items():
        for other_label, other in others:
            for key, title in HEADLINES.items():
                pair = [headline(a.results, key) for a in (analysis, other[name])]
                if all(found and found["value"] is not None for found in pair):
                    difference = _difference(analysis, other[name], key, pair)
                    table.rows.append([name, other_label, title, *pair, difference])
    return table


def _difference(first: Analysis, second: Analysis, key: str, pair: list[dict]) -> dict:
    apart_B = first.drawn[key] - second.drawn[key]
    interval = mirrored if key == "distance" else estimate
    return interval(pair[0]["value"] - pair[1]["value"], apart_B, first.draws)


def summary(models: Mapping[str, Mapping[str, Results]]) -> Table:
    """The headline: a line for every set and model.

    Parameters
    ----------
    models : mapping
        Model -> set -> results of its analysis.
    """
    table = Table(
        "summary",
        "Per set and model, means over the parts with 95 % intervals.",
        [
            "Test set",
            "Model",
            "Mahalanobis",
            "Circular correlation",
            "Angular error",
            "AUC arousal",
            "AUC valence",
            "Arousal − valence",
        ],
    )
    for name in next(iter(models.values())):
        for label, of_model in models.items():
            results = of_model[name]
            words = results["order"]["words"]
            cells = [
                headline(results, "distance"),
                words["correlation"]["value"] if words else None,
                results["placement"]["mean_error"],
                headline(results, "arousal map"),
                headline(results, "valence map"),
                results["separability"]["map"]["difference"],
            ]
            table.rows.append([name, label, *cells])
    return table
