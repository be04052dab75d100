"""Names as data brought them, made fit for a JSON file that somebody else shows; whoever shows them escapes them."""

LONGEST = 200


def data_text(value: object) -> str:
    """At most LONGEST UTF-16 units, as JavaScript counts; a lone surrogate, which no UTF-8 file can hold, is `?`."""
    whole = str(value).encode("utf-16-le", "replace")
    return whole[: 2 * LONGEST].decode("utf-16-le", "ignore")
