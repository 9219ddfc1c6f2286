"""Figures of a report and what is written below them."""

from ser_brain.reporting.report_figures import of_training


def line(epoch, **left_out):
    losses = {"train": {"loss": 1.0 / epoch}, "valid": {"loss": 1.5 / epoch}}
    return {"epoch": epoch, "seconds": 1.0, **losses, "lr": {"heads": 0.001}, **left_out}


def test_what_was_not_trained_on_is_told_below_the_curves(tmp_path):
    logs = [
        [line(1, skipped_batches=2), line(2, steps_skipped_by_scaler=3)],
        [line(1, skipped_batches=1), line(2)],
    ]
    caption = of_training(tmp_path, logs, "made up").caption
    assert "Batches skipped, not being finite: 3." in caption
    assert "Steps left out by the gradient scaler: 3." in caption
    assert "gradient scaler" not in of_training(tmp_path, logs[1:], "made up").caption
