"""Makes names from data sets safe for JSON files. Renderers still have to escape them."""

LONGEST = 200


def safe_text(value: object) -> str:
    """Truncates to LONGEST UTF-16 units, as JavaScript counts, and replaces lone surrogates, which UTF-8 lacks."""
    whole = str(value).encode("utf-16-le", "replace")
    return whole[: 2 * LONGEST].decode("utf-16-le", "ignore")
