"""The API over a real examiner with random weights: tiny_api.py PORT.

What this tests of bad pictures holds for the instruments and the model too, not the decoder alone.
"""

import sys

from fastapi import FastAPI

from morelli.data_pipeline.images import Limits
from morelli.model.examiner import Examiner
from morelli.model.tiny_checkpoint import make_tiny_checkpoint
from morelli.serve.api import Api, ApiSettings
from morelli.serve.desk import Desk


def tiny_api(**settings: object) -> FastAPI:
    """Return the application; pictures of more than a megapixel are too large for it."""
    limits = Limits(max_pixels=1_000_000, max_bytes=2_000_000)
    chosen = ApiSettings(**({"per_minute": 100_000, "limits": limits} | settings))  # type: ignore[arg-type]
    return Api(Desk(Examiner(make_tiny_checkpoint())), chosen, {"name": "tiny"}).build()


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(tiny_api(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
