"""C2PA: does the file carry a signed manifest, is it intact, and who vouches for it?

Three facts that are easily mistaken for one another: a manifest may be present and broken, intact
and signed by anybody, or signed by someone on a trust list; and what a trusted signer says may
still be false. Most files have none, which says nothing. Read by c2pa-python, after the C2PA
Technical Specification 2.2, section 15 (validation); nothing is fetched from the network.
"""

import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.instruments.ranges import expected_range
from morelli.data_pipeline.schema import Measurement

NAME = "c2pa"
_UNIT = "signs"
TRUST_LIST = "MORELLI_TRUST_LIST"
"""Environment variable with the path of a PEM file of certificates that are trusted."""

_MIME_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp",
    "TIFF": "image/tiff", "GIF": "image/gif", "HEIC": "image/heic", "HEIF": "image/heif",
    "AVIF": "image/avif"}  # fmt: skip
_MARK = b"jumb"
"""Every manifest lies in a box of this type; without it there is nothing to import a reader for."""

_GENERATED = ("trainedAlgorithmicMedia", "algorithmicMedia")
_COMPOSITE = ("compositeWithTrainedAlgorithmicMedia", "compositeSynthetic")


def _settings() -> dict[str, Any]:
    """Return how manifests are read: offline, trusting only who is on the given list."""
    settings: dict[str, Any] = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
    path = os.environ.get(TRUST_LIST)
    if path:
        settings["trust"] = {"trust_anchors": Path(path).read_text(encoding="ascii")}
    return settings


def _read(picture: Picture) -> tuple[str, dict[str, Any]] | None:
    """Return the validation state and the store of a file's manifests, None if it has none.

    Raises:
        ValueError: there is something like a manifest that cannot be read.
    """
    # Loading the library takes fifty megabytes, which few files need.
    import c2pa

    try:
        context = c2pa.Context.from_dict(_settings())
        reader = c2pa.Reader.try_create(
            _MIME_TYPES[picture.format], BytesIO(picture.data), context=context
        )
        if reader is None:
            return None
        with reader:
            return str(reader.get_validation_state()), json.loads(reader.json())
    except c2pa.C2paError as error:
        raise ValueError(str(error)) from error


def _source_types(store: dict[str, Any]) -> set[str]:
    """Return the digital source types that the active manifest's actions state."""
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    actions = [
        action
        for assertion in manifest.get("assertions", [])
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in (assertion.get("data") or {}).get("actions", [])
    ]
    return {str(action.get("digitalSourceType", "")).rpartition("/")[2] for action in actions}


def _says(kinds: set[str]) -> str | None:
    """Put into words of ours what a manifest says of how the picture was made."""
    if kinds.intersection(_GENERATED):
        return "it says that the picture was generated"
    if kinds.intersection(_COMPOSITE):
        return "it says that generated parts were put in"
    return None


def _trust(state: str) -> str:
    if state == "Trusted":
        return "signer on the trust list"
    return "signer not on the trust list" if os.environ.get(TRUST_LIST) else "no trust list given"


def measure_c2pa(picture: Picture) -> Measurement:
    """Read a file's C2PA manifest: whether there is one, whether it is intact, and who signed it.

    The value counts the signs of an edit: a broken manifest, a statement that the picture was
    generated or put together. Without a manifest there is no value.
    """
    expected = expected_range(NAME)
    details: dict[str, Any] = {"present": False, "integrity": None, "trust": None}
    try:
        found = None
        if _MARK in picture.data and picture.format in _MIME_TYPES:
            found = _read(picture)
    except ValueError:
        details.update(present=True, integrity="unreadable")
        words = "The file has a C2PA manifest that cannot be read."
        return Measurement(NAME, None, _UNIT, expected, 0.0, words, details=details)
    if found is None:
        words = "The file carries no C2PA manifest, as most do not; that says nothing."
        return Measurement(NAME, None, _UNIT, expected, 0.0, words, details=details)
    state, store = found
    kinds = _source_types(store)
    intact = state != "Invalid"
    details = {
        "present": True,
        "integrity": "intact" if intact else "broken",
        "trust": _trust(state) if intact else None,
        "source_types": sorted(kinds - {""}),
    }
    said = _says(kinds)
    signs = ([] if intact else ["the file was changed after it was signed"]) + [said] * bool(said)
    words = (
        f"The file has a C2PA manifest, {'intact' if intact else 'broken'}"
        f"{', ' + _trust(state) if intact else ''}; signs of an edit: {len(signs)}"
        f"{', ' + ' and '.join(map(str, signs)) if signs else ''}."
    )
    reliability = 1.0 if state == "Trusted" else 0.7
    return Measurement(
        NAME, float(len(signs)), _UNIT, expected, reliability, words, details=details
    )
