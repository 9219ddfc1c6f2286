"""Drawing the utterances of some speakers."""

from collections import Counter

import pytest

from ser_brain.data.folding import of_some_speakers


def rows(**corpora):
    """Rows of corpora, given as (speakers, utterances of each)."""
    return {
        f"{corpus}_{n}": {"corpus": corpus, "speaker": f"s{n // each}"}
        for corpus, (speakers, each) in corpora.items()
        for n in range(speakers * each)
    }


@pytest.mark.parametrize(
    "most, expected",
    [
        (1000, {"large": 200, "small": 12}),
        (60, {"large": 48, "small": 12}),  # all of a small corpus, the rest of the large one
        (20, {"large": 10, "small": 10}),
    ],
)
def test_speakers_are_drawn_and_corpora_count_alike(most, expected):
    given = rows(large=(20, 10), small=(2, 6))
    ids = of_some_speakers(given, most)
    assert Counter(given[i]["corpus"] for i in ids) == expected
    assert ids == [i for i in given if i in ids] == of_some_speakers(given, most)
    # All utterances of a speaker, but for one speaker of each corpus.
    found = Counter((given[i]["corpus"], given[i]["speaker"]) for i in ids)
    sizes = {"large": 10, "small": 6}
    cut = Counter(corpus for (corpus, _), n in found.items() if n < sizes[corpus])
    assert max(cut.values(), default=0) <= 1


def test_an_utterance_of_an_unknown_speaker_is_a_speaker():
    given = {str(n): {"corpus": "c", "speaker": None} for n in range(9)}
    assert len(of_some_speakers(given, 4)) == 4


def test_parts_of_a_table_are_corpora():
    parts = {f"{n}": {"corpus": "t", "source": f"p{n % 2}", "speaker": "s"} for n in range(20)}
    drawn = of_some_speakers(parts, 6)
    assert Counter(parts[i]["source"] for i in drawn) == {"p0": 3, "p1": 3}
