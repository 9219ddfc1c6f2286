"""What two parts share."""

import contextlib

import numpy as np
import pytest
import soundfile

from ser_brain.core.errors import SERError
from ser_brain.data.audit import audit, audit_parts, log, require_disjoint, unknown_in

RATE_HZ = 16000


@pytest.fixture
def entry(tmp_path):
    """Write noise of a seed; gives a manifest entry."""

    def entry(name="a.wav", seed=0, frames=800, start=None, stop=None, **facts):
        if not (tmp_path / name).exists():
            samples = np.random.default_rng(seed).integers(-9000, 9000, frames, dtype=np.int16)
            soundfile.write(tmp_path / name, samples, RATE_HZ, subtype="PCM_16")
        duration_s = (stop or frames / RATE_HZ) - (start or 0)
        unknown = dict.fromkeys(("language", "speaker", "group", "text"))
        place = {"wav": str(tmp_path / name), "start": start, "stop": stop}
        length = {"duration": round(duration_s, 6), "sample_rate": RATE_HZ}
        return {**place, **length, "corpus": "made", **unknown, **facts}

    return entry


def counts(result):
    return {what: found["count"] for what, found in result.items()}


CLEAN = {"utterances": 0, "speakers": 0, "groups": 0, "texts": 0, "audio": 0}


def test_nothing_shared(entry):
    left = {"a": entry("a.wav", 1, speaker="s1", group="g1", text="one")}
    right = {"b": entry("b.wav", 2, speaker="s2", group="g2", text="two")}
    assert counts(audit(left, right)) == CLEAN


def test_the_unknown_is_shared_with_nobody_and_counted(entry):
    rows = [{f"{n}": entry(f"{n}.wav", n) for n in range(4)}, {"x": entry("x.wav", 9)}]
    rows[0]["0"]["speaker"] = "known"
    found = audit(*rows)
    assert counts(found) == CLEAN
    unknown = {what: found[what].get("unknown") for what in CLEAN}
    counted = {"speakers": [3, 1], "groups": [4, 1], "texts": [4, 1]}
    assert unknown == {"utterances": None, **counted, "audio": None}
    parts = audit_parts({"train": rows[0], "valid": rows[1], "my-set": {}})
    assert unknown_in(parts) == {"speakers": 4, "groups": 5, "texts": 5}


@pytest.mark.parametrize(
    "key, what", [("speaker", "speakers"), ("group", "groups"), ("text", "texts")]
)
def test_a_planted_fact(entry, key, what):
    left = {f"a{n}": entry("a.wav", 1, **{key: "planted"}) for n in range(3)}
    left["a3"] = entry("a.wav", 1, **{key: "mine"})
    right = {"b": entry("b.wav", 2, **{key: "planted"}), "c": entry("b.wav", **{key: "own"})}
    result = audit(left, right)
    assert counts(result) == {**CLEAN, what: 1}  # Each shared value counts once.
    assert result[what]["examples"] == ["planted"]
    assert result[what]["unknown"] == [0, 0]


@pytest.mark.parametrize(
    "left, right, shared",
    [
        (("made", "eng"), ("other", "eng"), 1),
        (("made", "eng"), ("made", "deu"), 0),
        (("made", "eng"), ("other", "deu"), 0),
        # Of unknown language, a code of another corpus is another text.
        (("made", None), ("other", None), 0),
        (("made", None), ("other", "eng"), 0),
        (("made", None), ("made", "eng"), 1),
        (("made", None), ("made", None), 1),
    ],
)
def test_a_text_is_the_same_within_a_language(entry, left, right, shared):
    rows = [
        {name: entry(f"{name}.wav", seed, text="a01", corpus=corpus, language=language)}
        for seed, (name, (corpus, language)) in enumerate(zip("ab", (left, right), strict=True))
    ]
    assert counts(audit(*rows)) == {**CLEAN, "texts": shared}


def test_the_same_utterance(entry):
    both = {"a": entry("a.wav", 1)}
    result = audit(both, both)
    assert result["utterances"] == {"count": 1, "examples": ["a"]}
    assert result["audio"] == {"count": 1, "examples": [["a", "a"]]}


@pytest.mark.parametrize("copy", ["b.flac", "b.aiff", "b24.wav"])
def test_the_same_audio_in_another_format(entry, tmp_path, copy):
    left = {"a": entry("a.wav", 1), "other": entry("other.wav", 2)}
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    subtype = "PCM_24" if "24" in copy else "PCM_16"
    wide = samples.astype(np.int32) << 16
    soundfile.write(tmp_path / copy, wide, RATE_HZ, subtype=subtype)
    assert (tmp_path / copy).read_bytes() != (tmp_path / "a.wav").read_bytes()
    result = audit(left, {"b": entry(copy)})
    assert result["audio"] == {"count": 1, "examples": [["a", "b"]]}


def test_the_same_segment_of_one_file(entry):
    left = {"a1": entry(start=0.0, stop=0.02), "a2": entry(start=0.02, stop=0.04)}
    right = {"b1": entry(start=0.02, stop=0.04), "b2": entry(start=0.01, stop=0.03)}
    assert audit(left, right)["audio"] == {"count": 1, "examples": [["a2", "b1"]]}
    right = {name: entry() for name in ("c", "d", "e")}
    result = audit({name: entry() for name in ("a", "b")}, right)["audio"]
    assert (result["count"], len(result["examples"])) == (6, 5)


def test_only_clips_of_equal_length_are_read(entry):
    left, gone = entry("a.wav", 1), {**entry("b.wav", 2), "wav": "nowhere.wav"}
    longer = {**gone, "duration": 801 / RATE_HZ}
    assert counts(audit({"a": left}, {"b": longer})) == CLEAN
    match = r"Cannot audit nowhere\.wav: unreadable .*Prepare the corpus again"
    with pytest.raises(SERError, match=match):
        audit({"a": left}, {"b": gone})


@pytest.mark.parametrize(
    "shared, protocol, stops",
    [
        ("speaker", "speaker", "The speaker split shares 1 speakers between train and my-set"),
        ("speaker", "random", None),
        ("speaker", "group", None),
        ("group", "group", r"The group split shares 1 groups between train and my-set \(x\)"),
        ("text", "speaker", None),
        ("text", "speaker+text", r"The speaker\+text split shares 1 texts between train and"),
    ],
)
def test_a_protocol_keeps_its_promise(entry, shared, protocol, stops):
    left = {"a": entry("a.wav", 1, **{shared: "x"})}
    right = {"b": entry("b.wav", 2, **{shared: "x"})}
    audits = audit_parts({"train": left, "my-set": right})
    with pytest.raises(SERError, match=stops) if stops else contextlib.nullcontext():
        require_disjoint(audits, protocol)


def test_no_utterance_is_in_two_parts(entry):
    rows = {f"a{n}": entry("a.wav", 1) for n in range(7)}
    match = r"The random split shares 7 utterances between train and test \(a0, .*a4\)\."
    with pytest.raises(SERError, match=match):
        require_disjoint(audit_parts({"train": rows, "test": rows}), "random")


def test_log_names_what_is_shared_and_warns_of_the_same_recording(entry, caplog):
    caplog.set_level("INFO")
    left = {"a": entry("a.wav", 1, speaker="x")}
    right = {"b": entry("b.wav", 2, speaker="x")}
    log(audit_parts({"train": left, "my-set": right}))
    log(audit_parts({"train": left, "copy": {"c": left["a"]}}))
    known = {"speaker": "y", "group": "g", "text": "t"}
    left["a"] |= {"group": "h", "text": "u"}
    right = {"d": entry("d.wav", 3, **known)}
    log(audit_parts({"train": left, "other": right}))
    right["d"]["text"] = None
    log(audit_parts({"train": left, "other": right}))
    unknown = "audit: not compared: groups of 2, texts of 2 utterances, which are unknown"
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "audit: train and my-set share 1 speakers"),
        ("INFO", unknown),
        ("WARNING", "audit: train and copy share 1 speakers, 1 audio"),
        ("INFO", unknown),
        ("INFO", "audit: nothing is shared between the parts"),
        ("INFO", "audit: not compared: texts of 1 utterances, which are unknown"),
        ("INFO", "audit: nothing known is shared between the parts"),
    ]


def test_no_recording_is_read_twice(entry, monkeypatch):
    rows = {name: {name: entry(f"{name}.wav", seed)} for seed, name in enumerate("abc")}
    read = []
    monkeypatch.setattr(
        "ser_brain.data.audit.audio_hash",
        lambda row: read.append(row["wav"]) or row["wav"],
    )
    hashes = {}
    audit_parts({"train": rows["a"], "valid": rows["b"]}, hashes)
    audit_parts({"train": rows["a"], "test": rows["c"]}, hashes)
    assert len(read) == len(set(read)) == 3
