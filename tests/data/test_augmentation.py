"""Views: decided by seed, number and id alone; lengths; what the setting refuses."""

import numpy as np
import pytest
import torch

from ser_brain.core.errors import SERError
from ser_brain.data.augmentation import DISTORTIONS, Augmentation, parse_augment

RATE_HZ = 16_000
EVERYTHING = {name: {"probability": 0.5} for name in DISTORTIONS} | {
    "noise": {"probability": 0.9, "kinds": ["white", "pink", "brown", "speech", "babble"]}
}


def clip(number, seconds=0.6):
    rng = np.random.default_rng(number)
    return rng.normal(0, 0.1, round(seconds * RATE_HZ)).astype(np.float32)


CLIPS = {f"c{n}": lambda n=n: clip(n, 0.4 + 0.02 * n) for n in range(12)}


def augmentation(settings=EVERYTHING, seed=1, **options):
    return Augmentation(settings, seed, RATE_HZ, clips=CLIPS, **options)


def test_a_view_is_the_same_whatever_was_made_before():
    """Other clips, other objects, other threads and the global generators change nothing."""
    one = augmentation()
    first = {i: one.view(load(), i, 2) for i, load in CLIPS.items()}
    np.random.seed(5)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        again = {i: augmentation().view(load(), i, 2) for i, load in reversed(CLIPS.items())}
    finally:
        torch.set_num_threads(before)
    for name, view_S in first.items():
        np.testing.assert_array_equal(again[name], view_S)
        assert view_S.dtype == np.float32 and np.isfinite(view_S).all()


def test_seed_number_and_id_each_decide():
    settings = {"noise": {"probability": 1, "kinds": ["white"]}}
    views = [
        augmentation(settings, seed).view(clip(0), name, number)
        for seed, name, number in [(1, "a", 1), (2, "a", 1), (1, "b", 1), (1, "a", 2)]
    ]
    noises = np.stack(views) - clip(0)
    correlations = np.corrcoef(noises) - np.eye(4)
    assert np.abs(correlations).max() < 0.1


def test_view_0_is_the_clip_and_the_others_are_those_of_the_epochs():
    made = augmentation()
    views = list(made.views(clip(3), "c3", 4))
    np.testing.assert_array_equal(views[0], clip(3))
    for number in (1, 2, 3):
        np.testing.assert_array_equal(views[number], made.view(clip(3), "c3", number))
    assert len({view_S.tobytes() for view_S in views}) == 4


def test_a_further_distortion_leaves_the_draws_of_the_others():
    gain = {"gain": {"probability": 0.5}}
    with_speed = gain | {"speed": {"probability": 0.0}, "mask_time": {"probability": 0.0}}
    for number in range(1, 6):
        np.testing.assert_array_equal(
            augmentation(gain).view(clip(0), "a", number),
            augmentation(with_speed).view(clip(0), "a", number),
        )


def test_a_probability_is_the_share_of_clips():
    made = augmentation({"gain": {"probability": 0.3}})
    same = [np.array_equal(made.view(clip(0), f"id{n}", 1), clip(0)) for n in range(1000)]
    assert np.mean(same) == pytest.approx(0.7, abs=0.05)


def test_ranges_are_kept():
    made = augmentation({"gain": {"probability": 1, "gain_db": [-10, 6]}})
    views = [made.view(clip(0), f"id{n}", 1) for n in range(300)]
    gains_db = [20 * np.log10(view_S[0] / clip(0)[0]) for view_S in views]
    assert -10 <= min(gains_db) < -9 and 5 < max(gains_db) <= 6

    made = augmentation({"speed": {"probability": 1}})
    lengths = {len(made.view(clip(0), f"id{n}", 1)) for n in range(300)}
    assert lengths == {-(-9600 * 100 // percent) for percent in range(95, 106)}


@pytest.mark.parametrize("name", ["speed", "stretch"])
def test_a_clip_stays_within_what_the_encoder_takes(name):
    limits = (9500, 9700)  # of a clip with 9600
    made = augmentation({name: {"probability": 1}}, limits=limits)
    lengths = {len(made.view(clip(0), f"id{n}", 1)) for n in range(60)}
    assert limits[0] <= min(lengths) < max(lengths) <= limits[1]


@pytest.mark.parametrize("samples", [1, 256, 257])
def test_short_clips_are_stretched_or_stay(samples):
    made = augmentation({"stretch": {"probability": 1}}, limits=(1, 10_000))
    short_S = clip(0)[:samples]
    lengths = {len(made.view(short_S, f"id{n}", 1)) for n in range(20)}
    assert lengths == {samples} if samples <= 256 else len(lengths) > 1


def test_masks_of_time_silence_at_most_their_share():
    made = augmentation({"mask_time": {"probability": 1, "length_s": [1, 2], "count": [1, 2]}})
    silent = [np.mean(made.view(clip(0), f"id{n}", 1) == 0) for n in range(100)]
    assert 0.19 < min(silent) < max(silent) <= 0.4


def test_babble_is_other_clips():
    settings = {"noise": {"probability": 1, "kinds": ["babble"], "snr_db": [0, 0]}}
    added_S = augmentation(settings).view(clip(20), "c3", 1) - clip(20)
    assert np.sqrt(np.mean(added_S**2)) == pytest.approx(
        np.sqrt(np.mean(clip(20) ** 2)), rel=0.01
    )
    loaded = []
    clips = {i: lambda i=i, load=load: loaded.append(i) or load() for i, load in CLIPS.items()}
    made = Augmentation(settings, 1, RATE_HZ, clips=clips)
    for number in range(1, 30):
        made.view(clip(20), "c3", number)
    assert set(loaded) == set(CLIPS) - {"c3"} and 3 * 29 <= len(loaded) <= 7 * 29
    with pytest.raises(SERError, match="babble needs more than 7 training clips; there are 0"):
        Augmentation(settings, 1, RATE_HZ)


def test_stretch_is_warned_of(caplog):
    Augmentation({"stretch": {"probability": 0.1}}, 1, RATE_HZ)
    assert "the labels may no longer hold" in caplog.text


def test_off_is_off():
    assert parse_augment(None) == parse_augment({}) == {}
    made = augmentation(dict.fromkeys(DISTORTIONS, {"probability": 0}))
    np.testing.assert_array_equal(made.view(clip(1), "c1", 1), clip(1))


@pytest.mark.parametrize(
    "settings, message",
    [
        ("noise", r"Bad augment 'noise'; expected null, or distortions like \{noise: \{"),
        ({"noize": {}}, "Bad distortion in augment 'noize'; expected one of: noise, "),
        ({"noise": 0.5}, "Bad augment: noise 0.5; expected a mapping with probability, snr_db"),
        ({"noise": {}}, "augment: noise has no probability; expected a number from 0 to 1"),
        (
            {"gain": {"probability": 2}},
            "augment: gain: probability 2; expected a number from 0",
        ),
        ({"gain": {"probability": True}}, "probability True; expected a number from 0 to 1"),
        (
            {"gain": {"probability": 1, "db": 3}},
            "Bad key in augment: gain 'db'; expected one of",
        ),
        (
            {"noise": {"probability": 1, "snr_db": [25, 5]}},
            r"noise: snr_db \[25, 5\]; expected two numbers, the lower first, from -20 to 60\.",
        ),
        (
            {"noise": {"probability": 1, "kinds": ["rain"]}},
            "Bad augment: noise: kinds 'rain'; expected one of: ",
        ),
        (
            {"codec": {"probability": 1, "codecs": []}},
            r"codecs \[\]; expected a list like \[mul",
        ),
        ({"speed": {"probability": 1, "factor": [0.5, 2]}}, "first, from 0.8 to 1.25"),
        ({"mask_time": {"probability": 1, "count": [1.5, 2]}}, "expected two whole numbers"),
        ({"telephone": {"probability": 1, "band_hz": [3400, 3400]}}, "a band ends above its"),
    ],
)
def test_what_the_setting_refuses(settings, message):
    with pytest.raises(SERError, match=message):
        parse_augment(settings)
