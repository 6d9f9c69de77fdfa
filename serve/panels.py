"""The panels of the web page: fragments of HTML made from a report's record, and nothing else."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.schema import CLASSES, Verdict
from morelli.data_pipeline.verifier import MIN_RELIABILITY
from morelli.serve.guides import guide_of
from morelli.serve.render import (
    HEADLINES,
    Views,
    cited,
    doubt,
    environment,
    printable,
    reduced_photo,
)


@dataclass(frozen=True, slots=True)
class Panels:
    """What the page shows of one picture besides its reasons, each a fragment of HTML."""

    verdict: str
    viewer: str
    instruments: str
    metadata: str
    stability: str
    method: str

    @classmethod
    def of(cls, record: dict[str, Any], views: Views) -> "Panels":
        """Fill every panel from a record of `morelli.report/1` and its images."""
        headline, meaning = HEADLINES[Verdict(record["verdict"])]
        return cls(
            verdict=_fill(
                "verdict",
                record,
                headline,
                meaning,
                doubt(record),
                1 - record["probability"]["authentic"],
                [name.value for name in CLASSES],
                views.where,
            ),
            viewer=_fill("viewer", record, views),
            instruments=_fill("instruments", sorted(record["measurements"], key=_rank), views),
            metadata=_fill("metadata", record),
            stability=_fill("stability", record),
            method=method(record),
        )


def reasons(record: dict[str, Any], finished: bool) -> str:
    """Return the checked reasons so far, each with a button that opens its measurement."""
    found = {finding["id"]: finding for finding in record["findings"]}
    return _fill("reasons", record, cited(record["rationale"]), found, finished)


def method(record: dict[str, Any]) -> str:
    """Return how the verdict came about, and what it cannot tell."""
    return _fill("method", record)


def waiting(name: str, ahead: int = 0) -> str:
    """Return the card that is shown while a picture is examined, or waits for `ahead` others."""
    return _fill("waiting", printable(name), queue_place(ahead) if ahead else None)


def queue_place(ahead: int) -> str:
    """Say how many come first."""
    return f"Waiting: {'one' if ahead == 1 else ahead} before you."


def preview(picture: Picture) -> str:
    """Return the picture by itself, for as long as nothing is known of it."""
    return _fill("preview", printable(picture.path), reduced_photo(picture))


def broken() -> str:
    """Return the card for an examination that failed by our own fault."""
    return refused("The examination failed, and nothing was decided. Please give the picture again")


def refused(message: str) -> str:
    """Return the card for a file that could not be examined."""
    return _fill("refused", printable(message))


def welcome() -> str:
    """Return the card of an empty page."""
    return _fill("welcome")


def page_css() -> str:
    """Return the style sheet of the page."""
    return environment().get_template("page.css").render()


def page_head() -> str:
    """Return the script of the page, for its head."""
    return f"<script>{environment().loader.get_source(environment(), 'page.js')[0]}</script>"  # type: ignore[union-attr]


def _fill(panel: str, *values: Any) -> str:
    known = {"name_of": _name, "guide_of": guide_of, "state_of": state_of, "named": named}
    template = environment().get_template("panels.html", globals=known)
    html = str(getattr(template.module, panel)(*values))
    # Gradio expands templates in what it is given to show, and a file may have any name.
    return html.replace("{", "&#123;").replace("$", "&#36;")


def _name(record: dict[str, Any]) -> str:
    return Path(record["image"]["path"]).name


def state_of(item: dict[str, Any]) -> str:
    """Say in two words what a measurement of a record comes to."""
    if item["value"] is None or item["reliability"] < MIN_RELIABILITY:
        return "cannot tell"
    low, high = item["expected"]
    return "as expected" if low <= item["value"] <= high else "out of range"


def named(instrument: str) -> str:
    """Return the name of an instrument as a reader would write it."""
    words = instrument.replace("_", " ").replace("jpeg", "JPEG").replace("c2pa", "C2PA")
    return words[:1].upper() + words[1:]


def _rank(item: dict[str, Any]) -> int:
    """Return where a measurement stands among others: what is unusual comes first."""
    return ("out of range", "as expected", "cannot tell").index(state_of(item))
