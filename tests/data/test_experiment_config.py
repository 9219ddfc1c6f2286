"""ExperimentConfig: made once from the settings, which are checked on the way."""

from pathlib import Path

import pytest

from ser_brain.core.errors import SERError
from ser_brain.data.experiment_config import DEFAULTS, ExperimentConfig
from ser_brain.training.config import checked_settings, read_settings

HPARAMS = Path(__file__).parents[2] / "hparams"


def settings(*overrides):
    return checked_settings(read_settings(HPARAMS / "multiobjective.yaml", overrides))


def test_the_shipped_settings():
    config = ExperimentConfig.from_settings(
        settings(("folds", "5"), ("fold", "2")), ["emotion"]
    )
    assert (config.experiment, config.seed, config.tasks) == ("multiobjective", 1, ("emotion",))
    assert config.labels.emotions == ["anger", "happiness", "sadness", "neutral"]
    assert config.split.describe() == "speaker-5fold-fold2"
    assert (config.balanced, config.max_clip_s) == (False, 60)


def test_settings_of_earlier_versions_lack_some():
    old = {key: value for key, value in settings().items() if key not in DEFAULTS}
    assert ExperimentConfig.from_settings(old).max_clip_s == float("inf")


@pytest.mark.parametrize(
    "override, message",
    [
        (("emotions", "[anger, anger]"), "emotions names anger more than once"),
        (("split", "speakers"), "Bad split 'speakers'"),
        (("fold", "2"), "needs folds"),
    ],
)
def test_labels_and_splits_that_do_not_exist(override, message):
    with pytest.raises(SERError, match=message):
        ExperimentConfig.from_settings(settings(override))


def test_settings_that_lack_what_every_experiment_has():
    with pytest.raises(SERError, match="The settings lack seed, fold; extend hparams/base"):
        found = settings()
        ExperimentConfig.from_settings(
            {key: found[key] for key in found if key not in ("seed", "fold")}
        )
