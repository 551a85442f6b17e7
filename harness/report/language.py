"""The language of a report: English as it is written where it is said, or Swedish by one table of phrases.

English is the source: whoever words something in a template or beside a figure writes it in English and passes it
through a ``Language``. What the judge says is composed elsewhere (harness.gate.sentences): it is translated by patterns
of the same sentences, so that there is one source of them, and what no pattern knows stays English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.report import swedish, swedish_sentences, swedish_soundness, swedish_studies

Pattern = tuple[re.Pattern[str], str]
_HOLE = re.compile(r"\\\{(\w+)\\\}")
_QUANTITY = r"(?:[+−≥≤×]*[\d.,∞]+|–|open|over ×[\d,]+)(?: (?:µs|ms|s|%|pp|% a minute|pp an hour))?"
_HOLES = {
    **dict.fromkeys(("baseline", "candidate", "change", "low", "high", "margin", "start", "end", "added"), _QUANTITY),
    "longer": r"just as long|[\d.,]+ (?:%|ms|s) (?:longer|shorter)|[\d.,]+ times as long",
    "allowed": r"[\d.,]+ (?:%|ms|s) longer|[\d.,]+ times as long",
    "at": r"at the [^,;]+",
}
"""What holes of these names stand for: a quantity has a space in it, which alone would not tell where it ends."""
_POINT = re.compile(r"(?<=\d)\.(?=\d)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
NESTED_AT_MOST = 12


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its code (BCP 47), with its phrases and the patterns of what the judge says."""

    code: str
    phrases: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[Pattern, ...] = ()

    def __call__(self, phrase: str, **values: object) -> str:
        """A phrase in this language, with ``{name}`` replaced by the values."""
        text = self.phrases.get(phrase, phrase)
        return text.format(**values) if values else text

    def sentence(self, text: str) -> str:
        """What the judge says, as far as there are patterns for it; what a pattern has holes for is put in likewise."""
        return self._sentence(text, NESTED_AT_MOST) if self.patterns else text

    def figures(self, text: str) -> str:
        """A quantity with this language's decimal sign and thousands."""
        return text if self.code == "en" else _POINT.sub(",", _THOUSANDS.sub("\N{NO-BREAK SPACE}", text))

    def _sentence(self, text: str, nested: int) -> str:
        known = self.phrases.get(text)
        if known is not None or not nested:
            return known or text
        for pattern, translated in self.patterns:
            if found := pattern.fullmatch(text):
                inner = {name: self._sentence(held, nested - 1) for name, held in found.groupdict().items()}
                return translated.format(**inner)
        return self.figures(text)


def _patterns(sentences: Mapping[str, str]) -> tuple[Pattern, ...]:
    """Each English sentence as a pattern: ``{name}`` in it stands for anything, or what ``_HOLES`` says."""

    def hole(found: re.Match[str]) -> str:
        return f"(?P<{found[1]}>{_HOLES.get(found[1], '.+?')})"

    return tuple(
        (re.compile(_HOLE.sub(hole, re.escape(english)), re.DOTALL), translated)
        for english, translated in sentences.items()
    )


ENGLISH = Language("en")
SWEDISH = Language(
    "sv",
    swedish_studies.PHRASES | swedish.PHRASES,
    _patterns(swedish_soundness.SENTENCES | swedish_studies.SENTENCES | swedish_sentences.SENTENCES),
)
LANGUAGES = {language.code: language for language in (ENGLISH, SWEDISH)}


def language_of(code: str) -> Language:
    """The language of a code; English for any that there is none of."""
    return LANGUAGES.get(code, ENGLISH)
