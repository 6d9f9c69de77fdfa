"""What someone does to a picture who wants a wrong verdict: each a function and a line here.

An attack knows the picture's true label and, if it wants, the very model. What it returns is looked
at like any other file, saved as PNG, so that nothing but the attack changes its pixels; PGD 0 is
that save and nothing else, and tells what it does by itself. True masks stay as they are: what is
asked is whether the verdict and the map still tell what was true before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from morelli.eval.attacks.aim import Aim
from morelli.eval.attacks.dilution import diluted
from morelli.eval.attacks.fingerprint import clean_spectrum, rebuild
from morelli.eval.attacks.typographic import NEUTRAL, WRONG, overlaid, with_sign
from morelli.eval.changes import Change, Scale

__all__ = ["ATTACKS", "GROUPS", "Aim", "Attack"]


@dataclass(frozen=True, slots=True)
class Family(Scale):
    """One kind of attack.

    Attributes:
        run: an aim and a strength to what is looked at instead.
    """

    run: Callable[[Aim, float], Aim]


@dataclass(frozen=True)
class Attack(Change):
    """One attack of one strength."""

    NOUN = "attack"

    @classmethod
    def families(cls) -> Mapping[str, Family]:
        """Return `ATTACKS`."""
        return ATTACKS

    @classmethod
    def read(cls, words: Sequence[str]) -> "tuple[Attack, ...]":
        """Return the attacks of words like "pgd:2"; some words stand for several families.

        Raises:
            ValueError: an unknown name, or a strength that is none or out of range.
        """
        named = []
        for word in words:
            name, colon, strength = word.partition(":")
            named += [f"{family}{colon}{strength}" for family in GROUPS.get(name, (name,))]
        return super().read(named)

    def apply(self, aim: Aim) -> Aim:
        """Return what is looked at instead, the same each time.

        Raises:
            ValueError: the attack needs more of the examiner than it has.
        """
        return ATTACKS[self.family].run(aim, self.strength)


def _pgd(aim: Aim, strength: float) -> Aim:
    # Torch takes seconds to import, which those who only score need not wait for.
    from morelli.eval.attacks.gradient import mislead

    return mislead(aim, strength)


def _sign(aim: Aim, strength: float) -> Aim:
    return aim.showing(with_sign(aim.picture.pixels, aim.mask, WRONG[aim.label], strength))


def _neutral_sign(aim: Aim, strength: float) -> Aim:
    return aim.showing(with_sign(aim.picture.pixels, aim.mask, NEUTRAL, strength))


def _overlay(aim: Aim, strength: float) -> Aim:
    return aim.showing(overlaid(aim.picture.pixels, aim.mask, WRONG[aim.label], strength))


def _neutral_overlay(aim: Aim, strength: float) -> Aim:
    return aim.showing(overlaid(aim.picture.pixels, aim.mask, NEUTRAL, strength))


def _spectrum(aim: Aim, strength: float) -> Aim:
    return aim.showing(clean_spectrum(aim.picture.pixels, strength))


def _rebuild(aim: Aim, strength: float) -> Aim:
    return aim.showing(rebuild(aim.picture.pixels, round(strength)))


_LETTERS = ("% of the shorter side", (1, 20), (4, 8))

ATTACKS = {
    "pgd": Family("PGD", "levels of 255", (0, 16), (0, 1, 2, 4), _pgd),
    "typographic-sign": Family("sign with the wrong verdict", *_LETTERS, _sign),
    "typographic-overlay": Family("overlay with the wrong verdict", *_LETTERS, _overlay),
    "neutral-sign": Family("sign with other words", *_LETTERS, _neutral_sign),
    "neutral-overlay": Family("overlay with other words", *_LETTERS, _neutral_overlay),
    "spectrum": Family("spectrum cleaned", "deviations kept", (0, 10), (3, 2, 1), _spectrum),
    "rebuilt": Family("rebuilt", "components of 64", (1, 64), (32, 16, 8), _rebuild),
    "dilution": Family("diluted prompt", "words", (1, 1000), (32, 128, 512), diluted),
}
"""Every attack by the name it has on the command line."""

GROUPS = {
    "typographic": (
        "typographic-sign", "neutral-sign", "typographic-overlay", "neutral-overlay",
    ),
}  # fmt: skip
"""Names for several families: the wrong words are told from the paint by the neutral ones."""
