import numpy as np
import pytest

from ser_brain.circumplex import reference
from ser_brain.labels import EMOTIONS


def test_the_angles_are_russells_and_the_rest_is_marked():
    known = reference.angles_deg(EMOTIONS)
    assert known["happiness"] == 7.8
    assert known["sadness"] == 207.5
    assert "neutral" not in known and "other" not in known
    sources = {emotion: reference.source_of(emotion) for emotion in known}
    assert [e for e, source in sources.items() if source == "assigned"] == [
        "disgust",
        "contempt",
    ]


def test_neutral_stands_at_calms_place_where_asked():
    assert reference.angles_deg(["neutral"], neutral_as_calm=True) == {"neutral": 316.2}


def test_targets_lie_on_the_circle_and_neutral_at_its_centre():
    found = reference.targets(["anger", "neutral"])
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 0])
    assert found[0] == pytest.approx([np.cos(np.radians(99)), np.sin(np.radians(99))])


def test_sides_of_an_axis():
    emotions = ["fear", "calm", "boredom", "surprise", "neutral"]
    assert reference.sides(emotions, "arousal") == (["fear", "surprise"], ["calm", "boredom"])
    assert reference.sides(emotions, "valence") == (["calm", "surprise"], ["fear", "boredom"])
