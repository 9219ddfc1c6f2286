"""The demo corpus: what it holds, that it never changes, that it is whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data_prep import corpora, demo
from data_prep.common.prepare import prepare
from data_prep.demo import espeak, render, script
from data_prep.demo.acting import habits_of, perform
from data_prep.demo.espeak import Prosody, Synthesizer
from ser_brain.core.errors import SERError
from ser_brain.data import audio
from ser_brain.data.manifest import read_manifest

SEED = render.SEED
SCRIPT = script.clips(SEED)
# Two speakers of each language; the English woman's voice has breath, which is random noise.
SAMPLE = [c for c in SCRIPT if c.speaker.number in (3, 4)][::2]


def rendered_clips(folder: Path) -> dict:
    return json.loads((folder / "clips.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    render.render(folder, SAMPLE)
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own and four clips in place of 1,200."""
    monkeypatch.setenv("SER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(render, "clips", lambda seed: SCRIPT[:4])
    return tmp_path / "cache"


def test_counts_are_those_of_the_card_and_balanced():
    speakers = script.speakers()
    assert len({clip.name for clip in SCRIPT}) == demo.CARD.expected["utterances"] == 1200
    assert len(set(speakers)) == demo.CARD.expected["speakers"] == 50
    for language in demo.CARD.languages:
        genders = Counter(s.gender for s in speakers if s.language == language)
        assert genders["female"] == genders["male"] >= 4
    # No voice serves twice in a language.
    assert len({(s.language, s.voice.split("+")[1]) for s in speakers}) == len(speakers)


def test_text_does_not_give_the_emotion_away():
    by_text, by_speaker = {}, {}
    for clip in SCRIPT:
        by_text.setdefault(clip.text, Counter())[clip.code] += 1
        by_speaker.setdefault(clip.speaker.name, Counter())[clip.code] += 1
    assert len(by_text) == 72
    for counts in (*by_text.values(), *by_speaker.values()):
        assert set(counts) == set(demo.CARD.emotions) and len(set(counts.values())) == 1


def test_sentences_are_written_in_their_own_script():
    letters = {
        language: {x for s in sentences for x in "".join(s)} - set(" \u200c")
        for language, sentences in script.SENTENCES.items()
    }
    assert all(x.isascii() for x in letters["eng"])
    assert set("äöüß") <= letters["deu"]
    assert all("\u0600" <= x <= "\u06ff" for x in letters["fas"])
    assert not set("يك") & letters["fas"]  # the Arabic letters; Persian writes ی and ک


def test_ratings_lie_on_the_scale_and_around_their_emotion():
    points = {code: [] for code in demo.CARD.emotions}
    for clip in SCRIPT:
        act = perform(clip, habits_of(clip.speaker, SEED), SEED)
        points[clip.code].append((act.valence, act.arousal))
    low, high = demo.CARD.vad_scale
    valence, arousal = {}, {}
    for code, drawn in points.items():
        assert low <= np.min(drawn) and np.max(drawn) <= high
        assert 0.25 < np.std(drawn, axis=0).min() < np.std(drawn, axis=0).max() < 0.5
        valence[code], arousal[code] = np.mean(drawn, axis=0)
    assert max(valence["ang"], valence["sad"]) < valence["neu"] - 0.8 < valence["hap"] - 1.6
    assert arousal["sad"] < arousal["neu"] - 0.8 < min(arousal["ang"], arousal["hap"]) - 1.6


def test_languages_act_differently_and_a_seed_changes_everything():
    rate = {language: [] for language in demo.CARD.languages}
    for clip in SCRIPT:
        habits = habits_of(clip.speaker, SEED)
        rate[clip.speaker.language].append(np.mean(perform(clip, habits, SEED).rates_wpm))
    means = sorted(np.mean(rates) for rates in rate.values())
    assert min(np.diff(means)) > 10
    assert perform(clip, habits, SEED) == perform(clip, habits, SEED)
    assert perform(clip, habits, SEED) != perform(clip, habits, SEED + 1)


def test_same_seed_same_bytes_in_another_process_and_order(sample, tmp_path):
    code = (
        "import sys; from pathlib import Path; from data_prep.demo import render as r;"
        "from data_prep.demo.script import clips;"
        "names = sys.argv[2].split();"
        "found = [c for c in clips(r.SEED) if c.name in names];"
        "r.render(Path(sys.argv[1]), found[::-1])"
    )
    names = " ".join(c.name for c in SAMPLE[1::3])
    root = Path(demo.__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, tmp_path, names], cwd=root, check=True)
    there, here = rendered_clips(tmp_path), rendered_clips(sample)
    assert len(there) == len(SAMPLE[1::3])
    assert all(there[name] == here[name] for name in there)


def test_audio_has_the_hash_of_its_label_is_sound_and_not_clipped(sample):
    clips = rendered_clips(sample)
    assert len({clip["sha256"] for clip in clips.values()}) == len(clips)
    for clip in clips.values():
        content = (sample / clip["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == clip["sha256"]
        assert len(content) == clip["bytes"]
        facts = audio.inspect(sample / clip["path"])
        assert facts.sample_rate_hz == 16000 and 1.0 < facts.duration_s < 6.0
        samples, _ = audio.read(sample / clip["path"])
        level_db = 10 * np.log10(np.mean(samples**2))
        assert np.abs(samples).max() < 0.99 and -45 < level_db < -10


def test_arousal_is_heard_in_level_and_pace(sample):
    for language in demo.CARD.languages:
        clips = [c for c in rendered_clips(sample).values() if c["language"] == language]
        sounds = [audio.read(sample / c["path"])[0] for c in clips]
        arousal = [c["arousal"] for c in clips]
        level_db = [10 * np.log10(np.mean(samples**2)) for samples in sounds]
        assert np.corrcoef(arousal, level_db)[0, 1] > 0.6
        assert np.corrcoef(arousal, [len(samples) for samples in sounds])[0, 1] < -0.3


def test_prepares_a_manifest_that_says_synthetic(sample, tmp_path):
    manifest, folder = prepare("demo", sample, tmp_path)
    found = read_manifest(manifest)
    entries, card = found.located(folder), found.card
    assert "demo" in corpora() and len(entries) == len(SAMPLE)
    name, entry = next(iter(entries.items()))
    assert name == "demo_eng_s03_" + entry["text"].split("_")[1] + "_ang"
    assert (entry["speaker"], entry["gender"]) == ("demo_eng_s03", "female")
    assert entry["language"] == "eng"
    label = entry["labels"]["intended"]
    assert (label["emotion"], label["raw"]) == ("anger", "ang")
    assert set(label["vad"]) == {"valence", "arousal"}
    assert card["synthetic"] is True and card["vad_scale"] == [1.0, 5.0]
    assert "no result on it says anything about accuracy on people" in card["notes"]


def test_a_deep_environment_is_no_trouble(tmp_path, monkeypatch):
    library, data = espeak.library_files()
    deep = tmp_path.joinpath(*["a" * 60] * 5)
    deep.mkdir(parents=True)
    (deep / "data").symlink_to(data)
    monkeypatch.setattr("data_prep.demo.espeak.library_files", lambda: (library, deep / "data"))
    with Synthesizer(["en"]) as voice:
        assert len(voice.say("en+f1", "Good morning.", Prosody())) > 10000


def test_a_deep_temporary_folder_is_named(tmp_path, monkeypatch):
    deep = tmp_path / ("t" * 130)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(SERError, match="too long for eSpeak NG .*set TMPDIR"):
        Synthesizer(["en"])
    assert not list(deep.iterdir())


def test_a_missing_or_broken_library_says_so(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "espeakng_loader", None)
        with pytest.raises(SERError, match="not installed; run: pip install espeakng-loader"):
            espeak.library_files()
    _, data = espeak.library_files()
    broken = tmp_path / "libespeak-ng.so"
    broken.write_bytes(b"no library")
    monkeypatch.setattr("data_prep.demo.espeak.library_files", lambda: (broken, data))
    with pytest.raises(SERError, match="Cannot load eSpeak NG .*--force-reinstall"):
        Synthesizer(["en"])


def test_an_unknown_voice_is_an_error_and_an_interrupt_is_not_swallowed():
    class Interrupted(bytearray):
        def extend(self, _):
            raise KeyboardInterrupt

    with Synthesizer(["en"]) as voice:
        with pytest.raises(SERError, match="no voice 'xx'"):
            voice.say("xx", "Good morning.", Prosody())
        voice._samples = Interrupted()
        with pytest.raises(KeyboardInterrupt):
            voice.say("en+f1", "Good morning.", Prosody())


def test_renders_once_and_then_reads(cache, monkeypatch):
    folder = demo.default_folder()
    assert folder.parent == cache and folder.name == f"demo-{render.version()}"
    assert len(list(demo.utterances(folder))) == 4
    monkeypatch.setattr(render, "render", None)
    assert demo.default_folder() == folder
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_an_interrupted_rendering_leaves_nothing(cache, monkeypatch):
    def interrupted(clip, *_):
        if clip == SCRIPT[2]:
            raise KeyboardInterrupt
        return perform(clip, *_)

    monkeypatch.setattr(render, "perform", interrupted)
    with pytest.raises(KeyboardInterrupt):
        demo.default_folder()
    assert not list(cache.iterdir())
    monkeypatch.setattr(render, "perform", perform)
    assert len(list(demo.utterances(demo.default_folder()))) == 4


def test_what_a_killed_rendering_left_is_swept_up_later(cache):
    for name, age_s in (("old", 7200), ("new", 60)):
        left = cache / f".demo-{name}"
        left.mkdir(parents=True)
        (left / "clip.wav").write_bytes(b"half")
        then = render.time.time() - age_s
        os.utime(left, (then, then))
    folder = demo.default_folder()
    assert {path.name for path in cache.iterdir()} == {".demo-new", folder.name}


DAMAGE = {
    "missing clip": lambda clip, labels: clip.unlink(),
    "short clip": lambda clip, labels: clip.write_bytes(clip.read_bytes()[:1000]),
    "no labels": lambda clip, labels: labels.unlink(),
    "bad labels": lambda clip, labels: labels.write_text('{"a": 1}'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_folder_is_rendered_again(cache, damage, caplog):
    folder = demo.default_folder()
    before = rendered_clips(folder)
    clip = folder / next(iter(before.values()))["path"]
    damage(clip, folder / "clips.json")
    assert demo.default_folder() == folder
    assert rendered_clips(folder) == before and clip.stat().st_size > 1000
    assert "was damaged; rendered again" in caplog.text
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_the_first_of_two_runs_wins(cache, monkeypatch):
    original, folders = render.render, []

    def overtaken(folder, clips):
        original(folder, clips)
        monkeypatch.setattr(render, "render", original)
        folders.append(demo.default_folder())
        os.utime(folders[0] / "clips.json", (1, 1))

    monkeypatch.setattr(render, "render", overtaken)
    assert [demo.default_folder()] == folders
    assert (folders[0] / "clips.json").stat().st_mtime == 1  # the first one's, not replaced
    assert [path.name for path in cache.iterdir()] == [folders[0].name]


@pytest.mark.parametrize("reason", ["No space left on device", "Read-only file system"])
def test_a_cache_that_cannot_be_written_says_what_to_do(cache, monkeypatch, reason):
    def refused(*_):
        raise OSError(28, reason)

    monkeypatch.setattr(Path, "write_bytes", refused)
    with pytest.raises(SERError, match=rf"{reason}\. It needs 100 MB .* set SER_CACHE"):
        demo.default_folder()
    assert not list(cache.iterdir())


def test_a_folder_that_is_no_demo_corpus_is_refused(cache, tmp_path):
    cache.write_text("a file")
    with pytest.raises(SERError, match="Cannot write the demo corpus to .* set SER_CACHE"):
        demo.default_folder()
    with pytest.raises(SERError, match="No finished demo corpus .*[Rr]emove --data_folder"):
        list(demo.utterances(tmp_path))
