"""Tables of a circumplex report: angles, their order, and what they are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ser_brain.circumplex.reference import angles_deg, source_of
from ser_brain.tables import Table, p_value

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
