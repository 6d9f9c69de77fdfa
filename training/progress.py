"""What a terminal shows while something learns: a bar of pictures, and a short line a log entry."""

import re
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm
from transformers import ProgressCallback

from morelli.training.run_folder import SKIPPED

_LEFT_TO_THE_FILE = re.compile(
    r"learning_rate|grad_norm|frac_reward_zero_std|reward_std|.*/constant_groups|.*clipped_ratio"
)
_SHORTER = re.compile(r"rewards/(\w+)/mean|completions/(mean_length)")


class PictureProgress(ProgressCallback):  # type: ignore[misc]
    """A bar with pictures a second and the time left, in place of transformers' own of steps."""

    training_bar: Any

    def __init__(self, pictures: int) -> None:
        """Count.

        Args:
            pictures: of a step, all processes together.
        """
        super().__init__()
        self._pictures = pictures

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Open the bar where the run goes on."""
        self.current_step = state.global_step
        if state.is_world_process_zero:
            self.training_bar = tqdm(
                total=state.max_steps * self._pictures, initial=state.global_step * self._pictures,
                desc="learning", unit="picture", dynamic_ncols=True, disable=None,
            )  # fmt: skip

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the bar on."""
        if state.is_world_process_zero:
            self.training_bar.update((state.global_step - self.current_step) * self._pictures)
            self.current_step = state.global_step

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Write one line above the bar."""
        line = line_of(logs or {})
        if state.is_world_process_zero and self.training_bar is not None and line:
            self.training_bar.write(f"step {state.global_step}/{state.max_steps}: {line}")


def line_of(logs: Mapping[str, Any]) -> str:
    """Return the numbers of a log entry that one wants to see go by; metrics.jsonl has them all."""
    shown = {
        _SHORTER.sub(lambda match: match[1] or match[2], name): value
        for name, value in logs.items()
        if isinstance(value, int | float)
        and not SKIPPED.fullmatch(name)
        and not _LEFT_TO_THE_FILE.fullmatch(name)
    }
    return ", ".join(f"{name} {value:.3g}" for name, value in shown.items())
