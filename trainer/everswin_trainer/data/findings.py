"""Findings in a data set, grouped: one line per kind, with a count and the first few examples."""

EXAMPLES = 5


class Findings:
    """Collects findings. `prefix` starts every line: a split or an archive."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._entries: dict[tuple[str, str], tuple[int, list[str]]] = {}

    def add(self, kind: str, noun: str, example: str) -> None:
        """Adds one finding of a kind. `noun` names what is counted, in the singular."""
        count, examples = self._entries.get((kind, noun), (0, []))
        if count < EXAMPLES:
            examples.append(example)
        self._entries[kind, noun] = (count + 1, examples)

    def add_once(self, kind: str) -> None:
        """Adds a finding that has no count and no examples."""
        self._entries[kind, ""] = (1, [])

    def lines(self) -> list[str]:
        return [self._line(kind, noun, *entry) for (kind, noun), entry in self._entries.items()]

    def _line(self, kind: str, noun: str, count: int, examples: list[str]) -> str:
        if not noun:
            return f"{self._prefix}: {kind}"
        plural = noun if count == 1 else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
        more = ", …" if count > len(examples) else ""
        return f"{self._prefix}: {kind}: {count} {plural} ({', '.join(examples)}{more})"
