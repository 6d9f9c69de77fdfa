"""A grammar in one line of text: "(the|this) <noun> is (even|calm)" says one thing in many ways.

Used to teach, never at inference.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

Pick = Callable[[int], int]
"""Given a count n, returns one of 0 to n - 1."""

_Tree = tuple[tuple["str | _Tree", ...], ...]
"""Alternatives, each a sequence of words (or rules as "<name>") and of further alternatives."""

_TOKEN = re.compile(r"[(|)]|<[a-z_]+>|[^(|)<]+")
_GAP_BEFORE_MARK = re.compile(r" +([,.;:])")
_A = re.compile(r"\b([Aa]) (?=[aeio]|hon|hour|un(?!i)|us[^eu])(?!one?\b|once\b)")
_AN = re.compile(r"\b([Aa])n (?=[^aeiou])(?!hon|hour)")


def expand(pattern: str, rules: Mapping[str, str], pick: Pick) -> str:
    """Say a pattern in one of its ways.

    `a|b` and `(a|b|)` pick one of the alternatives, an empty one says nothing at all; `<name>`
    stands for the rule of that name; both nest. Words in braces are left for `str.format`. An "a"
    becomes "an" where the word that follows asks for it, and the other way round.

    Args:
        pattern: what is to be said.
        rules: patterns by name.
        pick: chooses one of several.

    Raises:
        KeyError: a rule that is not in `rules`.
    """
    words = " ".join("".join(_said(_parsed(pattern), rules, pick)).split())
    return _AN.sub(r"\1 ", _A.sub(r"\1n ", _GAP_BEFORE_MARK.sub(r"\1", words)))


def as_sentence(clause: str) -> str:
    """Return the clause with a capital letter in front."""
    return clause[:1].upper() + clause[1:]


def _said(tree: _Tree, rules: Mapping[str, str], pick: Pick) -> Iterator[str]:
    for part in tree[pick(len(tree)) if len(tree) > 1 else 0]:
        if isinstance(part, tuple):
            yield from _said(part, rules, pick)
        elif part.startswith("<"):
            yield from _said(_parsed(rules[part[1:-1]]), rules, pick)
        else:
            yield part


@cache
def _parsed(pattern: str) -> _Tree:
    tokens = _TOKEN.findall(pattern)
    tree, rest = _alternatives(tokens, 0)
    if rest != len(tokens):
        raise ValueError(f"a closing parenthesis too many in {pattern!r}")
    return tree


def _alternatives(tokens: Sequence[str], start: int) -> tuple[_Tree, int]:
    """Parse up to the parenthesis that closes the group, or to the end."""
    options: list[list[str | _Tree]] = [[]]
    index = start
    while index < len(tokens) and tokens[index] != ")":
        token = tokens[index]
        if token == "|":
            options.append([])
        elif token == "(":
            inner, index = _alternatives(tokens, index + 1)
            options[-1].append(inner)
        else:
            options[-1].append(token)
        index += 1
    return tuple(map(tuple, options)), index
