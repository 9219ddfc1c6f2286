import argparse
from pathlib import Path

import pytest

from ser_brain.errors import SERError
from ser_brain.on_argument import (
    Target,
    add_on_arguments,
    parse_manifest,
    parse_pair,
    targets,
)


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    add_on_arguments(parser, required=False)
    return targets(parser.parse_args([str(a) for a in arguments]))


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "odd:name.json"
    path.write_text("{}")
    return path


def test_targets(manifest):
    found = parsed("--on", manifest, f"{manifest}:rated", "--where", "language=deu=x")
    assert found == [
        Target(manifest, None, None, {"language": "deu=x"}),
        Target(manifest, "rated", None, {"language": "deu=x"}),
    ]
    assert parsed() == []
    folder = Path("a")
    assert parsed("--on", manifest, "--data_folder", "a", "--balanced") == [
        Target(manifest, None, folder, {}, True)
    ]


def test_folders_for_other_manifests(manifest):
    with pytest.raises(SERError, match="names 2 folders for 1 manifests"):
        parsed("--on", manifest, "--data_folder", "a", "b")


@pytest.mark.parametrize("text", ["nowhere.json", "nowhere.json:rated"])
def test_a_manifest_that_is_not_there(text):
    with pytest.raises(SERError, match="No manifest at nowhere.json; write it first"):
        parse_manifest(text)


@pytest.mark.parametrize("text", ["language", "language=", "=deu"])
def test_a_condition_without_a_value(text):
    with pytest.raises(SERError, match=f"Bad --where '{text}'; expected KEY=VALUE"):
        parse_pair("--where", text)
