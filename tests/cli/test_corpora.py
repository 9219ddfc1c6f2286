"""ser corpora: the list, and one card."""

import json

from ser_brain.__main__ import main


def test_all_corpora_with_what_decides_a_choice(capsys):
    assert main(["corpora"]) == 0
    row = next(r for r in capsys.readouterr().out.splitlines() if r.startswith("iemocap "))
    for said in (" eng ", "acted dialogues", "10,039", "consensus", "dimensions 1 to 5", "USC"):
        assert said in row


def test_one_corpus_with_its_command(capsys):
    assert main(["corpora", "cremad"]) == 0
    printed = capsys.readouterr().out
    assert "AudioWAV/1001_DFA_ANG_XX.wav" in printed and "CREMA-D" in printed
    assert printed.endswith(
        "python -m data_prep cremad --data_folder DIR --manifest_folder manifests\n"
    )
    assert main(["corpora", "cremad", "--json"]) == 0
    card = json.loads(capsys.readouterr().out)["cremad"]
    assert card["url"].startswith("https://") and card["expected"]["speakers"] == 91


def test_an_unknown_corpus_is_one_line(capsys):
    assert main(["corpora", "crema"]) == 2
    assert capsys.readouterr().err.startswith("error: Bad corpus 'crema'; expected one of")
