"""Tables of a circumplex report: per test set, and over all models, sets and parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ser_brain.analysis.circumplex.data import basic_estimate, percentile_estimate
from ser_brain.analysis.circumplex.distances import KINDS, SHARES
from ser_brain.analysis.circumplex.order import reference_angles, reference_source
from ser_brain.analysis.circumplex.separability import WAYS
from ser_brain.core.tables import Table, p_value

if TYPE_CHECKING:
    from ser_brain.analysis.circumplex.report import Analysis

Results = Mapping[str, object]  # of one model on one test set
OfModels = Mapping[str, Mapping[str, Results]]  # model -> test set -> results


def summary(models: OfModels) -> Table:
    """The main numbers of every test set and model."""
    table = Table(
        "summary",
        "Per set and model, means over the parts with 95 % intervals.",
        ["Test set", "Model", "Mahalanobis", "Circular correlation", "Angular error",
         "AUC arousal", "AUC valence", "Arousal − valence"],
    )  # fmt: skip
    for name in next(iter(models.values())):
        for label, of_model in models.items():
            results = of_model[name]
            words = results["order"]["words"]
            correlation = words["correlation"]["value"] if words else None
            error, on_map = results["placement"]["mean_error"], results["separability"]["map"]
            aucs = [_headline(results, f"{axis} map") for axis in ("arousal", "valence")]
            cells = [correlation, error, *aucs, on_map["difference"]]
            table.rows.append([name, label, _headline(results, "distance"), *cells])
    return table


HEADLINES = {
    "distance": "Mahalanobis, mean of pairs",
    "arousal map": "AUC arousal, on the map",
    "valence map": "AUC valence, on the map",
    "arousal best": "AUC arousal, on the best axis",
    "valence best": "AUC valence, on the best axis",
}


def _headline(results: Results, name: str) -> dict | None:
    """One of the ``HEADLINES``, as an estimate."""
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
        f"{label} compared with other models on the same utterances. Intervals of the "
        "difference are from the same drawn speakers.",
        ["Test set", "Other model", "Statistic", "This model", "Other", "Difference"],
    )
    for name, analysis in run.items():
        for other_label, of_sets in others:
            other = of_sets[name]
            for key, title in HEADLINES.items():
                pair = [_headline(a.results, key) for a in (analysis, other)]
                if any(found is None or found["value"] is None for found in pair):
                    continue
                estimate = basic_estimate if key == "distance" else percentile_estimate
                value = pair[0]["value"] - pair[1]["value"]
                difference_B = analysis.drawn[key] - other.drawn[key]
                cells = [*pair, estimate(value, difference_B, analysis.draws)]
                table.rows.append([name, other_label, title, *cells])
    return table


def variance(results: Results) -> Table:
    """How many components explain how much, per part."""
    keys = ("components", "share", "share_of_judged", "length_correlation")
    return Table(
        "variance",
        "Principal components that explain 60, 80 and 95 % of the variance of the fitted set; "
        "components kept; share of the variance of that set and of this test set that they "
        "explain. Length: correlation of the first component with the length of the clips "
        "(|Pearson's r|).",
        ["Part", *(f"{s:.0%}" for s in SHARES), "Kept", "They carry", "Of this set", "Length"],
        [
            [part, *found["components_for"], *(found[key] for key in keys)]
            for part, found in results["variance"].items()
        ],
        detail=f"Fitted on {results['fitted_on']}.",
    )


def distances(results: Results) -> Table:
    """Every pair of emotions, the farthest first."""
    pairs = results["distances"]["pairs"]
    return Table(
        "distances",
        "Distances between the Gaussians of two emotions, the farthest first. Mahalanobis "
        "under the covariance all emotions share, and under the mean of the two emotions' own.",
        ["Emotions", "Mahalanobis, shared", "Mahalanobis, own", "Bhattacharyya"],
        [[" – ".join(pair["between"]), *(pair[kind] for kind in KINDS)] for pair in pairs],
    )


def centroids(results: Results) -> Table:
    """Angle and radius of every emotion."""
    keys = ("emotion", "reference_deg", "source", "angle", "spread_deg", "radius")
    return Table(
        "centroids",
        "Centroids in the plane of the first two components, in degrees anticlockwise from "
        "pleasure, after the best rotation and reflection onto Russell's angles.",
        ["Emotion", "Russell's angle", "Source", "Angle", "Spread over parts", "Radius"],
        [[found[key] for key in keys] for found in results["centroids"]],
    )


def angles_of_parts(results: Results) -> Table:
    """Angles as they are in the components of each part, not aligned."""
    return Table(
        "angles",
        "Angles of the centroids in the components of each part, in degrees, not aligned.",
        ["Part", "Emotion", "Angle"],
        [
            [part, found["emotion"], found["parts"][part]]
            for part in results["parts"]
            for found in results["centroids"]
        ],
    )


STATISTICS = {
    "violations": "Order violations",
    "correlation": "Circular correlation",
    "correspondence": "Correspondence index",
}
REFERENCES = {"words": "Russell's words", "neutral_as_calm": "Neutral taken as calm"}


def order(results: Results) -> Table:
    """The statistics of the order with both permutation tests."""
    table = Table(
        "order",
        "Is it Russell's order? Means over the parts. Chance: the mean under permuted labels "
        "of utterances, and under permuted names of emotions, with their p-values.",
        ["Reference", "Statistic", "Value", "Chance, labels", "p, labels", "Chance, names",
         "p, names"],
    )  # fmt: skip
    for key, words in REFERENCES.items():
        tested = results["order"][key] or {}
        for name, title in STATISTICS.items():
            found = tested.get(name)
            if found is not None:
                cells = [words, title, found["value"]]
                for null in ("labels", "names"):
                    cells += [found[f"chance_{null}"], p_value(found[f"p_{null}"])]
                table.rows.append(cells)
    return table


def order_words(results: Results) -> list[str]:
    """What the order can show with this number of emotions, in sentences."""
    sentences = []
    for key, words in REFERENCES.items():
        tested = results["order"][key]
        if tested is None:
            continue
        orders = tested["distinct_orders"]
        if orders == 1:
            what = (
                "only one circular order up to rotation and reflection. It is always right and "
                "therefore shows nothing."
            )
        else:
            what = (
                f"{orders:,} circular orders up to rotation and reflection; by chance, one in "
                f"{orders:,} is right."
            )
        names = ", ".join(tested["placed"])
        sentences.append(f"{words}: {len(tested['placed'])} emotions ({names}) have {what}")
    return sentences or ["Fewer than three emotions have an angle: there is no order to test."]


def placement(results: Results) -> Table:
    """Placed centroids and their errors."""
    table = Table(
        "placement",
        "Placed centroids, by fits on other speakers. Angular error in degrees (chance: 90). "
        "Left out: from a fit without the emotion itself. Recentred: after shifting the set "
        "onto the mean of the fitted one.",
        ["Emotion", "Valence", "Arousal", "Angular error", "Left out", "Recentred"],
    )
    emotions = results["placement"]["emotions"]
    keys = ("emotion", "valence", "arousal", "error", "left_out_error", "recentred_error")
    table.rows = [[found[key] for key in keys] for found in emotions]
    if table.rows:
        means = []
        for key in ("left_out_error", "recentred_error"):
            known = [found[key] for found in emotions if found[key] is not None]
            means.append(float(np.mean(known)) if known else None)
        table.rows.append(["mean", None, None, results["placement"]["mean_error"], *means])
    return table


def ratings(results: Results) -> Table:
    """Agreement of placed points with ratings."""
    words = {
        "words": "on Russell's words",
        "ratings": "on other speakers' ratings",
        "predicted": "predicted by the model",
    }
    found = results["placement"]["ratings"]
    return Table(
        "ratings",
        "Concordance (CCC) of placed points with rated valence and arousal.",
        ["Placed", "Valence", "Arousal"],
        [[words[way], axes["valence"], axes["arousal"]] for way, axes in found.items()],
    )


def separability(results: Results) -> Table:
    """AUC of both axes and their difference."""
    table = Table(
        "separability",
        "AUC of the two sides of each axis, averaged over pairs of emotions. Difference: "
        "arousal − valence. Within speakers: over each speaker's own utterances, as a mean "
        "over the speakers with its sign-flip p-value.",
        ["Score", "Axis", "High", "Low", "AUC", "p"],
    )
    for way, words in WAYS.items():
        found = results["separability"][way]
        for axis in ("arousal", "valence"):
            cells = [None] * 4
            if found[axis] is not None:
                sides = [", ".join(found[axis][side]) for side in ("high", "low")]
                cells = [*sides, found[axis]["auc"], None]
            table.rows.append([words, axis, *cells])
        if found["difference"] is not None:
            table.rows.append([words, "difference", None, None, found["difference"], None])
        within = found["within_speakers"]
        if within is not None:
            cells = [within["difference"], p_value(within["p"])]
            table.rows.append([words, "difference within speakers", None, None, *cells])
    return table


def reference(emotions: Sequence[str]) -> Table:
    """The reference angles with their sources."""
    known = reference_angles(emotions)
    return Table(
        "reference",
        "Reference angles, in degrees anticlockwise from pleasure. Assigned: Russell (1980) "
        "does not place the word. Neutral is the centre and has no angle.",
        ["Emotion", "Angle", "Source"],
        [[emotion, known.get(emotion), reference_source(emotion)] for emotion in emotions],
    )


def _statistics(results: Results, part: str) -> dict[str, tuple]:
    """Columns of :func:`stability`: the value in one part and by chance, None if unknown."""
    words, as_calm = (results["order"][name] or {} for name in REFERENCES)
    undefined = {"parts": {part: None}, "chance_labels": None}
    correlation = words.get("correlation") or undefined
    violations = as_calm.get("violations") or undefined
    variance, distance = results["variance"][part], results["distances"]
    columns = {
        "Length": (variance["length_correlation"], None),
        "Components for 80 %": (variance["components_for"][SHARES.index(0.8)], None),
        "Mahalanobis": (distance["parts"][part], distance["chance"]),
        "Circular correlation": (correlation["parts"][part], correlation["chance_labels"]),
        "Violations, neutral as calm": (violations["parts"][part], violations["chance_labels"]),
        "Angular error": (results["placement"]["parts"].get(part), 90.0),
    }
    for way in WAYS:
        for axis in ("arousal", "valence"):
            found = results["separability"][way][axis]
            columns[f"AUC {axis}, {way}"] = (found and found["parts"][part], 0.5)
    return columns


def stability(models: OfModels) -> Table:
    """A row for every part of every model on every set, their mean and spread, and chance."""
    first = next(iter(models.values()))
    table = Table(
        "stability",
        "Over models, sets and parts. Length: correlation of the first component with the "
        "length of the clips. Mahalanobis: mean over the pairs of emotions. Chance: under "
        "permuted labels, or by definition.",
        [],
    )
    for name, results in first.items():
        for label, of_model in models.items():
            rows = [
                [part, *(value for value, _ in _statistics(of_model[name], part).values())]
                for part in of_model[name]["parts"]
            ]
            if len(rows) > 1:
                rows += _mean_and_deviation([row[1:] for row in rows])
            table.rows += [[name, label, *row] for row in rows]
        columns = _statistics(results, results["parts"][0])
        table.head = ["Test set", "Model", "Part", *columns]
        table.rows.append([name, "chance", None, *(chance for _, chance in columns.values())])
    return table


def _mean_and_deviation(rows: list[list]) -> list[list]:
    known = [[v for v in column if v is not None] for column in zip(*rows, strict=True)]
    mean = [float(np.mean(column)) if column else None for column in known]
    deviation = [float(np.std(column, ddof=1)) if len(column) > 1 else None for column in known]
    return [["mean", *mean], ["standard deviation", *deviation]]
