"""Each language's texts are whole."""

import string

import pytest

from perftrace.messages import TEXTS


def texts(found, path=""):
    """Yield every text by its place."""
    if isinstance(found, str):
        yield path, found
    elif isinstance(found, dict):
        for key, value in found.items():
            yield from texts(value, f"{path}[{key}]")
    elif hasattr(found, "_asdict"):
        for key, value in found._asdict().items():
            yield from texts(value, f"{path}.{key}")
    else:
        for number, value in enumerate(found):
            yield from texts(value, f"{path}[{number}]")


def placeholders(text):
    return {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}


CHINESE, ENGLISH = (dict(texts(TEXTS[language])) for language in ("zh", "en"))
SHOWN_AS_THEY_ARE = ".report.outcomes"
"""English has the outcomes' own names."""


def test_both_languages_have_the_same_texts():
    """By place, down to the keys of what is looked up."""
    chinese = {place for place in CHINESE if not place.startswith(SHOWN_AS_THEY_ARE)}
    assert chinese == set(ENGLISH)
    assert all(text.strip() for text in (*CHINESE.values(), *ENGLISH.values()))


@pytest.mark.parametrize("place", ENGLISH)
def test_what_is_filled_in_is_the_same_in_both(place):
    assert placeholders(CHINESE[place]) == placeholders(ENGLISH[place])
