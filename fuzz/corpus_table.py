"""Corpora that a CSV file describes."""

from __future__ import annotations

from pathlib import Path

from fuzz._corpora import NAMES, prepare_and_label, write_audio
from fuzz._strategies import lines_like

COMMAS = b'''path,emotion,speaker,gender,language,split,text,start,stop,valence,arousal
a.wav,angry,s1,f,kor,train,"a, b",0,0.15,0.5,-0.25
b/b.wav,neutral,s2,male,eng,dev,"q ""q""",,,0,1
b/b.wav,sad,s3,w,deu,test,,0.05,0.2,-1,
'''
SEMICOLONS = b"path;emotion;speaker\na.wav;happy;1\nb/b.wav;NA;2\n"
AUDIO = b"a.wav\nb/b.wav"


def valid() -> list[dict[str, bytes]]:
    """A full table and a short one, and UTF-16."""
    tables = (COMMAS, SEMICOLONS, SEMICOLONS.decode().encode("utf-16"))
    return [{"data/t.csv": table, NAMES: AUDIO} for table in tables]


def generated():
    """Lines of the tables in any order, with other words in them."""
    from hypothesis import strategies as st

    tables = lines_like(COMMAS) | lines_like(SEMICOLONS)
    return st.fixed_dictionaries({"data/t.csv": tables, NAMES: lines_like(AUDIO)})


def try_case(folder: Path) -> None:
    """Prepare the corpus and label it."""
    data = write_audio(folder)
    options = {"name": "made", "csv": "t.csv", "vad_scale": (-1, 1)}
    prepare_and_label("table", data, **options)
