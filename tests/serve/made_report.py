"""Makes reports without an examination, for tests and for the programs that they start."""

from typing import Any

import cv2
import numpy as np

from morelli.data_pipeline.images import Picture
from morelli.data_pipeline.report import Report
from morelli.data_pipeline.schema import Box, Finding, Measurement, Polarity, Status, Verdict

PROBABILITIES = {
    Verdict.AUTHENTIC: (0.91, 0.06, 0.03),
    Verdict.TAMPERED: (0.08, 0.87, 0.05),
    Verdict.SYNTHETIC: (0.02, 0.03, 0.95),
    Verdict.INCONCLUSIVE: (0.45, 0.35, 0.2),
}


def make_report(picture: Picture, verdict: Verdict = Verdict.TAMPERED, **changes: Any) -> Report:
    """Return a report with one confirmed, one contradicted and one unverified finding."""
    height, width = picture.height, picture.width
    box = Box(width // 8, height // 2, width // 2, height - height // 8)
    mask = np.zeros((height, width), bool)
    cv2.ellipse(
        grid := mask.astype(np.uint8),
        ((box.x0 + box.x1) // 2, (box.y0 + box.y1) // 2),
        ((box.x1 - box.x0) // 2, (box.y1 - box.y0) // 2),
        20,
        0,
        360,
        1,
        -1,
    )
    mask = grid.astype(bool)
    sigma = max(height, width) / 60
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma).astype(np.float32)
    ripple = 0.12 * np.random.default_rng(0).random((height // 16 + 1, width // 16 + 1))
    soft += cv2.resize(ripple.astype(np.float32), (width, height)) * (1 - soft)
    noise = Measurement(
        "noise",
        2.41,
        "times",
        (0.62, 1.58),
        0.83,
        "The noise in the lower left is 2.4 times that of the rest.",
        map=soft,
        box=box,
    )
    jpeg = Measurement(
        "jpeg",
        0.12,
        "of blocks",
        (0.0, 0.2),
        0.71,
        "The JPEG grid is aligned over the whole picture.",
        map=np.flipud(soft).copy(),
    )
    copies = Measurement(
        "copy-move", None, "pixels", (0.0, 40.0), 0.0, "The picture is too smooth to match."
    )
    findings = (
        _finding("F1", noise, Polarity.ANOMALOUS, box, Status.CONFIRMED),
        _finding("F2", jpeg, Polarity.ANOMALOUS, None, Status.CONTRADICTED),
        _finding("F3", copies, Polarity.ANOMALOUS, None, Status.UNVERIFIED),
    )
    names = (Verdict.AUTHENTIC, Verdict.TAMPERED, Verdict.SYNTHETIC)
    fields: dict[str, Any] = {
        "picture": picture,
        "verdict": verdict,
        "probability": dict(zip(names, PROBABILITIES[verdict], strict=True)),
        "interval": {
            Verdict.INCONCLUSIVE: (0.31, 0.74),
            Verdict.AUTHENTIC: (0.04, 0.19),
        }.get(verdict, (0.81, 0.97)),
        "mask": mask if verdict is Verdict.TAMPERED else None,
        "map": soft,
        "manipulation": "splice" if verdict is Verdict.TAMPERED else None,
        "measurements": (noise, jpeg, copies),
        "findings": findings,
        "rationale": "The lower left carries a grain of its own, coarser than the rest of the "
        "picture [F1]. Its JPEG grid does not line up with its surroundings [F2]. The same "
        "patch appears twice [F3].",
        "withheld": 1,
        "stability": [
            {"transform": "JPEG quality 90", "probability": 0.9, "verdict": "tampered"},
            {"transform": "resized to 90 %", "probability": 0.84, "verdict": "tampered"},
        ],
        "metadata": {
            "camera": "Canon EOS 5D",
            "software": "GIMP 2.10",
            "taken": "2025-06-01 12:00:00",
            "thumbnail": {"present": True, "matches": False},
        },
        "model": {
            "name": "embedded",
            "version": "1",
            "sha256": "c" * 64,
            "calibration": "isotonic on 1,200 made pictures",
        },
        "prior": 0.5,
        "operating_point": 0.5,
        "validation": {"misd": {"n": 1224, "auc": 0.91, "pixel_f1": 0.62}, "date": "2026-11-23"},
        "run": {"time": "2026-11-23T19:00:00Z", "dtype": "bfloat16", "versions": {"torch": "2.14"}},
        "custody": [
            {
                "time": "2026-11-23T19:00:00Z",
                "actor": "morelli",
                "action": "read",
                "sha256": picture.sha256,
            }
        ],
        "limits": (
            "Edits smaller than about 32 pixels are not seen.",
            "This report is not to be the sole basis of a decision.",
        ),
        "seconds": {"instruments": 0.8, "model": 2.1},
    }
    return Report(**(fields | changes))


def _finding(
    name: str, reading: Measurement, polarity: Polarity, box: Box | None, status: Status
) -> Finding:
    reasons = {
        Status.CONFIRMED: "The reading lies outside its expected range, at this place.",
        Status.CONTRADICTED: "The reading lies inside its expected range.",
        Status.UNVERIFIED: "The instrument cannot tell on this picture.",
    }
    statements = {
        "F1": "The lower left carries a grain of its own, coarser than the rest of the picture.",
        "F2": "Its JPEG grid does not line up with its surroundings.",
        "F3": "The same patch appears twice.",
    }
    return Finding(
        id=name,
        instrument=reading.instrument,
        polarity=polarity,
        place="lower left" if box else "whole picture",
        box=box,
        statement=statements[name],
        value=reading.value,
        expected=reading.expected,
        unit=reading.unit,
        reliability=reading.reliability,
        status=status,
        reason=reasons[status],
    )
