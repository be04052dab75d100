"""What was found in a data set, in plain words: each kind once, with a count and the first few examples."""

EXAMPLES = 5


class Findings:
    """`where` begins every line: the split or the archive."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._found: dict[tuple[str, str], tuple[int, list[str]]] = {}

    def add(self, what: str, noun: str, example: str) -> None:
        """One more of a kind. `noun` is what is counted, in the singular."""
        count, examples = self._found.get((what, noun), (0, []))
        if count < EXAMPLES:
            examples.append(example)
        self._found[what, noun] = (count + 1, examples)

    def say(self, what: str) -> None:
        """Something that there is only one of."""
        self._found[what, ""] = (1, [])

    def lines(self) -> list[str]:
        return [self._line(what, noun, *found) for (what, noun), found in self._found.items()]

    def _line(self, what: str, noun: str, count: int, examples: list[str]) -> str:
        if not noun:
            return f"{self._where}: {what}"
        plural = noun if count == 1 else f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
        more = ", …" if count > len(examples) else ""
        return f"{self._where}: {what}: {count} {plural} ({', '.join(examples)}{more})"
