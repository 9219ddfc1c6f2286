"""A clip's cached features: read as written, or known to be damaged."""

import numpy as np
import pytest

from ser_brain.feature_file import Damaged, read_features, write_features

FEATURES_TC = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)


@pytest.fixture
def file(tmp_path):
    write_features(tmp_path / "deep" / "a.f16", FEATURES_TC)
    return tmp_path / "deep" / "a.f16"


def test_read_as_written(file):
    found_TC = read_features(file, 5)
    assert found_TC.dtype == np.float16
    np.testing.assert_array_equal(found_TC, FEATURES_TC.astype(np.float16))
    found_TC[0] = 1  # a tensor may share its memory


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-10],
        lambda content: content[:-2],
        lambda content: content[:4],
        lambda content: b"",
        lambda content: content[:20] + b"?" + content[21:],
        lambda content: b"\0" * len(content),
        lambda content: content + content[-10:],
    ],
)
def test_damage_is_seen(file, damage):
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(Damaged):
        read_features(file, 5)


def test_features_of_another_width_are_damage(file):
    with pytest.raises(Damaged):
        read_features(file, 4)
