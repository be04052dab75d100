"""Makes names from data sets safe for JSON files. Renderers still have to escape them."""

MAX_UTF16_UNITS = 200


def safe_text(value: object) -> str:
    """Truncates text to the length that JavaScript allows, and replaces lone surrogates, which UTF-8 cannot encode."""
    encoded = str(value).encode("utf-16-le", "replace")
    return encoded[: 2 * MAX_UTF16_UNITS].decode("utf-16-le", "ignore")
