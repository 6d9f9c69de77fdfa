"""The web page: one Gradio page over the desk; the only module that imports gradio.

The page shows what `panels` makes of a report. It decides nothing, and it keeps nothing but what
`sessions` keeps.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from morelli.data_pipeline.images import ImageError, Limits, Picture
from morelli.data_pipeline.sample import make_sample
from morelli.model.conversation import MAX_QUESTION
from morelli.serve import panels
from morelli.serve.counter import BusyError, Line
from morelli.serve.desk import Desk, Waiting
from morelli.serve.downloads import exhibit_of, finish, record_of, write_pdf
from morelli.serve.opening import HERE, OpenPicture
from morelli.serve.sessions import Exhibit, Session, Sessions
from morelli.serve.visit import Visits, opening

QUESTIONS = (
    "Why do you think so?",
    "Which measurement speaks most for it?",
    "Could a messenger have caused this?",
)
"""Examples of what can be asked."""

_LIMITED = (
    "**Limited chat.** The replies of this model were not evaluated, or did not hold up well "
    "enough. They are not held against the measurements; only sentences that deny the verdict are "
    "withheld. Rely on the reasons above."
)
_OPEN_CHAT = "Answers may be wrong; the reasons above are held against the measurements."
_ELSEWHERE = (
    "**Answered by {0}.** It is told the report in words and your questions, never the picture. "
    "Its replies are not held against the measurements; only sentences that deny the verdict are "
    "withheld. Rely on the reasons above."
)
_SUFFIXES = [".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif"]
_DOWNLOADS = {"html": "Report (HTML)", "json": "Record (JSON)"}
_TABS = {
    "instruments": "Instruments",
    "metadata": "Metadata and Content Credentials",
    "stability": "Stability",
    "method": "Method and limits",
}
Updates = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """What whoever runs the page may choose.

    Attributes:
        limits: how large a picture may be.
        waiting: how many visitors are served and wait together; more are turned away.
        limited_chat: whether the chat of this model is weak.
        elsewhere: who answers questions in its place, if another server does.
        open_picture: decodes what is given.
    """

    limits: Limits
    waiting: int = 16
    limited_chat: bool = True
    elsewhere: str | None = None
    open_picture: OpenPicture = HERE.open

    @property
    def chat_note(self) -> str:
        """What a visitor has to know of the chat."""
        if self.elsewhere is not None:
            return _ELSEWHERE.format(self.elsewhere)
        return _LIMITED if self.limited_chat else _OPEN_CHAT


class Page:
    """The page's components and what they do."""

    def __init__(self, desk: Desk, sessions: Sessions, settings: Settings) -> None:
        self._desk, self._sessions, self._settings = desk, sessions, settings
        self._line = Line(settings.waiting)
        self._visits = Visits(desk, self._line)

    def build(self) -> gr.Blocks:
        """Lay out the page and connect it."""
        with gr.Blocks(
            title="Morelli: image examination",
            analytics_enabled=False,
            delete_cache=(60, 600),
        ) as blocks:
            self._lay_out()
            self._connect()
            blocks.unload(self._leave)
        # Gradio's own queue lets everybody in: the desk knows better who is next.
        return blocks.queue(default_concurrency_limit=None, api_open=False)

    @property
    def max_bytes(self) -> int:
        """Largest upload."""
        return self._settings.limits.max_bytes

    @property
    def most_inside(self) -> int:
        """Threads that may be busy: those who wait hold one each, and nobody else may starve."""
        return 2 * self._settings.waiting + 16

    def _lay_out(self) -> None:
        gr.HTML(
            "<h1>Morelli</h1><p>Is this picture authentic, tampered with or synthetic, and why? "
            "Every reason is held against a measurement.</p>",
            elem_classes=["morelli", "intro"],
        )
        with gr.Row(equal_height=False, elem_id="first"):
            with gr.Column(scale=7, min_width=320):
                self.drop = gr.File(
                    label="Drop, paste or pick a picture",
                    show_label=False,
                    file_types=_SUFFIXES,
                    elem_id="drop",
                    elem_classes="drop",
                    height=160,
                )
                self.sample = gr.Button("Try a sample forgery", size="sm", elem_id="sample")
                self.choice = gr.Radio(
                    [], label="Pictures of this session", visible=False, elem_id="choice"
                )
                self.viewer = _panel("viewer")
            with gr.Column(scale=5, min_width=320):
                self.verdict = _panel("verdict", panels.welcome())
                with gr.Row(visible=False) as self.buttons:
                    self.files = {
                        kind: gr.DownloadButton(
                            label, size="sm", min_width=60, interactive=False,
                            elem_id=f"download-{kind}",
                        )
                        for kind, label in _DOWNLOADS.items()
                    }  # fmt: skip
                    self.pdf = gr.Button("PDF", size="sm", min_width=60, elem_id="download-pdf")
                    self.copy = gr.Button("Copy text", size="sm", min_width=60, elem_id="copy")
                self.reasons = _panel("reasons")
        self.text, self.pdf_path = gr.Textbox(visible=False), gr.Textbox(visible=False)
        with gr.Tabs(visible=False) as self.tabs:
            self.tab_panels = {}
            for key, name in _TABS.items():
                with gr.Tab(name, render_children=True):
                    self.tab_panels[key] = _panel(key)
        self._lay_out_chat()

    def _lay_out_chat(self) -> None:
        with gr.Column(visible=False) as self.chat:
            gr.Markdown(self._settings.chat_note, elem_classes="chatnote")
            self.talk = gr.Chatbot(
                label="Questions about this picture",
                elem_id="talk",
                height=340,
                render_markdown=False,
                feedback_options=None,
                buttons=["copy"],
                placeholder="Ask about the picture above.",
            )
            with gr.Row(elem_id="examples"):
                self.examples = [
                    gr.Button(words, size="sm", variant="secondary", min_width=140)
                    for words in QUESTIONS
                ]
            with gr.Row(equal_height=True):
                self.question = gr.Textbox(
                    label="Your question",
                    placeholder="Ask about this picture",
                    max_length=MAX_QUESTION,
                    scale=8,
                    elem_id="question",
                    lines=1,
                )
            with gr.Row():
                self.ask = gr.Button("Ask", variant="primary", size="sm", min_width=56)
                self.stop = gr.Button("Stop", size="sm", min_width=56, elem_id="stop")
                self.retry = gr.Button("Retry", size="sm", min_width=56)
                self.clear = gr.Button("Clear", size="sm", min_width=56)

    def _connect(self) -> None:
        private: dict[str, Any] = {"api_visibility": "private"}
        quick: dict[str, Any] = {"show_progress": "hidden", **private}
        shown = [
            self.drop, self.viewer, self.verdict, self.buttons, *self.files.values(), self.reasons,
            self.text, self.tabs, *self.tab_panels.values(), self.chat, self.talk, self.choice,
        ]  # fmt: skip
        # A second picture is taken while the first is examined: that one ends then.
        given: dict[str, Any] = {"trigger_mode": "multiple", **quick}
        for event in (
            self.drop.upload(self._examine, [self.drop], shown, **given),
            self.sample.click(self._examine_sample, [], shown, **given),
        ):
            event.failure(panels.broken, [], [self.verdict], **quick)
        self.choice.input(self._choose, [self.choice], shown, **quick)
        self.copy.click(None, [self.text], js="(text) => morelliCopy(text)", **quick)
        self.pdf.click(
            self._write_pdf, [], [self.pdf_path], show_progress_on=self.pdf, **private
        ).success(None, [self.pdf_path], js="(path) => morelliSave(path)", **quick)
        answered = [self.talk, self.question]
        gr.on([self.ask.click, self.question.submit], self._ask, [self.question], answered, **quick)
        for button, words in zip(self.examples, QUESTIONS, strict=True):
            button.click(_asks(self._ask, words), [], answered, **quick)
        gr.on([self.retry.click, self.talk.retry], self._retry, [], answered, **quick)
        self.stop.click(self._halt, [], [], queue=False, **quick)
        gr.on([self.clear.click, self.talk.clear], self._clear, [], answered, queue=False, **quick)

    def _examine(self, path: str | None, request: gr.Request) -> Iterator[Updates]:
        if path is None:
            return
        session = self._session(request)
        file = Path(path)
        name = file.name
        try:
            with file.open("rb") as opened:
                data = opened.read(self._settings.limits.max_bytes + 1)
        finally:
            file.unlink(missing_ok=True)
        yield from self._examined(session, data, name)

    def _examine_sample(self, request: gr.Request) -> Iterator[Updates]:
        session = self._session(request)
        session.folder.mkdir(parents=True, exist_ok=True)
        path = session.folder / "sample.jpg"
        make_sample(path)
        yield from self._examined(session, path.read_bytes(), path.name)

    def _examined(self, session: Session, data: bytes, name: str) -> Iterator[Updates]:
        stop = session.begin()
        yield {
            self.drop: gr.File(value=None, height=72),
            self.verdict: panels.waiting(name),
            self.reasons: "",
        }
        try:
            with self._line.place():
                picture = self._settings.open_picture(data, name, self._settings.limits)
                yield {self.viewer: panels.preview(picture)}
                yield from self._watched(session, picture, stop)
        except ImageError as error:
            yield {self.verdict: panels.refused(error.message)}
        except BusyError as busy:
            yield {self.verdict: panels.refused(f"{busy}; try again in {busy.seconds} seconds")}

    def _watched(
        self, session: Session, picture: Picture, stop: threading.Event
    ) -> Iterator[Updates]:
        exhibit: Exhibit | None = None
        for step in self._desk.watch(picture, stop):
            if isinstance(step, Waiting):
                yield {self.verdict: panels.waiting(picture.path, step.ahead)}
            elif exhibit is None:
                exhibit = exhibit_of(session.label(picture.path), step.look, step.report)
                session.add(exhibit)
                session.talk.append(opening(exhibit))
                yield self._shown(session, exhibit, finished=False)
            else:
                exhibit.report, exhibit.record = step.report, record_of(step.report)
                if session.current is exhibit:
                    yield {self.reasons: panels.reasons(exhibit.record, finished=False)}
        if exhibit is not None:
            finish(exhibit, session.folder)
            exhibit.shed()
            # Whoever has gone on to another picture is not shown this one again.
            if session.current is exhibit:
                yield self._shown(session, exhibit, finished=True)

    def _shown(self, session: Session, exhibit: Exhibit, finished: bool) -> Updates:
        """Return every panel of a picture; what costs much to send only once."""
        updates: Updates = {self.reasons: panels.reasons(exhibit.record, finished)}
        if finished:
            updates |= {
                button: gr.DownloadButton(
                    value=exhibit.files.get(kind), interactive=kind in exhibit.files
                )
                for kind, button in self.files.items()
            }
            updates[self.text] = exhibit.text
            updates[self.tab_panels["method"]] = panels.method(exhibit.record)
            return updates
        filled = panels.Panels.of(exhibit.record, exhibit.views)
        labels = [kept.label for kept in session.exhibits]
        return updates | {
            self.viewer: filled.viewer,
            self.verdict: filled.verdict,
            self.tab_panels["instruments"]: filled.instruments,
            self.tab_panels["metadata"]: filled.metadata,
            self.tab_panels["stability"]: filled.stability,
            self.tab_panels["method"]: filled.method,
            self.tabs: gr.Tabs(visible=True),
            self.buttons: gr.Row(visible=True),
            self.chat: gr.Column(visible=True),
            self.talk: list(session.talk),
            self.choice: gr.Radio(labels, value=exhibit.label, visible=len(labels) > 1),
            **{button: gr.DownloadButton(interactive=False) for button in self.files.values()},
        }

    def _choose(self, label: str, request: gr.Request) -> Iterator[Updates]:
        session = self._session(request)
        exhibit = session.choose(label)
        if exhibit is None:
            raise gr.Error("This picture is no longer kept; give it again.", print_exception=False)
        session.talk.append(opening(exhibit))
        yield self._shown(session, exhibit, finished=False)
        yield self._shown(session, exhibit, finished=bool(exhibit.files))

    def _write_pdf(self, request: gr.Request) -> str:
        exhibit = self._session(request).current
        if exhibit is None or not write_pdf(exhibit):
            raise gr.Error("There is no PDF to be had here.", print_exception=False)
        return str(exhibit.files["pdf"])

    def _ask(self, question: str, request: gr.Request) -> Iterator[tuple[Any, str]]:
        session = self._session(request)
        for _ in self._visits.ask(session, question):
            yield list(session.talk), ""
        yield list(session.talk), ""

    def _retry(self, request: gr.Request) -> Iterator[tuple[Any, str]]:
        session = self._session(request)
        for _ in self._visits.retry(session):
            yield list(session.talk), ""
        yield list(session.talk), ""

    def _halt(self, request: gr.Request) -> None:
        self._session(request).halt()

    def _clear(self, request: gr.Request) -> tuple[Any, str]:
        session = self._session(request)
        self._visits.clear(session)
        return list(session.talk), ""

    def _leave(self, request: gr.Request) -> None:
        self._sessions.forget(str(request.session_hash))

    def _session(self, request: gr.Request) -> Session:
        return self._sessions.of(str(request.session_hash))


def launch(page: Page, host: str, port: int, folder: Path, open_browser: bool) -> None:
    """Serve the page until it is stopped.

    Args:
        page: to serve.
        host: address to listen on.
        port: to listen on.
        folder: where sessions keep what may be downloaded.
        open_browser: whether to open it in the user's browser.

    Raises:
        OSError: the port is taken.
    """
    # Given out from where they lie: gradio would make copies, which outlive the session.
    gr.set_static_paths([folder])
    page.build().launch(
        server_name=host,
        server_port=port,
        inbrowser=open_browser,
        share=False,
        quiet=True,
        ssr_mode=False,
        max_file_size=page.max_bytes,
        max_threads=page.most_inside,
        state_session_capacity=64,
        footer_links=[],
        theme=gr.themes.Base(
            font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
        ),
        css=panels.page_css(),
        head=panels.page_head(),
    )


def _panel(name: str, value: str = "") -> gr.HTML:
    return gr.HTML(value, elem_id=name, elem_classes="morelli", js_on_load=None, padding=False)


def _asks(ask: Callable[..., Iterator[Any]], words: str) -> Callable[..., Iterator[Any]]:
    """Return what asks one of the examples; gradio hands `request` to what names its type."""

    def run(request: gr.Request) -> Iterator[tuple[Any, str]]:
        yield from ask(words, request)

    return run
