"""A split that was damaged is said to be; it ends in no traceback."""

import json

import pytest

from ser_brain.errors import SERError
from ser_brain.verification.data import read_splits, verify_audits, verify_manifests

WHOLE = {
    "train": ["a"],
    "valid": ["b"],
    "tests": {"mine": ["c"]},
    "audit": {},
    "corpora": {"mine": {"title": "Mine", "fingerprint": "0"}},
}
DAMAGE = {
    "no training part": {"train": None},
    "ids that are no text": {"valid": [["b"]]},
    "tests without names": {"tests": ["c"]},
    "a test set that is no list": {"tests": {"mine": "c"}},
    "no audit": {"audit": None},
    "corpora without names": {"corpora": ["mine"]},
    "a corpus without a mark": {"corpora": {"mine": {"title": "Mine"}}},
}


def write(folder, **changes):
    (folder / "splits.json").write_text(json.dumps({**WHOLE, **changes}))


def test_a_whole_split(tmp_path):
    write(tmp_path)
    assert read_splits(tmp_path) == WHOLE


@pytest.mark.parametrize("changes", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_split(tmp_path, changes):
    write(tmp_path, **changes)
    for verify in (verify_manifests, verify_audits):
        with pytest.raises(SERError, match=r"splits.json is damaged"):
            verify(tmp_path, tmp_path)


def test_settings_that_were_cut(tmp_path):
    write(tmp_path)
    (tmp_path / "hyperparams.yaml").write_text("seed: 1\n")
    with pytest.raises(SERError, match=r"yaml is damaged: it does not say manifest_folder"):
        verify_manifests(tmp_path, None)
