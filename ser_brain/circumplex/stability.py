"""The same numbers over models, sets and parts in one table, and models against the first.

Axes: B resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ser_brain.circumplex.analysis import Analysis
from ser_brain.circumplex.resampling import estimate, mirrored
from ser_brain.tables import Table

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
