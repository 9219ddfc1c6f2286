import matplotlib.axes
import pytest

from ser_brain.plots.matrix import heat_map

WORDS = ("A $title", "a/protocol, $x$ and <tags>")


def cell(value, **more):
    return {"value": value, "low": None, "high": None, **more}


@pytest.mark.parametrize("rows, columns", [(1, 1), (8, 12)])
def test_both_files_are_written(tmp_path, rows, columns):
    cells = [[cell((r + c) / 24) for c in range(columns)] for r in range(rows)]
    cells[0][0] = None
    names = [f"a_long_test_set_name_$that$_is_broken {r}\nchance 0.250" for r in range(rows)]
    models = [f"model ${c}" for c in range(columns)]
    heat_map(tmp_path / "x", {"UAR": cells}, names, models, [0.25] * rows, *WORDS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.png", "x.svg"]
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_numbers_marks_and_bold(tmp_path, monkeypatch):
    said = {}
    monkeypatch.setattr(
        matplotlib.axes.Axes,
        "text",
        lambda self, x, y, s, **how: said.update({(y, x): (s, how["weight"], how["color"])}),
    )
    row = [cell(0.9, best=True, marks="*"), cell(0.1, marks="†"), None]
    heat_map(tmp_path / "x", {"CCC": [row]}, ["s"], ["a", "b", "c"], [0.0], *WORDS)
    assert said[0, 0] == ("0.900*", "bold", "white")
    assert said[0, 1][:2] == ("0.100†", "normal")
    assert said[0, 2][0] == "–"


def test_colour_is_what_lies_above_chance(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        matplotlib.axes.Axes,
        "imshow",
        lambda self, values, **how: shown.append(values.tolist()),
    )
    rows = [[cell(0.25), cell(1.0)], [cell(0.2), cell(0.75)], [cell(1.0), cell(1.0)]]
    chance = [0.25, 0.5, 1.0]
    heat_map(tmp_path / "x", {"UAR": rows}, list("abc"), list("de"), chance, *WORDS)
    assert shown == [[[0.0, 1.0], [0.0, 0.5], [0.0, 0.0]]]
