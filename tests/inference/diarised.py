"""Two voices that are tones, and stand-ins that tell them and silence apart."""

import numpy as np

from ser_brain.inference.segments import FRAME
from tests.inference.stand_in import RATE_HZ

LOW_HZ, HIGH_HZ = 150, 900


def tones(*turns):
    """Seconds of each pitch; 0 is silence."""
    parts = [
        0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
        for hz, seconds in turns
    ]
    return np.concatenate(parts).astype("float32")


def loud():
    """Speech begins and ends with sound."""
    state = {"at": 0, "speaks": False}

    def event(frame_F):
        state["at"] += FRAME
        speaks = bool(frame_F.abs().max() > 0.01)
        changed, state["speaks"] = speaks != state["speaks"], speaks
        return {"start" if speaks else "end": state["at"] - FRAME} if changed else None

    return event


def pitch(samples_S):
    """The share of sign changes is the voice: windows of 1.6 s every 0.4 s."""
    size, hop = round(1.6 * RATE_HZ), round(0.4 * RATE_HZ)
    starts = range(0, max(len(samples_S) - size, 0) + 1, hop)
    share_W = [np.mean(np.diff(np.sign(samples_S[at : at + size])) != 0) for at in starts]
    angle_W = 20 * np.array(share_W)
    return np.stack([np.cos(angle_W), np.sin(angle_W)], axis=1)
