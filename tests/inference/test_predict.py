"""Files of any number and length are scored in order."""

import threading
import tracemalloc

import numpy as np
import pytest
import soundfile
import torch

from ser_brain.core.errors import SERError
from ser_brain.inference import predict as predicting
from ser_brain.inference.predict import BATCH_S, chunks, columns, predict, score_all
from ser_brain.inference.segments import Segment, Segmentation, Skipped
from tests.inference.stand_in import RATE_HZ, StandIn, noise, write


def test_a_gpu_gets_batches_of_similar_lengths_and_scores_come_in_order():
    recognizer = StandIn()
    recognizer.device = "cuda:0"
    seconds = [*np.random.default_rng(0).integers(1, 25, 20).tolist(), 61, 0.5]
    clips = [noise(each, seed) for seed, each in enumerate(seconds)]
    found = score_all(recognizer, clips)
    *others, last = recognizer.batches
    assert last == [61 * RATE_HZ]  # too long for any batch but its own
    assert 1 < len(others) < 10
    assert all(max(lengths) * len(lengths) <= BATCH_S * RATE_HZ for lengths in others)
    shortest_first = sorted(round(each * RATE_HZ) for each in seconds)
    assert sum(recognizer.batches, []) == shortest_first
    for clip, scores in zip(clips, found, strict=True):
        alone = StandIn().score([clip])[0]
        assert scores.log_probabilities == pytest.approx(alone.log_probabilities)
    assert score_all(recognizer, []) == []


def test_a_cpu_scores_clips_one_by_one_on_each_core(monkeypatch):
    """As many at once as there are threads, each on one; the longest first."""
    both = threading.Barrier(2, timeout=10)

    class Waiting(StandIn):
        def score(self, waveforms):
            both.wait()
            return super().score(waveforms)

    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    recognizer = Waiting()
    clips = [noise(s, seed) for seed, s in enumerate([0.5, 3, 1, 2])]
    found = score_all(recognizer, clips)
    assert sorted(recognizer.batches) == [[8000], [16_000], [32_000], [48_000]]
    assert {*map(tuple, recognizer.batches[:2])} == {(48_000,), (32_000,)}
    for clip, scores in zip(clips, found, strict=True):
        alone = StandIn().score([clip])[0]
        assert scores.log_probabilities == pytest.approx(alone.log_probabilities)


def test_after_an_error_the_clips_that_wait_are_not_scored():
    class Broken(StandIn):
        def score(self, waveforms):
            super().score(waveforms)
            raise SERError("a defect")

    recognizer = Broken()
    with pytest.raises(SERError, match="a defect"):
        score_all(recognizer, [noise(s) for s in (2, *[1] * 500)])
    assert len(recognizer.batches) < 400


@pytest.fixture
def files(tmp_path):
    """Three files of ten bytes, four segments each, and one that is missing."""
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path in paths:
        path.write_bytes(bytes(10))
    return [*paths[:2], tmp_path / "missing", paths[2]]


def read(path):
    if path.name == "missing":
        yield Skipped(str(path), None, None, "missing")
        return
    for at in range(4):
        place = (str(path), float(at), at + 1.0)
        if at == 1:
            yield Skipped(*place, "silent")
        else:
            yield Segment(*place, np.zeros(8, "float32"), [], (at + 1) / 4)


def test_chunks_record_how_far_they_reach(files, monkeypatch):
    monkeypatch.setattr(predicting, "CHUNK_ITEMS", 3)
    a, b, missing, c = files
    found = list(chunks(dict.fromkeys(files, 0), read))
    assert [len(chunk.items) for chunk in found] == [3, 3, 3, 3, 1]
    assert [chunk.finished for chunk in found] == [[], [a], [b], [], [c]]
    ends = [(a, 3), (b, 2), None, (c, 3), None]
    assert [chunk.unfinished for chunk in found] == ends
    assert [chunk.bytes_read for chunk in found] == pytest.approx([7.5, 12.5, 20, 27.5, 30])
    assert [len(chunk.skipped) for chunk in found] == [1, 1, 1, 1, 0]


def test_a_chunk_is_bounded_in_seconds(files, monkeypatch):
    monkeypatch.setattr(predicting, "CHUNK_S", 2.0)
    found = list(chunks(dict.fromkeys(files[:2], 0), read))
    assert [len(chunk.segments) for chunk in found] == [2, 2, 2, 0]
    assert found[-1].finished == [files[1]]


@pytest.mark.parametrize("stopped_after", range(5))
def test_what_is_done_is_not_scored_again(files, monkeypatch, stopped_after):
    monkeypatch.setattr(predicting, "CHUNK_ITEMS", 3)
    todo, items = dict.fromkeys(files, 0), []
    for chunk in list(chunks(todo, read))[:stopped_after]:
        items += chunk.items
        for path in chunk.finished:
            del todo[path]
        if chunk.unfinished:
            todo[chunk.unfinished[0]] = chunk.unfinished[1]
    for chunk in chunks(todo, read):
        items += [item for item in chunk.items if item not in items]
    whole = [item for path in files for item in read(path)]
    assert [(i.file, i.start_s) for i in items] == [(i.file, i.start_s) for i in whole]


def test_rows_are_in_order_and_equal_those_of_single_clips(tmp_path):
    recognizer, paths = StandIn(), []
    recognizer.device = "cuda:0"
    for n, seconds in enumerate([2, 9, 1, 5, 0.4]):
        paths.append(write(tmp_path / f"{n}.flac", noise(seconds, n, level=0.1 + 0.1 * n)))
    ((chunk, rows),) = predict(recognizer, dict.fromkeys(paths, 0), Segmentation())
    assert chunk.finished == paths
    assert [row["file"] for row in rows] == list(map(str, paths))
    assert recognizer.batches == [[6400, 16000, 32000, 80000, 144000]]
    for path, row in zip(paths, rows, strict=True):
        ((_, (alone,)),) = predict(StandIn(), {path: 0}, Segmentation())
        assert alone == row
        samples, _ = soundfile.read(path, dtype="float32")
        scores = recognizer.score([samples])[0]
        assert list(row) == columns(recognizer)
        assert row["p_sadness"] == pytest.approx(np.exp(scores.log_probabilities[2]), abs=1e-6)
        assert [row["valence"], row["arousal"]] == pytest.approx(
            scores.valence_arousal.tolist(), abs=1e-6
        )
    assert rows[1]["stop"] == 9.0 and rows[4]["warnings"] == "very short: 0.40 s"


def test_columns_are_what_the_model_predicts():
    recognizer = StandIn()
    of_classes = ["emotion", "p_anger", "p_neutral", "p_sadness"]
    assert columns(recognizer)[3:] == [*of_classes, "valence", "arousal", "warnings"]
    recognizer.va_range, recognizer.dimensions = None, ()
    assert columns(recognizer)[3:] == [*of_classes, "warnings"]
    recognizer.va_range, recognizer.dimensions = (0, 1), ("valence", "arousal")
    recognizer.emotions = []
    assert columns(recognizer) == ["file", "start", "stop", "valence", "arousal", "warnings"]


def test_an_error_while_reading_ahead_is_not_lost(tmp_path):
    def broken(*_):
        raise KeyError("a defect")

    recognizer, path = StandIn(), write(tmp_path / "a.wav", noise(1))
    recognizer.prepare = broken
    with pytest.raises(KeyError, match="a defect"):
        list(predict(recognizer, {path: 0}, Segmentation()))


def test_long_recordings_need_no_more_memory_than_short_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(predicting, "CHUNK_S", 30.0)
    peaks, half_a_minute = {}, noise(30)
    for minutes in (2, 8):
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", RATE_HZ, 1, "PCM_16") as file:
            for _ in range(2 * minutes):
                file.write(half_a_minute)
        tracemalloc.start()
        count = sum(len(rows) for _, rows in predict(StandIn(), {path: 0}, Segmentation(6, 6)))
        peaks[minutes] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == minutes * 10
    # Eight minutes are 31 MB of samples; how far the reader is ahead is left to chance.
    assert peaks[8] < 15e6, peaks
