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
    "jpeg-grid": Guide(
        "Looks for the 8 x 8 grid of another JPEG save that is out of step with the picture's own.",
        "A region whose grid has another origin: it was cut from another JPEG.",
        "Text, fences and windows, whose own edges can fall into steps of eight pixels.",
    ),
    "jpeg-ghosts": Guide(
        "Saves the picture again at many qualities, and looks where a region hardly changes.",
        "A region that was saved at another quality before than the rest.",
        "Flat and very dark or bright areas, which hardly change at any quality.",
    ),
    "error-level": Guide(
        "Compares how much each place changes when the picture is saved once more.",
        "A region that changes more or less than places with as much texture.",
        "Fine texture and sharp edges, which change more in every picture.",
    ),
    "resampling": Guide(
        "Looks for the periodic traces that enlarging or turning leaves.",
        "One region with traces that the rest does not have: it was scaled to fit.",
        "Traces of the whole picture: it was resized as a whole, as most web pictures are.",
    ),
    "sharpness": Guide(
        "Compares how sharp edges are from place to place.",
        "A region sharper or softer than others at the same distance, or a blurred outline.",
        "Depth of field and motion: what is out of focus is soft in every photograph.",
    ),
    "aberration": Guide(
        "Looks at the coloured fringes of a lens, which grow from the centre to the corners.",
        "A region whose fringes point another way than its place in the picture demands.",
        "Cameras and phones that remove fringes, where there is nothing to compare.",
    ),
    "spectrum": Guide(
        "Looks for the regular peaks that a generator leaves in the finest detail.",
        "Clear peaks off the axes in a picture that shows no fine regular pattern.",
        "Screens, fabrics, nets and rasters of print, which have peaks of their own.",
    ),
    "metadata": Guide(
        "Reads what the file says about itself, and whether that fits together and the pixels.",
        "Traces of an editor, a thumbnail of another picture, times that cannot be.",
        "Missing metadata: most web sites and messengers remove it, and anyone can write it.",
    ),
    "c2pa": Guide(
        "Reads Content Credentials: whether there are any, whether they are whole, who signed.",
        "A signature that does not fit the bytes, or one that declares a generator.",
        "That there are none: most pictures carry none. A valid signature is not a true claim.",
    ),
    "visible-text": Guide(
        "Finds writing in the picture and quotes the largest, so that you can look it up.",
        "Words that do not fit what is shown, broken letters, a name or a date to check elsewhere.",
        "How much writing there is: that says nothing. What it says is quoted, not judged.",
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
