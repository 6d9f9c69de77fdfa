"""The API over child processes whose decoder does what the name of a file says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scripted import Scripted

from morelli.data_pipeline.decoder import Bounds, Decoder
from morelli.data_pipeline.images import Limits
from morelli.serve.opening import HERE, opener

testclient = pytest.importorskip("fastapi.testclient", reason="fastapi is not installed")
HOSTILE = [str(Path(__file__).parents[1] / "data_pipeline" / "hostile_child.py")]


def jpeg() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (90, 80, 3), np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


@pytest.fixture
def client() -> Iterator[Any]:
    from morelli.serve.api import Api, ApiSettings
    from morelli.serve.desk import Desk

    with Decoder(1, opening=Bounds(1.0, 0.0, 300_000_000, 0), program=HOSTILE) as decoder:
        settings = ApiSettings(open_picture=decoder.open)
        with testclient.TestClient(Api(Desk(Scripted()), settings, {}).build()) as client:
            yield client


def test_a_file_that_crashes_its_decoder_is_refused_and_the_next_one_examined(client: Any) -> None:
    for name in ("abort.jpg", "memory.jpg"):
        answer = client.post("/v1/examine", files={"file": (name, jpeg())})
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "decoder_failed"
    answer = client.post("/v1/examine", files={"file": ("good.jpg", jpeg())})
    assert answer.status_code == 200
    assert answer.json()["image"]["width"] == 80


def test_trusted_files_are_opened_here_and_others_in_children() -> None:
    with opener(trusted=True, count=1) as opens:
        assert opens is HERE
    with opener(trusted=False, count=1) as opens:
        picture = opens.open(jpeg(), "photo.jpg", Limits())
        assert opens.open != HERE.open
        assert len(opens.measure(picture)) == len(HERE.measure(picture))
