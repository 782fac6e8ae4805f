"""A curve as the points of an SVG polyline, 120 × 32."""

WIDTH, HEIGHT, MARGIN = 120.0, 32.0, 2.0


def points(values):
    """None where there are too few values for a curve."""
    if len(values) < 2:
        return None
    low, high = min(values), max(values)
    # A series that never changes is a line in the middle.
    span = (high - low) or 1.0
    offset = 0.0 if high > low else 0.5
    step = WIDTH / (len(values) - 1)
    usable = HEIGHT - 2 * MARGIN
    return " ".join(
        f"{index * step:.1f},{HEIGHT - MARGIN - ((value - low) / span + offset) * usable:.1f}"
        for index, value in enumerate(values)
    )
