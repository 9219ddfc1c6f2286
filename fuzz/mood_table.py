"""Tables of ``ser mood``: CSV and JSON lines, up to the whole analysis."""

from __future__ import annotations

import json
from pathlib import Path

from fuzz._strategies import dumped, like, lines_like
from ser_brain.analysis.mood.analysis import analyse
from ser_brain.analysis.mood.table import read_rows
from ser_brain.analysis.mood.timeline import read_timeline

CSV = b"""time,duration,valence,arousal,p_anger,p_neutral,speaker,id
2026-03-02T08:15:30,2.5,0.5,-0.25,0.2,0.8,a,x1
2026-03-02T08:16:30,2.5,0.25,-0.5,0.9,0.1,a,x2
2026-03-03T09:15:30,1.5,-1,1,0.5,0.5,a,"x,3"
2026-03-03T09:16:30,1.5,0,0,0.4,0.6,a,x4
"""
SEMICOLONS = b"file;start;stop;valence;arousal\nf;0;1,5;0,5;-0,5\nf;2;3;1;0\n"
ROWS = [
    {
        "time": f"2026-03-02T08:15:3{second}+01:00",
        "duration": 1.0,
        "log_probabilities": {"anger": -0.6931471805599453, "sadness": -0.6931471805599453},
        "predicted_valence": 0.5,
        "predicted_arousal": -0.5,
    }
    for second in (0, 5)
]


def _lines(rows: list) -> bytes:
    return b"\n".join(map(dumped, rows))


def valid() -> list[dict[str, bytes]]:
    """Two spreadsheets and JSON lines."""
    tables = {"t.csv": CSV, "s.csv": SEMICOLONS, "t.jsonl": _lines(ROWS)}
    return [{name: data} for name, data in tables.items()]


def generated():
    """Lines in any order with other words in them; any value in place of any field."""
    from hypothesis import strategies as st

    return st.one_of(
        st.fixed_dictionaries({"t.csv": lines_like(CSV) | lines_like(SEMICOLONS)}),
        st.fixed_dictionaries({"t.jsonl": like(ROWS).filter(_is_list).map(_lines)}),
    )


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def try_case(folder: Path) -> None:
    """Read and analyse the table."""
    path = next((p for p in folder.iterdir()), folder / "missing.csv")
    rows = read_rows(path)
    began = "2026-03-02T08:15:30" if rows.has("start") and not rows.has("time") else None
    json.dumps(analyse(read_timeline(path, recorded_at=began)).facts(), allow_nan=False)
