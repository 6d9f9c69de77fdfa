"""The check of a manifest, before anyone trains on it.

Reads line by line, remembers on disk (`.<manifest>.check` beside it), and goes on where it was
stopped. Nothing of what is checked is changed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from morelli.data_pipeline.checks.problem import DROP, MOVE, Problem
from morelli.data_pipeline.checks.repair import write_repaired
from morelli.data_pipeline.checks.rows import (
    Words,
    about_tokens,
    print_of,
    problems_of_picture,
    problems_of_words,
    traits_of,
)
from morelli.data_pipeline.checks.shortcuts import Shortcut, shortcuts_in
from morelli.data_pipeline.checks.state import State
from morelli.data_pipeline.manifest import ManifestError, Row, row_of

_SAVE_EVERY = 200
_MOST_TRAITS = 20_000
_MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Options:
    """What to check with.

    Attributes:
        context: tokens that the model reads at once.
        tokens: counts them; an estimate on the safe side by default.
        fix: where to write a repaired manifest, None not to.
        fresh: start anew even if a stopped run could go on.
    """

    context: int = 2048
    tokens: Callable[[str], int] = about_tokens
    fix: Path | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found.

    Attributes:
        manifest: what was checked.
        lines: number of its lines.
        counts: problems of each kind.
        problems: the first fifty of them.
        shortcuts: how well each trait tells each label.
        repaired: rows of the repaired manifest, None if none was asked for.
    """

    manifest: Path
    lines: int
    counts: dict[str, int]
    problems: tuple[Problem, ...]
    shortcuts: tuple[Shortcut, ...]
    repaired: int | None

    @property
    def wrong(self) -> bool:
        """True if anything was found."""
        return bool(self.counts) or any(shortcut.found for shortcut in self.shortcuts)

    def text(self) -> str:
        """Return the report as lines: problems with file and line, counts, shortcuts."""
        lines = [f"{self.manifest}:{p.line}: {p.kind}: {p.message}" for p in self.problems]
        total = sum(self.counts.values())
        if total > len(self.problems):
            lines.append(f"... and {total - len(self.problems)} more")
        lines += [f"{count} x {kind}" for kind, count in self.counts.items()]
        for shortcut in filter(lambda s: s.found, self.shortcuts):
            lines.append(
                f"shortcut: {shortcut.trait} alone tells {shortcut.label} with AUC"
                f" {shortcut.auc:.2f} (0.50 = not at all), for example {shortcut.example}"
            )
        if self.repaired is not None:
            lines.append(f"{self.repaired} rows in the repaired manifest")
        lines.append(f"{self.lines} lines checked, {total} problems")
        return "\n".join(lines)


def validate(
    manifest: Path, options: Options, advance: Callable[[int], object] = lambda _: None
) -> Report:
    """Check a manifest.

    Args:
        manifest: JSON lines, see `manifest`.
        options: what to check with.
        advance: told of the bytes read, for a progress bar.

    Raises:
        OSError: the manifest cannot be read, or nothing can be written beside it.
    """
    path = manifest.with_name(f".{manifest.name}.check")
    state = State(path, manifest, options.fresh)
    try:
        lines = _read_all(manifest, state, Words(options.tokens, options.context), advance)
        repaired = write_repaired(manifest, state, options.fix) if options.fix else None
        report = Report(
            manifest,
            lines,
            state.counts(),
            tuple(
                problem for _, problem in zip(range(_MOST_SHOWN), state.problems(), strict=False)
            ),
            tuple(shortcuts_in(state.traits(_MOST_TRAITS))),
            repaired,
        )
    finally:
        state.close()
    path.unlink()
    return report


def _read_all(manifest: Path, state: State, words: Words, advance: Callable[[int], object]) -> int:
    """Check every line that no earlier run has checked; return the number of lines."""
    number = state.line
    with manifest.open("rb") as file:
        file.seek(state.offset)
        advance(state.offset)
        while line := file.readline():
            number += 1
            if line.strip():
                for problem in _problems(line, number, manifest, state, words):
                    state.add(problem)
            advance(len(line))
            if number % _SAVE_EVERY == 0:
                state.save(file.tell(), number)
        state.save(file.tell(), number)
    return number


def _problems(
    line: bytes, number: int, manifest: Path, state: State, words: Words
) -> Iterator[Problem]:
    where = f"{manifest}:{number}"
    try:
        row = row_of(line, where, manifest.parent)
    except ManifestError as error:
        message = str(error).removeprefix(f"{where}: ")
        yield Problem(number, "no sample", message, DROP)
        return
    split = str(row.extra.get("split") or "")
    yield from problems_of_words(row, number, words)
    yield from _repeated(row, number, split, state)
    found, picture = problems_of_picture(row, number)
    yield from found
    if picture is None:
        return
    state.add_traits(str(row.sample.verdict), traits_of(picture), number)
    mark = print_of(picture.pixels)
    twin = state.twin(mark, number, split) if mark is not None and split else None
    if twin:
        message = f"looks like the picture of line {twin[0]}, which is in split {twin[1]}"
        yield Problem(number, "near-duplicate across splits", message, f"{MOVE}{twin[1]}")


def _repeated(row: Row, number: int, split: str, state: State) -> Iterator[Problem]:
    sample = row.sample
    first, _ = state.first("id", sample.id, number, split)
    if first != number:
        yield Problem(number, "repeated id", f"{sample.id!r} is that of line {first} too", DROP)
    if sample.source and split:
        first, its_split = state.first("source", sample.source, number, split)
        if its_split != split:
            message = f"{sample.source!r} is in split {its_split} too (line {first})"
            yield Problem(number, "source in two splits", message, f"{MOVE}{its_split}")
    said = "\n".join(turn.text for turn in row.conversation if turn.role == "assistant")
    answer = (said or sample.answer or "").strip()
    if answer:
        first, _ = state.first("answer", answer, number, split)
        if first != number:
            yield Problem(number, "repeated answer", f"word for word that of line {first}")
