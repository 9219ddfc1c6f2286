"""Languages by code."""

import re

from ser_brain.model_card.languages import LANGUAGES


def test_codes_have_the_form_of_their_standard():
    for three, (hub, name) in LANGUAGES.items():
        assert re.fullmatch("[a-z]{3}", three) and re.fullmatch("[a-z]{2,3}", hub) and name
    assert (
        len({name for _, name in LANGUAGES.values()})
        == len({hub for hub, _ in LANGUAGES.values()}) + 1
    )  # Chinese and Mandarin Chinese share zh
