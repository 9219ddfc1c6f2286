"""What a reader of a cross-corpus matrix must know: marks, protocols, warnings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from ser_brain.pages import SAYS_NOTHING
from ser_brain.report_tables import metric_title
from ser_brain.run_comparison import SEEN
from ser_brain.swap_test import ALPHA

DIFFERS, TRAINED_ON, SYNTHETIC = "*", "†", "‡"


def legend(matrix: Mapping) -> list[str]:
    """What the marks mean, as far as the matrix has them, and the protocol."""
    rows = matrix["test_sets"]
    cells = [cell for row in rows.values() for cell in row["cells"].values()]
    found = []
    if matrix["tests"]:
        found.append(_on_tests(matrix, cells))
    if any(cell["role"] == SEEN for cell in cells):
        found.append(
            f"{TRAINED_ON} trained on utterances of this set; neither bold nor tested."
        )
    if any(row["synthetic"] for row in rows.values()):
        found.append(f"{SYNTHETIC} synthetic speech: {SAYS_NOTHING}")
    return [*found, protocols(matrix)]


def on_bold(matrix: Mapping) -> str:
    """What bold type means, where there is any."""
    rows = matrix["test_sets"].values()
    any_best = any(cell["best"] for row in rows for cell in row["cells"].values())
    return " Bold: best of a row." if any_best else ""


def _on_tests(matrix: Mapping, cells: list[Mapping]) -> str:
    tests = {metric: test for cell in cells for metric, test in cell["against_first"].items()}
    names = ", ".join(metric_title(metric) for metric in tests)
    any_differs = any(
        differs(test) for cell in cells for test in cell["against_first"].values()
    )
    says = f"{DIFFERS} differs" if any_differs else "No model differs"
    return (
        f"{says} from {next(iter(matrix['models']))} in {names} (p < {ALPHA}; whole speakers "
        f"swapped; {matrix['tests']} tests, Holm's correction)."
    )


def differs(test: Mapping) -> bool:
    """Whether a model's test against the first one is significant."""
    return test["p_holm"] is not None and test["p_holm"] < ALPHA


def protocols(matrix: Mapping) -> str:
    """The protocol of all models, or of each."""
    found = defaultdict(list)
    for label, model in matrix["models"].items():
        found[model["protocol"]].append(label)
    if len(found) == 1:
        return f"Protocol: {next(iter(found))}."
    each = [f"{', '.join(labels)}: {protocol}" for protocol, labels in found.items()]
    return f"Protocols: {'; '.join(each)}."


def warnings(matrix: Mapping) -> list[str]:
    """What to keep in mind when reading the matrix."""
    found = [
        f"{name} of {label} is left out: {why}."
        for label, model in matrix["models"].items()
        for name, why in model["incomplete"].items()
    ]
    for name, row in matrix["test_sets"].items():
        if not row["same_utterances"]:
            found.append(f"{name}: not the same utterances for all models, so none is best.")
        for cell in row["cells"].values():
            of_tests = [
                n for test in cell["against_first"].values() for n in test["drawn"]["notes"]
            ]
            found += [f"{name}: {note}" for note in [*cell["notes"], *of_tests] if note]
    return list(dict.fromkeys(found))
