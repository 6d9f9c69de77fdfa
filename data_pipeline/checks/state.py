"""What a check remembers, in a small data base on disk: it takes no memory and survives a kill."""

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from morelli.data_pipeline.checks.problem import Problem

_TABLES = """
CREATE TABLE IF NOT EXISTS progress (manifest TEXT, offset INTEGER, line INTEGER, done INTEGER);
CREATE TABLE IF NOT EXISTS problems (line INTEGER, kind TEXT, message TEXT, repair TEXT);
CREATE TABLE IF NOT EXISTS seen (what TEXT, key TEXT, line INTEGER, split TEXT,
    PRIMARY KEY (what, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS prints (band INTEGER, part INTEGER, print TEXT, split TEXT,
    line INTEGER);
CREATE INDEX IF NOT EXISTS bands ON prints (band, part);
CREATE TABLE IF NOT EXISTS traits (verdict TEXT, size TEXT, format TEXT, quality TEXT,
    metadata TEXT, mix INTEGER);
"""
_BANDS = 4
_BAND_BITS = 16
NEAR_BITS = 3
"""Pictures whose 64-bit prints differ in at most so many bits are the same to the eye. It must be
less than the number of bands, so that two such prints agree in one band at least."""


class State:
    """The memory of one check of one manifest.

    Args:
        path: of the data base.
        manifest: what is checked; if it changed since, the memory is forgotten.
        fresh: forget it in any case.
    """

    def __init__(self, path: Path, manifest: Path, fresh: bool) -> None:
        about = manifest.stat()
        known = f"{manifest.absolute()} {about.st_size} {about.st_mtime_ns}"
        if fresh:
            path.unlink(missing_ok=True)
        self._base = sqlite3.connect(path)
        self._base.executescript(_TABLES)
        row = self._base.execute("SELECT manifest, offset, line FROM progress").fetchone()
        if row is not None and row[0] != known:
            self._base.close()
            path.unlink()
            self._base = sqlite3.connect(path)
            self._base.executescript(_TABLES)
            row = None
        if row is None:
            self._base.execute("INSERT INTO progress VALUES (?, 0, 0, 0)", (known,))
        self.offset: int = row[1] if row else 0
        self.line: int = row[2] if row else 0

    def save(self, offset: int, line: int) -> None:
        """Keep everything so far: a run that starts again goes on after this line."""
        self._base.execute("UPDATE progress SET offset = ?, line = ?", (offset, line))
        self._base.commit()

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def add(self, problem: Problem) -> None:
        """Note a problem."""
        self._base.execute(
            "INSERT INTO problems VALUES (?, ?, ?, ?)",
            (problem.line, problem.kind, problem.message, problem.repair),
        )

    def problems(self) -> Iterator[Problem]:
        """List the problems by line."""
        rows = self._base.execute("SELECT line, kind, message, repair FROM problems ORDER BY line")
        for row in rows:
            yield Problem(*row)

    def counts(self) -> dict[str, int]:
        """Return how often each kind of problem was found."""
        query = "SELECT kind, COUNT(*) FROM problems GROUP BY kind ORDER BY COUNT(*) DESC"
        return dict(self._base.execute(query).fetchall())

    def repairs(self, line: int) -> list[str]:
        """Return what is to be done about one line."""
        query = "SELECT repair FROM problems WHERE line = ? AND repair != ''"
        return [row[0] for row in self._base.execute(query, (line,))]

    def first(self, what: str, key: str, line: int, split: str) -> tuple[int, str]:
        """Return line and split in which a key was seen first; that is now, if it is new."""
        short = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        self._base.execute(
            "INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)", (what, short, line, split)
        )
        query = "SELECT line, split FROM seen WHERE what = ? AND key = ?"
        found: tuple[int, str] = self._base.execute(query, (what, short)).fetchone()
        return found

    def twin(self, print_: int, line: int, split: str) -> tuple[int, str] | None:
        """Return line and split of a near-duplicate in another split, and remember this one."""
        parts = [(print_ >> (_BAND_BITS * band)) & 0xFFFF for band in range(_BANDS)]
        found: tuple[int, str] | None = None
        for band, part in enumerate(parts):
            query = "SELECT print, split, line FROM prints WHERE band = ? AND part = ? LIMIT 1000"
            for other, its_split, its_line in self._base.execute(query, (band, part)):
                near = (int(other, 16) ^ print_).bit_count() <= NEAR_BITS
                if near and its_split != split and found is None:
                    found = (its_line, its_split)
        rows = [(band, part, f"{print_:x}", split, line) for band, part in enumerate(parts)]
        self._base.executemany("INSERT INTO prints VALUES (?, ?, ?, ?, ?)", rows)
        return found

    def add_traits(self, verdict: str, traits: tuple[str, str, str, str], line: int) -> None:
        """Remember what is trivial about a picture."""
        # Mixed by the line's digest, so that a sample of them is one of the whole manifest.
        mix = int.from_bytes(hashlib.blake2b(str(line).encode(), digest_size=6).digest(), "big")
        self._base.execute("INSERT INTO traits VALUES (?, ?, ?, ?, ?, ?)", (verdict, *traits, mix))

    def traits(self, most: int) -> list[tuple[str, str, str, str, str]]:
        """Return verdict and traits of at most so many pictures, drawn evenly."""
        query = "SELECT verdict, size, format, quality, metadata FROM traits ORDER BY mix LIMIT ?"
        return self._base.execute(query, (most,)).fetchall()
