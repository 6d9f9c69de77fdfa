import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image

from morelli.data_pipeline import annotation
from morelli.data_pipeline.annotation import Known, Manner, Tally, annotated, estimate, held_against
from morelli.data_pipeline.annotator import Annotator, AnnotatorError
from morelli.data_pipeline.answer import parse
from morelli.data_pipeline.checks import Options, validate
from morelli.data_pipeline.checks.rows import about_tokens
from morelli.data_pipeline.manifest import Row, rows_of, write_rows
from morelli.data_pipeline.schema import ForensicSample, Measurement, Status, Verdict
from morelli.data_pipeline.teacher import teach
from morelli.data_pipeline.verifier import findings

Respond = Callable[[dict[str, Any]], tuple[int, dict[str, str], Any]]


class Server:
    """An OpenAI-compatible server that says what a test wants, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.respond: Respond = lambda _: (200, {}, said("nothing"))
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                outer.asked.append(json.loads(self.rfile.read(length)))
                outer.keys.append(self.headers.get("Authorization"))
                status, headers, body = outer.respond(outer.asked[-1])
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # polled often, since closing waits for the next poll
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def said(text: str) -> dict[str, Any]:
    usage = {"prompt_tokens": 1000, "completion_tokens": 50}
    return {"choices": [{"message": {"content": text}}], "usage": usage}


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def annotator(server: Server, waits: list[float], tmp_path: Path) -> Annotator:
    return Annotator(server.url, "m", tmp_path / "cache", "secret", tries=4, sleep=waits.append)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    pixels = np.asarray(skimage.data.coffee())[:160, :200]
    mask = np.zeros((160, 200), np.uint8)
    mask[20:60, 30:90] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    rows = []
    for name, verdict in (("a", "authentic"), ("t", "tampered"), ("s", "synthetic")):
        Image.fromarray(pixels).save(tmp_path / f"{name}.jpg", quality=90)
        altered = tmp_path / "m.png" if verdict == "tampered" else None
        kind = "splice" if altered else None
        sample = ForensicSample(
            name, tmp_path / f"{name}.jpg", Verdict(verdict), altered, kind, f"set:{name}"
        )
        rows.append(Row(sample))
    write_rows(rows, tmp_path / "manifest.jsonl")
    return tmp_path / "manifest.jsonl"


def _known(verdict: Verdict = Verdict.TAMPERED) -> Known:
    """Return a picture on which noise is anomalous in the upper left and sharpness ordinary."""
    mask = np.zeros((90, 90), bool)
    mask[5:25, 5:25] = verdict is Verdict.TAMPERED
    heat = np.zeros((90, 90), np.float32)
    heat[5:25, 5:25] = 1
    readings = {
        "noise": Measurement(
            "noise", 3.4, "times", (0.2, 1.8), 0.9, "The noise is stronger there.", heat
        ),
        "sharpness": Measurement("sharpness", 1.0, "times", (0.5, 2.0), 0.9, "Even."),
    }
    sample = ForensicSample("x", Path("x.jpg"), verdict, None, "splice", "s")
    return Known(Row(sample), np.zeros((90, 90, 3), np.uint8), mask, readings)


TRUE = (
    "[noise anomalous upper left] The noise in the upper left is 3.4 times that of the rest.",
    "[sharpness normal whole picture] Sharpness is 1 times, which is ordinary.",
)


def test_true_lines_stay_and_untrue_ones_are_dropped_with_the_reason() -> None:
    answer, faults = held_against("\n".join(TRUE), _known())
    assert answer is not None
    assert (len(answer.claims), faults) == (2, [])
    untrue = (
        "[noise anomalous lower right] The noise in the lower right is stronger.",
        "[noise anomalous upper left] The noise in the upper left is 9.9 times that of the rest.",
        "[sharpness anomalous whole picture] Sharpness is out of the ordinary.",
        "[magic anomalous whole picture] The magic is out of the ordinary.",
        "[noise anomalous upper left] This picture is authentic.",
        "[sharpness normal lower right] The altered part in the lower right is sharp.",
    )
    answer, faults = held_against("\n".join([*TRUE, *untrue]), _known())
    assert answer is not None
    assert len(answer.claims) == 2
    assert len(faults) == len(untrue)


@pytest.mark.parametrize("text", ["", "I cannot help with that.", TRUE[0], "Verdict: authentic"])
def test_too_little_truth_is_no_answer(text: str) -> None:
    answer, _ = held_against(text, _known())
    assert answer is None


def test_without_an_endpoint_the_grammar_writes_what_is_true(
    manifest: Path, tmp_path: Path
) -> None:
    tally = Tally(0, 0, 0, [])
    rows = list(annotated(rows_of(manifest), tally, Manner(turns=3)))
    assert (tally.written, tally.by_model, tally.unreadable) == (3, 0, [])
    for row in rows:
        known = annotation.examined(row)
        answer = parse(row.sample.answer or "", known.measurements)
        assert answer.verdict is row.sample.verdict
        made = findings(answer, known.measurements, 160, 200)
        assert made
        assert all(one.status is not Status.CONTRADICTED for one in made)
        assert row.conversation[0].text.startswith("<image>")
        assert row.conversation[1].text == row.sample.answer
        assert row.extra["annotator"] == "grammar"
    written = tmp_path / "taught.jsonl"
    write_rows(rows, written)
    # All three show the same picture.
    assert set(validate(written, Options()).counts) <= {"repeated answer"}


def test_rows_come_in_order_with_any_number_of_workers_and_repeat(manifest: Path) -> None:
    one, three = (
        list(annotated(rows_of(manifest), Tally(0, 0, 0, []), Manner(workers=workers)))
        for workers in (1, 3)
    )
    assert one == three


def test_a_broken_picture_is_named_by_its_line_and_the_rest_goes_on(manifest: Path) -> None:
    (manifest.parent / "t.jpg").write_bytes(b"none")
    tally = Tally(0, 0, 0, [])
    rows = list(annotated(rows_of(manifest), tally, Manner()))
    assert [row.sample.id for row in rows] == ["a", "s"]
    assert len(tally.unreadable) == 1
    assert tally.unreadable[0].startswith("line 2:")


def test_a_model_is_told_the_truth_and_shown_the_picture(
    manifest: Path, server: Server, annotator: Annotator
) -> None:
    rows = [numbered for numbered in rows_of(manifest) if numbered[1].sample.id == "t"]
    known = annotation.examined(rows[0][1])
    taught = teach(Verdict.TAMPERED, None, known.mask, known.measurements, np.random.default_rng(0))
    lines = "\n".join(
        f"[{c.instrument} {c.polarity} {c.place}] {c.sentence}" for c in taught.claims
    )
    server.respond = lambda _: (200, {}, said(f"Sure:\n{lines}\n[noise anomalous centre] No."))
    tally = Tally(0, 0, 0, [])
    (row,) = annotated(rows, tally, Manner(annotator))
    assert row.extra["annotator"] == "m"
    kept = parse(row.sample.answer or "").claims
    assert set(kept) <= set(taught.claims)
    assert (tally.by_model, tally.dropped >= 1) == (1, True)
    words, picture = server.asked[0]["messages"][1]["content"]
    assert "tampered" in words["text"]
    assert "splice" in words["text"]
    assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert server.keys == ["Bearer secret"]
    list(annotated(rows, tally, Manner(annotator, show=False)))
    assert isinstance(server.asked[-1]["messages"][1]["content"], str)


def test_a_model_that_says_nothing_true_is_asked_once_more_and_then_replaced(
    manifest: Path, server: Server, annotator: Annotator
) -> None:
    tally = Tally(0, 0, 0, [])
    rows = list(annotated(rows_of(manifest), tally, Manner(annotator)))
    assert len(server.asked) == 6
    assert "cannot stay" in server.asked[1]["messages"][-1]["content"]
    assert {row.extra["annotator"] for row in rows} == {"grammar"}
    assert (tally.written, tally.by_model) == (3, 0)


def test_what_was_asked_before_is_not_asked_again(server: Server, annotator: Annotator) -> None:
    for _ in range(2):
        assert annotator.ask([{"role": "user", "content": "x"}], 9) == "nothing"
    assert len(server.asked) == 1
    spent = annotator.spent
    assert (spent.asked, spent.kept, spent.sent, spent.received) == (1, 1, 1000, 50)
    assert spent.cost((2.0, 10.0)) == pytest.approx(0.0025)
    annotator.ask([{"role": "user", "content": "y"}], 9)
    assert len(server.asked) == 2


def test_a_busy_server_is_asked_again_after_a_while(
    server: Server, annotator: Annotator, waits: list[float]
) -> None:
    answers: list[tuple[int, dict[str, str], Any]] = [
        (429, {"Retry-After": "7"}, {}), (503, {}, {}), (200, {}, said("at last")),
    ]  # fmt: skip
    server.respond = lambda _: answers.pop(0)
    assert annotator.ask([], 9) == "at last"
    assert waits == [7.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("status", "headers", "asked"),
    [(401, {}, 1), (302, {"Location": "http://127.0.0.1:9/"}, 1), (500, {}, 4)],
)
def test_a_refusal_is_told_in_one_line(
    server: Server, annotator: Annotator, status: int, headers: dict[str, str], asked: int
) -> None:
    server.respond = lambda _: (status, headers, {})
    with pytest.raises(AnnotatorError, match=f"HTTP {status}") as caught:
        annotator.ask([], 9)
    assert "\n" not in str(caught.value)
    assert len(server.asked) == asked


@pytest.mark.parametrize("reply", [[], {"choices": []}, {"choices": [{"message": 3}]}])
def test_an_answer_in_another_form_is_no_answer(
    server: Server, annotator: Annotator, reply: Any
) -> None:
    server.respond = lambda _: (200, {}, reply)
    with pytest.raises(AnnotatorError, match="another form"):
        annotator.ask([], 9)


def test_an_address_must_be_one(tmp_path: Path) -> None:
    for url in ("localhost:8000", "file:///etc/passwd", "http://"):
        with pytest.raises(AnnotatorError, match="is no address"):
            Annotator(url, "m", tmp_path)


def test_an_estimate_counts_pictures_and_words(manifest: Path) -> None:
    rows = [row for _, row in rows_of(manifest)]
    told, shown = (estimate(rows, 100, show, about_tokens) for show in (False, True))
    assert shown[0] - told[0] == pytest.approx(1.2 * 100 * 1100)
    assert 1.2 * 100 * 200 < told[0] < 1.2 * 100 * 2000
    assert told[1] == shown[1]
