"""Lay a TOML file and `a.b=value` settings over a tree of frozen dataclasses.

Every stage owns the dataclass of its options; a setting is spelled the same in a file and on the
command line.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Options = TypeVar("Options")


class ConfigError(ValueError):
    """A setting that the tree has no room for, or a value of the wrong type."""


def configure(base: Options, file: Path | None = None, settings: Iterable[str] = ()) -> Options:
    """Return `base` changed by a file, then by settings.

    Args:
        base: a dataclass whose fields may be dataclasses.
        file: TOML, a table for each inner dataclass.
        settings: like "loop.steps=200"; the value is read as TOML, a bare word as text.

    Raises:
        ConfigError: an unknown name, a wrong type, no "=" in a setting, or no TOML in the file.
        OSError: the file cannot be read.
    """
    if file is not None:
        try:
            base = _lay_over(base, tomllib.loads(file.read_text()), "")
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{file}: {error}") from error
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"{setting!r} is no setting; write name=value")
        tree: Any = _value(text)
        for part in reversed(name.split(".")):
            tree = {part: tree}
        base = _lay_over(base, tree, "")
    return base


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _lay_over(node: Options, values: Mapping[str, Any], where: str) -> Options:
    hints = get_type_hints(type(node))
    names = [field.name for field in fields(node)]  # type: ignore[arg-type]
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in names:
            raise ConfigError(_unknown(name, names, where))
        inner = getattr(node, name)
        if is_dataclass(inner) and isinstance(value, Mapping):
            changes[name] = _lay_over(inner, value, f"{where}{name}.")
        else:
            changes[name] = _fitting(value, hints[name], f"{where}{name}")
    return replace(node, **changes)  # type: ignore[type-var]


def _unknown(name: str, names: list[str], where: str) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {where}{near[0]}?" if near else f"there are {', '.join(names)}"
    return f"no such option {where}{name}; {hint}"


def _fitting(value: Any, kind: Any, where: str) -> Any:
    """Return the value as the field's type, or refuse it."""
    if isinstance(kind, UnionType):
        options = [option for option in get_args(kind) if option is not NoneType]
        return None if value in (None, "none") else _fitting(value, options[0], where)
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_fitting(item, get_args(kind)[0], where) for item in value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise ConfigError(f"{where} must be {getattr(kind, '__name__', kind)}, got {value!r}")
