"""The folder of a run: its settings, what was logged, curves, the checkpoint and a model card."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import TrainerCallback

from morelli.model.calibration import Calibrator
from morelli.model.checkpoint import save_adapter, write_list
from morelli.model.forgery_vlm import ForgeryVLM
from morelli.model.processing import ForgeryProcessor

METRICS = "metrics.jsonl"
CURVES = "curves.png"
SETTINGS = "config.json"
CHECKPOINT = "checkpoint"
"""The finished checkpoint's folder in a run."""

SKIPPED = re.compile(
    r"step|epoch|total_flos|num_tokens|.*(_runtime|_per_second|step_time|_std|/std)|clip_ratio/.*"
    r"|completions/(min|max|mean_terminated).*|train_loss"
)
"""Names in a log entry that tell a person nothing."""

_COLUMNS = 3
_VALIDATION = "eval_"
"""What transformers puts before the names of figures from validation."""


def write_settings(config: Any, folder: Path) -> None:
    """Write a tree of dataclasses as config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SETTINGS).write_text(json.dumps(asdict(config), indent=1, default=str) + "\n")


class MetricsFile(TrainerCallback):  # type: ignore[misc]
    """Appends every log line to metrics.jsonl and draws the curves when training ends."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / METRICS

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Forget what a stopped run logged beyond the checkpoint that it goes on from."""
        if state.is_world_process_zero:
            kept = [row for row in read_metrics(self.path) if row["step"] <= state.global_step]
            self.path.write_text("".join(json.dumps(row) + "\n" for row in kept))

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Append one line."""
        if state.is_world_process_zero and logs:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": state.global_step, **_plain(logs)}) + "\n")

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Draw what was logged."""
        if state.is_world_process_zero:
            draw_curves(read_metrics(self.path), self.path.with_name(CURVES))


def _plain(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what JSON can hold; what is not a number there is none."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in logs.items()
    }


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the log lines of a run, none if nothing was logged yet."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def draw_curves(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw each logged number against the step as a PNG, one panel a number; validation beside."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = sorted({_plain_name(name) for row in rows for name in _numbers(row)})
    if not names:
        return
    height = -(-len(names) // _COLUMNS)
    figure = Figure(figsize=(4 * _COLUMNS, 2.2 * height))
    figure.subplots_adjust(
        left=0.05, right=0.98, bottom=0.25 / height, top=1 - 0.15 / height, hspace=0.45, wspace=0.25
    )
    FigureCanvasAgg(figure)
    panels = figure.subplots(height, _COLUMNS, squeeze=False).flat
    for name, panel in zip(names, panels, strict=False):
        for key, label in ((name, "learning"), (_VALIDATION + name, "validation")):
            points = [(row["step"], row[key]) for row in rows if key in _numbers(row)]
            if points:
                panel.plot(*zip(*points, strict=True), marker=".", linewidth=1, label=label)
        if len(panel.lines) > 1:
            panel.legend(fontsize=7)
        panel.set_title(name, fontsize=8)
        panel.tick_params(labelsize=7)
        panel.ticklabel_format(useOffset=False)
        panel.xaxis.get_major_locator().set_params(integer=True)
    for panel in list(figure.axes)[len(names) :]:
        panel.set_visible(False)
    figure.savefig(path, dpi=100)


def _plain_name(name: str) -> str:
    return name.removeprefix(_VALIDATION)


def _numbers(row: Mapping[str, Any]) -> set[str]:
    return {
        name
        for name, value in row.items()
        if isinstance(value, int | float) and not SKIPPED.fullmatch(name)
    }


@dataclass(frozen=True)
class Card:
    """What a checkpoint's card says.

    Attributes:
        name: of the run.
        version: of the checkpoint.
        recipe: how it was trained, one sentence.
        data: what it was trained on, one sentence.
        results: rows of the results table, by name: before and after training, as text.
        settings: of the run, printed as JSON.
    """

    name: str
    version: str
    recipe: str
    data: str
    results: Mapping[str, tuple[str, str]]
    settings: str

    def __str__(self) -> str:
        rows = "\n".join(f"| {name} | {a} | {b} |" for name, (a, b) in self.results.items())
        table = f"\n| held-out pictures | before | after |\n|---|---|---|\n{rows}\n" if rows else ""
        return (
            f"# {self.name}\n\nA Morelli checkpoint. {self.recipe} {self.data}\n{table}\n"
            "Means with their standard errors. The licence of the training pictures binds the "
            "weights too.\n\n"
            f"```json\n{self.settings}\n```\n"
        )


def save_checkpoint(
    model: PeftModel,
    processor: ForgeryProcessor,
    calibrator: Calibrator,
    folder: Path,
    card: Card,
    validation: dict[str, Any],
) -> None:
    """Write what `Examiner.load` reads: an adapter, or a full model if no base was pulled.

    Args:
        model: trained; one without a base is merged in place.
        processor: that fits it.
        calibrator: stored beside it.
        folder: made if missing.
        card: written as README.md.
        validation: what it reached on what, with n; shown in every report.
    """
    inner = model.get_base_model()
    assert isinstance(inner, ForgeryVLM)
    folder.mkdir(parents=True, exist_ok=True)
    if inner.config.base:
        save_adapter(model, inner.config, folder)
    else:
        model.merge_and_unload().save_pretrained(str(folder))
        processor.save_pretrained(folder)
    calibrator.save(folder)
    (folder / "README.md").write_text(str(card))
    write_list(folder, card.name, card.version, validation)
