"""Where a batch on many machines puts its files: a shared folder, or object storage by fsspec."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from morelli.serve.batch import OutputError
from morelli.serve.console import one_line


class Storage:
    """An output folder that is a path, or an address such as s3://bucket/case."""

    def __init__(self, out: str) -> None:
        """Connect to it.

        Raises:
            OutputError: nothing knows how to reach such an address.
        """
        self._out = out
        self._files: Any = None
        if "://" in out:
            try:
                self._files, self._root = fsspec.url_to_fs(out)
            except (ImportError, OSError, ValueError) as error:
                raise OutputError(f"{out}: cannot be reached ({one_line(error)})") from error

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Give a folder to write to: the shared one, or one that `put` copies from."""
        if self._files is None:
            yield Path(self._out)
            return
        made = tempfile.mkdtemp(prefix="morelli-")
        try:
            yield Path(made)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def put(self, folder: Path, names: Iterable[str]) -> None:
        """Copy files of `folder`, and what lies in folders of it, to object storage.

        Raises:
            OutputError: it does not take them.
        """
        if self._files is None:
            return
        paths = [folder / name for name in names]
        found = [one for path in paths for one in (path.rglob("*") if path.is_dir() else [path])]
        try:
            for path in found:
                if path.is_file():
                    self._files.makedirs(self._parent(folder, path), exist_ok=True)
                    self._files.put_file(str(path), self._place(folder, path))
        except OSError as error:
            raise OutputError(f"{self._out}: does not take files ({error})") from error

    def get(self, folder: Path, names: Iterable[str]) -> None:
        """Copy those files that are there from object storage to `folder`.

        Raises:
            OutputError: it does not give them.
        """
        if self._files is None:
            return
        try:
            for name in names:
                if self._files.exists(f"{self._root}/{name}"):
                    self._files.get_file(f"{self._root}/{name}", str(folder / name))
        except OSError as error:
            raise OutputError(f"{self._out}: does not give files ({error})") from error

    def _place(self, folder: Path, path: Path) -> str:
        return f"{self._root}/{path.relative_to(folder).as_posix()}"

    def _parent(self, folder: Path, path: Path) -> str:
        return self._place(folder, path).rpartition("/")[0]
