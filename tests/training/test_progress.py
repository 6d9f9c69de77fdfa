import sys
from types import SimpleNamespace

from morelli.training.progress import PictureProgress, line_of


def state_at(step):
    return SimpleNamespace(global_step=step, max_steps=10, is_world_process_zero=True)


def test_a_line_is_short_and_has_what_one_wants_to_see_go_by():
    logs = {"loss": 0.12345, "rewards/mask_iou/mean": 0.5, "rewards/mask_iou/std": 0.1,
            "rewards/mask_iou/constant_groups": 1.0, "completions/mean_length": 80.0,
            "learning_rate": 1e-4, "step_time": 3.0, "epoch": 0.1, "note": "x"}  # fmt: skip
    assert line_of(logs) == "loss 0.123, mask_iou 0.5, mean_length 80"
    assert line_of({"train_runtime": 3.0, "epoch": 1.0}) == ""


def test_the_bar_counts_pictures_from_where_a_run_goes_on(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)  # else there is no bar
    progress = PictureProgress(4)
    progress.on_train_begin(None, state_at(3), None)
    bar = progress.training_bar
    assert (bar.total, bar.initial, bar.unit) == (40, 12, "picture")
    counted = []
    bar.update = counted.append
    progress.on_step_end(None, state_at(5), None)
    progress.on_log(None, state_at(5), None, logs={"loss": 0.5})
    progress.on_train_end(None, state_at(5), None)
    assert counted == [8]
    assert "step 5/10: loss 0.5" in capsys.readouterr().out
