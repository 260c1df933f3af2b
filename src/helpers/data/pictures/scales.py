"""On which scale grey values are: 0..1, 0..16, 0..255, 0..4095, 0..65535, or as far below zero as above."""

SCALES = (1.0, 16.0, 255.0, 4095.0, 65535.0)


def scale(low: float, high: float) -> tuple[float, float]:
    """Return (offset, factor) with which (value + offset) * factor is in 0..255, from the extreme values."""
    if low < 0:
        reach = max(-low, high)
        return reach, 127.5 / reach
    top = next((scale for scale in SCALES if high <= scale), high)
    return 0.0, 255.0 / top
