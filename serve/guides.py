"""What a reader should look for in an instrument's map, and what to ignore."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guide:
    """How to read one instrument.

    Attributes:
        measures: what it measures, in one sentence.
        look_for: what speaks for an alteration.
        ignore: what looks alarming and is not.
    """

    measures: str
    look_for: str
    ignore: str


GUIDES = {
    "noise": Guide(
        "Compares the strength of the camera's grain from place to place.",
        "A region with sharp borders whose grain is clearly stronger or weaker than that of "
        "similar surfaces beside it.",
        "Sky, shadow and overexposed areas, which have little grain in every photograph, and "
        "fine texture such as grass or fabric, which looks like grain.",
    ),
    "jpeg": Guide(
        "Looks for traces of an earlier JPEG compression and for places that do not share them.",
        "A connected region whose compression history differs from that of the rest.",
        "Flat or saturated areas, which hold no trace to compare, and pictures that a messenger "
        "or a web site has saved again, where the traces are overwritten everywhere.",
    ),
    "copy-move": Guide(
        "Searches for regions of the picture that occur twice.",
        "Two regions of the same shape and grain, joined by one displacement.",
        "Things that repeat by nature: windows, tiles, text, patterns, a reflection.",
    ),
}
"""Instrument -> how to read it; one without a line here gets `guide_of`'s general advice."""

_GENERAL = Guide(
    "Measures one property of the picture, and compares it with untouched photographs.",
    "A connected region with sharp borders that is unlike the rest and that other instruments "
    "mark too.",
    "A difference that follows what is shown, such as texture, shadow or focus.",
)


def guide_of(instrument: str) -> Guide:
    """Return how to read an instrument, general advice for one that has none of its own."""
    return GUIDES.get(instrument, _GENERAL)
