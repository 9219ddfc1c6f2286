"""Made-up tables of predictions, and timelines without a file."""

import csv
import json

import numpy as np
import pytest

from ser_brain.analysis.mood.timeline import Timeline

COLUMNS = {"time": "2026-03-02T08:{:02d}:00", "duration": 2.0, "valence": 0.1, "arousal": -0.2}


@pytest.fixture
def table(tmp_path):
    """Write a table of ``count`` rows, one a minute; a keyword replaces a column's cells.

    A list has a cell for each row, anything else is in every row; None removes the column.
    """

    def write(count=4, suffix="csv", **changes):
        columns = {
            name: [cell.format(i) if name == "time" else cell for i in range(count)]
            for name, cell in COLUMNS.items()
        }
        for name, cells in changes.items():
            columns[name] = cells if isinstance(cells, list) else [cells] * count
        columns = {name: cells for name, cells in columns.items() if cells[0] is not None}
        cells = zip(*columns.values(), strict=True)
        rows = [dict(zip(columns, row, strict=True)) for row in cells]
        path = tmp_path / f"anna.{suffix}"
        with open(path, "w", encoding="utf-8", newline="") as file:
            if suffix == "jsonl":
                file.writelines(json.dumps(row) + "\n" for row in rows)
            else:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(rows)
        return path

    return write


@pytest.fixture
def timeline():
    """A timeline of given points; each a second long, one a minute, unless said otherwise."""

    def build(va_N2, seconds_N=None, local_N=None, neutral_N=None):
        va_N2 = np.asarray(va_N2, dtype=float)
        if local_N is None:
            minute_N = np.arange(len(va_N2)) * np.timedelta64(60, "s")
            local_N = np.datetime64("2026-03-02T08:00", "us") + minute_N
        seconds_N = np.ones(len(va_N2)) if seconds_N is None else np.array(seconds_N, float)
        neutral_N = None if neutral_N is None else np.array(neutral_N)
        local_N = np.array(local_N, "datetime64[us]")
        return Timeline("anna.csv", None, local_N, seconds_N, va_N2, neutral_N, [])

    return build
