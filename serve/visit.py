"""What happens on the page between the buttons and the desk, without the page's components.

Every function yields states of one visitor's session; `app` shows them.
"""

from collections.abc import Iterator

from morelli.model.conversation import MAX_QUESTION, Turn
from morelli.serve.counter import BusyError, Line
from morelli.serve.desk import Desk, Waiting
from morelli.serve.downloads import headline
from morelli.serve.elsewhere import ElsewhereError
from morelli.serve.panels import queue_place
from morelli.serve.sessions import Exhibit, Session

_NO_ANSWER = "(The model gave no answer that can be shown. What is known is in the reasons above.)"


class Visits:
    """Questions and answers of all visitors, over one desk and one bounded queue."""

    def __init__(self, desk: Desk, line: Line) -> None:
        self._desk, self._line = desk, line

    def ask(self, session: Session, question: str) -> Iterator[None]:
        """Put a question about the current picture; `session.talk` grows while this iterates."""
        exhibit = session.current
        question = question.strip()[:MAX_QUESTION]
        if exhibit is None or not question:
            return
        exhibit.turns.append(Turn(question))
        session.talk.append({"role": "user", "content": question})
        yield from self._answer(session, exhibit)

    def retry(self, session: Session) -> Iterator[None]:
        """Answer the last question again."""
        exhibit = session.current
        asked = [entry["role"] for entry in session.talk[-2:]] == ["user", "assistant"]
        if exhibit is None or not exhibit.turns or not asked:
            return
        session.talk.pop()
        exhibit.turns[-1] = Turn(exhibit.turns[-1].question)
        yield from self._answer(session, exhibit)

    def clear(self, session: Session) -> None:
        """Forget what was asked, about every picture."""
        session.halt()
        for exhibit in session.exhibits:
            exhibit.turns.clear()
        current = session.current
        session.talk = [opening(current)] if current else []

    def _answer(self, session: Session, exhibit: Exhibit) -> Iterator[None]:
        reply = {"role": "assistant", "content": "..."}
        session.talk.append(reply)
        asked = exhibit.turns[-1].question
        try:
            with self._line.place():
                yield
                said, withheld = "", 0
                for step in self._desk.answer(
                    exhibit.look, exhibit.report, list(exhibit.turns), session.begin()
                ):
                    if isinstance(step, Waiting):
                        reply["content"] = queue_place(step.ahead)
                    else:
                        said, withheld = step.text, step.withheld
                        reply["content"] = said
                    yield
        except (BusyError, ElsewhereError) as error:
            exhibit.answered(asked, "")
            reply["content"] = f"({error}. Try again.)"
            yield
            return
        exhibit.answered(asked, said)
        reply["content"] = said or _NO_ANSWER
        if withheld:
            reply["content"] += f"\n({withheld} withheld that denied the verdict.)"
        yield


def opening(exhibit: Exhibit) -> dict[str, str]:
    """Return the message that opens the talk about a picture."""
    return {"role": "assistant", "content": f"{exhibit.label}: {headline(exhibit)}."}
