"""Tables of segments, and RTTM."""

from pathlib import Path

import pytest

from ser_brain.core.errors import SERError
from ser_brain.data.segment_tables import Part, read_segments, write_rttm

FILES = [Path("calls/b.wav"), Path("calls/a.wav"), Path("calls/two words.wav")]


@pytest.mark.parametrize(
    "text",
    [
        "file,start,stop,speaker\na.wav,1.5,2,A\nb.wav,0,1,B\na.wav,0,1,B\n",
        "Filename;Begin time;dur;spk_id\na;1,5;0,5;A\ncalls/b.wav;0;1;B\na;0:00;1;B\n",
        "wav\tonset_ms\tend_ms\tspeaker\na\t1500\t2000\tA\nb\t0\t1000\tB\na\t0\t1000\tB\n",
        '{"path": "a.wav", "start": 1.5, "end": 2, "speaker": "A"}\n'
        '{"path": "b.wav", "start": 0, "end": 1, "speaker": "B"}\n'
        '{"path": "a.wav", "start": 0, "end": 1, "speaker": "B"}\n',
    ],
    ids=["plain", "other_names", "milliseconds", "json_lines"],
)
def test_tables_as_people_write_them(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    table = read_segments(tmp_path / "t.csv", FILES)
    assert list(table.parts) == FILES[:2]  # in the order of the files
    assert table.parts[FILES[1]] == [Part(0, 1), Part(1.5, 2)]  # in that of time
    assert [part.facts["speaker"] for part in table.parts[FILES[1]]] == ["B", "A"]
    assert table.speakers == ["A", "B"] and table.columns == ["speaker"]


def test_rttm_is_read_as_it_was_written(tmp_path):
    parts = {
        FILES[2]: [Part(0.25, 1.5, {"speaker": "S1"}), Part(1, 2, {"speaker": "S 2"})],
        Path("calls/a.wav#right"): [Part(3, 4.125, {"speaker": "S1"})],
    }
    write_rttm(tmp_path / "t.rttm", parts)
    lines = (tmp_path / "t.rttm").read_text().splitlines()
    assert lines[0] == "SPEAKER two_words 1 0.250 1.250 <NA> <NA> S1 <NA> <NA>"
    assert lines[2].split()[:3] == ["SPEAKER", "a", "2"]
    table = read_segments(tmp_path / "t.rttm", list(parts))
    assert table.parts == parts and table.speakers == ["S1", "S_2"]
    same = {Path("x y/a.wav"): parts[FILES[2]], Path("x y/a.flac"): parts[FILES[2]][:1]}
    write_rttm(tmp_path / "t.rttm", same)
    assert read_segments(tmp_path / "t.rttm", list(same)).parts == same


def test_rows_of_other_recordings_are_skipped_and_counted(tmp_path, caplog):
    (tmp_path / "t.csv").write_text("file,start,stop,label\nc,0,1,sad\na,2,3,angry\n")
    table = read_segments(tmp_path / "t.csv", FILES, ["emotion"])
    assert table.parts == {FILES[1]: [Part(2, 3)]}
    assert "1 segments of other recordings are skipped" in caplog.text
    assert "no segment of 2 of the recordings: calls/b.wav, calls/two words.wav" in caplog.text
    assert table.parts[FILES[1]][0].facts == {"emotion": "angry"}
    with pytest.raises(SERError, match="has no segment of these recordings"):
        read_segments(tmp_path / "t.csv", FILES[:1])


def test_without_files_a_table_names_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("here.wav", "sub/beside.wav", "sub/bare.flac"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"")
    rows = "".join(f"{name},0,1\n" for name in ("here.wav", "beside.wav", "bare", "none.wav"))
    Path("sub/t.csv").write_text(f"file,start,stop\n{rows}")
    named = ["here.wav", "sub/beside.wav", "sub/bare.flac", "none.wav"]
    assert list(map(str, read_segments(Path("sub/t.csv")).parts)) == named


@pytest.mark.parametrize(
    "text, message",
    [
        ("file,start\na,0\n", "has no column stop; its columns are: start, file"),
        ("start,stop\n0,1\n", "has no column file"),
        ("file,begin,onset,stop\na,0,0,1\n", "several columns that could be the start: begin"),
        ("file,start,stop\na,1,1\n", "line 2: a segment from 1 s to 1 s"),
        ("file,start,stop\na,x,1\n", "line 2: start is 'x'; expected seconds"),
        ("file,start,stop\nc,0,1\n", "has no segment of these recordings"),
        ("file,start,stop\n", "has no segment"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(SERError, match=message):
        read_segments(tmp_path / "t.csv", FILES)
