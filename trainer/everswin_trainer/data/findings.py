"""Findings in a data set, grouped: one line per kind, with a count and the first few examples."""

EXAMPLES = 5


class Findings:
    """Collects findings. `where` is the prefix of every line: a split or an archive."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._found: dict[tuple[str, str], tuple[int, list[str]]] = {}

    def add(self, what: str, noun: str, example: str) -> None:
        """Adds one finding of a kind. `noun` names what is counted, in the singular."""
        count, examples = self._found.get((what, noun), (0, []))
        if count < EXAMPLES:
            examples.append(example)
        self._found[what, noun] = (count + 1, examples)

    def add_once(self, what: str) -> None:
        """Adds a finding that has no count and no examples."""
        self._found[what, ""] = (1, [])

    def lines(self) -> list[str]:
        return [self._line(what, noun, *found) for (what, noun), found in self._found.items()]

    def _line(self, what: str, noun: str, count: int, examples: list[str]) -> str:
        if not noun:
            return f"{self._where}: {what}"
        plural = noun if count == 1 else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
        more = ", …" if count > len(examples) else ""
        return f"{self._where}: {what}: {count} {plural} ({', '.join(examples)}{more})"
