"""Findings in a data set, grouped: one line per kind, with a count, the first few examples and the remedy."""

from collections.abc import Iterable
from itertools import islice

EXAMPLES = 5
VOWELS = ("a", "e", "i", "o", "u")


class Findings:
    """Collects findings. `prefix` starts every line: a split or an archive."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._entries: dict[tuple[str, str], tuple[int, list[str], str]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, kind: str, noun: str, example: str, remedy: str = "") -> None:
        """Adds one finding of a kind. `noun` names what is counted, in the singular."""
        self.add_all(kind, noun, 1, (example,), remedy)

    def add_all(self, kind: str, noun: str, count: int, examples: Iterable[str], remedy: str = "") -> None:
        """Adds `count` findings of a kind; only the first few of `examples` are read."""
        before, kept, _ = self._entries.get((kind, noun), (0, [], ""))
        kept.extend(islice(examples, EXAMPLES - len(kept)))
        self._entries[kind, noun] = (before + count, kept, remedy)

    def add_once(self, kind: str) -> None:
        """Adds a finding that has no count and no examples."""
        self._entries[kind, ""] = (1, [], "")

    def lines(self) -> list[str]:
        return [self._line(kind, noun, *entry) for (kind, noun), entry in self._entries.items()]

    def _line(self, kind: str, noun: str, count: int, examples: list[str], remedy: str) -> str:
        if not noun:
            return f"{self._prefix}: {kind}"
        more = ", …" if count > len(examples) else ""
        then = f". {remedy}" if remedy else ""
        return f"{self._prefix}: {kind}: {format_count(count, noun)} ({', '.join(examples)}{more}){then}"


def format_count(count: int, noun: str) -> str:
    """Returns `1 class`, `2 classes`."""
    return f"{count} {noun if count == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in VOWELS:
        return f"{noun[:-1]}ies"
    return f"{noun}s"
