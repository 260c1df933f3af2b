"""Numbers, times and moments as a reader wants them: the filters of every page's template."""

from datetime import datetime

from helpers.runtime.progress import duration

_WORDS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")


def word(n: int) -> str:
    """Return a small number in words ("Five"), a larger one in digits."""
    return _WORDS[n] if 0 <= n < len(_WORDS) else f"{n:,}"


def day(moment: str) -> str:
    """Return an ISO 8601 moment as "21 November 2026"; what cannot be read is returned as it is."""
    try:
        parsed = datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        return str(moment or "")
    return f"{parsed.day} {parsed:%B %Y}"


def number_of(slug: str) -> str:
    """Return the number a slug begins with ("02_svm" -> "02"), or nothing."""
    head = slug.split("_", 1)[0]
    return head if head.isdigit() else ""


def percent(fraction: float | None, n: int | None = None) -> str:
    """Return a fraction as a percentage with the decimals that `n` observations can carry (one below 1,000)."""
    if fraction is None:
        return ""
    return f"{100 * fraction:.{_decimals(n)}f}%"


def interval(low: float | None, high: float | None, n: int | None = None) -> str:
    """Return the limits of a proportion as "99.55 to 99.77", in percent, with the decimals of `percent`."""
    if low is None or high is None:
        return ""
    return f"{100 * low:.{_decimals(n)}f} to {100 * high:.{_decimals(n)}f}"


def points(difference: float | None) -> str:
    """Return a difference of two fractions in percentage points, signed with a true minus."""
    if difference is None:
        return ""
    return f"{100 * difference:+.2f}".replace("-", "−")


def p_value(p: float) -> str:
    """Return a p-value as "p = 0.21" or "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2f}" if p >= 0.095 else f"p = {p:.3f}"


def milliseconds(value: float | None) -> str:
    """Return milliseconds with two significant digits: "0.21 ms", "3.4 ms", "48 ms"."""
    if value is None:
        return ""
    return f"{value:.0f} ms" if value >= 9.95 else f"{value:.2g} ms"


def _decimals(n: int | None) -> int:
    return 1 if n is not None and n < 1000 else 2


FILTERS = {
    "word": word,
    "duration": duration,
    "day": day,
    "number": number_of,
    "percent": percent,
    "interval": interval,
    "points": points,
    "p_value": p_value,
    "milliseconds": milliseconds,
}
