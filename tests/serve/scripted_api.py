"""The API as `morelli serve` serves it, over a scripted examiner.

scripted_api.py PORT SECONDS [PICTURES]: pictures.example:PICTURES is this machine, and allowed.
"""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import uvicorn
from scripted import Scripted

from morelli.data_pipeline.images import Limits
from morelli.serve.api import Api, ApiSettings
from morelli.serve.desk import Desk
from morelli.serve.fetch import Fetcher

KEYS = ("first-key-0123456789", "second-key-0123456789")

if __name__ == "__main__":
    settings = ApiSettings(
        KEYS, per_minute=30, waiting=2, seconds=4.0, limits=Limits(max_bytes=300_000)
    )
    if len(sys.argv) > 3:
        fetcher = Fetcher(
            frozenset({f"pictures.example:{sys.argv[3]}"}),
            settings.limits.max_bytes,
            resolve=lambda host, port: ["127.0.0.1"],
            permitted=lambda address: True,
        )
        settings = replace(settings, fetcher=fetcher)
    examiner = Scripted(seconds=float(sys.argv[2]))
    app = Api(Desk(examiner), settings, {"name": "scripted", "version": "0"}).build()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
