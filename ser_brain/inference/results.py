"""What a recogniser answers: dicts and lists that print well and become a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ser_brain.core.errors import SERError, bad_value, one_line
from ser_brain.core.tables import Table, to_html, to_text
from ser_brain.data.labels import DIMENSIONS

if TYPE_CHECKING:
    import pandas

PRINTED = 30  # rows; to_frame() has all
MOST_PROBABLE = 3  # classes that the line of one clip names


class Prediction(dict[str, Any]):
    """The answer for one clip: a dict of JSON types that prints as a line.

    The keys are those of :meth:`ser_brain.EmotionRecognizer.predict`.

    Examples
    --------
    >>> Prediction(name="a.wav", emotion="anger", probabilities={"anger": 0.9, "fear": 0.1})
    a.wav: anger (anger 0.90, fear 0.10)
    """

    def to_dict(self) -> dict[str, Any]:
        """A plain dict."""
        return dict(self)

    def to_frame(self) -> pandas.DataFrame:
        """A table of one row, as :meth:`Predictions.to_frame` says."""
        return Predictions([self]).to_frame()

    def __repr__(self) -> str:
        return one_line(f"{self._place()}{self.get('error') or self._answer()}")

    def _repr_html_(self) -> str:
        return _html([self])

    def _place(self) -> str:
        """Name and time, as far as they are known."""
        name = str(self.get("name", ""))
        if "start_s" in self:
            name = f"{name} {self['start_s']:.2f} to {self['stop_s']:.2f} s".lstrip()
        return f"{name}: " if name else ""

    def _answer(self) -> str:
        parts = []
        if self.get("emotion") is not None:
            likely = sorted(
                (self.get("probabilities") or {}).items(), key=lambda pair: -pair[1]
            )
            shares = ", ".join(f"{name} {p:.2f}" for name, p in likely[:MOST_PROBABLE])
            parts.append(f"{self['emotion']} ({shares})")
        values = [f"{d} {self[d]:.2f}" for d in DIMENSIONS if self.get(d) is not None]
        if values:
            scale = self.get("va_range")
            on = f" (scale {scale[0]:g} to {scale[1]:g})" if scale else ""
            parts.append(", ".join(values) + on)
        parts += self.get("warnings") or []
        return "; ".join(parts)


class Predictions(list[Prediction]):
    """The answers for several clips: a list that prints as a table.

    Attributes
    ----------
    index_of_rows : sequence, or None
        The index of the pandas column that was predicted; :meth:`to_frame` has it again.
    """

    def __init__(self, rows: Iterable[Prediction] = (), index: Sequence | None = None):
        super().__init__(rows)
        self.index_of_rows = index

    def to_dict(self) -> list[dict[str, Any]]:
        """A list of plain dicts."""
        return [dict(row) for row in self]

    def to_frame(self) -> pandas.DataFrame:
        """A table with a row for each clip.

        Columns are those of ``ser predict``: ``p_anger`` and so on for probabilities, warnings
        joined by semicolons. Rows have the index of the column that was predicted, if it was
        one of pandas. ``attrs["va_range"]`` is the scale of valence and arousal.

        Raises
        ------
        SERError
            If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise SERError("to_frame() needs pandas: pip install pandas.") from error
        table = _table(self, all_columns=True)
        frame = pandas.DataFrame(table.rows, columns=table.head, index=self.index_of_rows)
        frame.attrs["va_range"] = next((r["va_range"] for r in self if r.get("va_range")), None)
        return frame

    def __repr__(self) -> str:
        if not self:
            return "no predictions"
        more = len(self) - PRINTED
        rest = f"\nand {more:,} more" if more > 0 else ""
        return to_text(_table(self[:PRINTED])) + rest

    def _repr_html_(self) -> str:
        more = len(self) - PRINTED
        rest = f"<p>and {more:,} more</p>" if more > 0 else ""
        return _html(self[:PRINTED]) + rest


def require_answerable(
    emotions: Sequence[str], classes: Sequence[str] | None, min_confidence: float
) -> None:
    """Stop unless a model of these emotions can choose among the classes, this surely.

    Raises
    ------
    SERError
        If a class is not the model's, fewer than two are given, or the confidence is not a
        probability.
    """
    if not 0 <= min_confidence <= 1:
        raise SERError(
            f"Bad min_confidence {min_confidence:g}; expected a probability, from 0 to 1."
        )
    if (classes is not None or min_confidence) and not emotions:
        raise SERError("The model predicts no classes; leave out classes and min_confidence.")
    if classes is None:
        return
    for name in [] if isinstance(classes, str) else classes:
        if name not in emotions:
            raise bad_value("class", name, emotions)
    if isinstance(classes, str) or len(set(classes)) < max(2, len(classes)):
        raise SERError(f"Bad classes {classes!r}; expected a list of two or more, each once.")


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row's cells by column; what the model does not predict has none."""
    cells: dict[str, Any] = {}
    for key, value in row.items():
        if key == "probabilities":
            cells |= {f"p_{name}": p for name, p in (value or {}).items()}
        elif key == "warnings":
            cells[key] = "; ".join(value)
        elif key != "va_range" and value is not None:
            cells[key] = value
    return cells


def _table(rows: Sequence[Mapping[str, Any]], all_columns: bool = False) -> Table:
    """One row for each; ``error`` comes last. A terminal gets no columns of single classes."""
    found = [_cells(row) for row in rows]
    head = sorted(dict.fromkeys(name for cells in found for name in cells), key="error".__eq__)
    if not all_columns:
        head = [name for name in head if not name.startswith("p_") and name != "embedding"]
        if "warnings" in head and not any(cells.get("warnings") for cells in found):
            head.remove("warnings")
        if "emotion" in head:
            head.insert(head.index("emotion") + 1, "probability")
            for cells in found:
                shares = [p for name, p in cells.items() if name.startswith("p_")]
                cells["probability"] = max(shares, default=None)
    return Table("predictions", "", head, [[cells.get(n) for n in head] for cells in found])


def _html(rows: Sequence[Mapping[str, Any]]) -> str:
    shown = [{key: value for key, value in row.items() if key != "embedding"} for row in rows]
    return to_html(_table(shown, all_columns=True))
