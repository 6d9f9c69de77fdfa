"""Words, numbers, amounts and dates that are written on pictures and pages."""

import numpy as np

_WORDS = (
    "Total",
    "Date",
    "Name",
    "Paid",
    "Invoice",
    "Address",
    "Amount",
    "Open",
    "Sale",
    "No",
    "Exit",
    "Street",
    "Price",
    "Account",
    "Balance",
    "Member",
    "Valid",
    "Until",
    "Station",
    "Market",
    "Hotel",
    "Police",
    "Private",
    "North",
    "Gate",
    "Room",
    "Service",
    "January",
    "March",
)


def phrase(rng: np.random.Generator) -> str:
    """Draw a number, an amount, a date or one to three words."""
    choice = int(rng.integers(5))
    if choice == 0:
        return str(int(rng.integers(10, 100_000)))
    if choice == 1:
        return f"{rng.integers(1, 5000)}.{rng.integers(100):02d}"
    if choice == 2:
        return f"{rng.integers(1, 29):02d}/{rng.integers(1, 13):02d}/{rng.integers(1990, 2027)}"
    words = rng.choice(_WORDS, int(rng.integers(1, 4)))
    return " ".join(str(word) for word in words)


def sentence(rng: np.random.Generator, letters: int) -> str:
    """Draw words, with a number now and then, of about `letters` letters together."""
    words: list[str] = []
    while sum(len(word) + 1 for word in words) < letters:
        word = str(rng.choice(_WORDS))
        number = rng.random() < 0.15
        words.append(str(int(rng.integers(1, 9999))) if number else word.lower())
    return " ".join(words).capitalize()


def like(rng: np.random.Generator, letters: int) -> str:
    """Draw a number, an amount or a word of about `letters` letters."""
    if rng.random() < 0.75:
        digits = "".join(str(int(digit)) for digit in rng.integers(0, 10, max(2, letters)))
        return f"{digits[:-2]}.{digits[-2:]}" if letters > 3 and rng.random() < 0.5 else digits
    fitting = sorted(_WORDS, key=lambda word: abs(len(word) - letters))[:6]
    return str(rng.choice(fitting))
