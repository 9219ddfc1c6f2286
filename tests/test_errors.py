"""Errors that say what was found and what was expected."""

import pytest
import torch

from ser_brain.errors import SERError, bad_value, nearest


def test_nearest_puts_the_likely_one_first_and_keeps_all():
    known = ["demo", "cremad", "emodb", "iemocap"]
    assert nearest("emdb", known)[0] == "emodb"
    assert sorted(nearest("emdb", known)) == sorted(known)
    assert nearest("zzz", known) == sorted(known)


def test_nearest_takes_what_is_no_string():
    assert nearest(3, ["1", "3"]) == ["3", "1"]


def test_bad_value_is_one_sentence():
    assert str(bad_value("use", "tain", ["train", "test"])) == (
        "Bad use 'tain'; expected one of: train, test."
    )


class Unreadable(torch.utils.data.Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, number):
        raise SERError("Cannot use a.wav: missing.")


def test_an_error_of_a_process_that_reads_is_one_sentence_too():
    with pytest.raises(SERError) as caught:
        list(torch.utils.data.DataLoader(Unreadable(), num_workers=1))
    assert str(caught.value) == "Cannot use a.wav: missing."
