"""The plot: bars of requests a second, for each row of the table."""

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from .contestants import FLOOR, OURS
from .measurement import Result

_WIDTH: Final = 760
_LEFT: Final = 190
_BAR: Final = 16
_STEP: Final = 20
_TITLE: Final = 34
_COLORS: Final = {OURS.key: "#0b7a4b", FLOOR.key: "#c9c9c9"}
_OTHER: Final = "#6f9bd1"


def plot(title: str, results: Sequence[Sequence[Result]]) -> str:
    """Return an SVG picture; the longest bar of each row is as long as there is room.

    Args:
        title: The name of the database.
        results: For each row those of its contestants.
    """
    parts: list[str] = []
    top = _TITLE
    for row in results:
        parts += _row(row, top)
        top += _TITLE + _STEP * len(row)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" '
        'font-family="sans-serif" font-size="12" role="img">'
    )
    return "\n".join(
        [
            head,
            f"<title>Requests a second on {escape(title)}</title>",
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="8" y="18" font-weight="bold">Requests a second on {escape(title)}, medians</text>',
            *parts,
            "</svg>\n",
        ]
    )


def _row(row: Sequence[Result], top: int) -> Iterator[str]:
    fastest = max(result.median for result in row)
    yield f'<text x="8" y="{top + 14}" font-weight="bold">{escape(row[0].work.title)}</text>'
    for number, result in enumerate(row):
        y = top + 22 + number * _STEP
        length = max(1, round((_WIDTH - _LEFT - 80) * result.median / fastest))
        color = _COLORS.get(result.contestant.key, _OTHER)
        yield f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(result.contestant.title)}</text>'
        yield f'<rect x="{_LEFT}" y="{y}" width="{length}" height="{_BAR}" fill="{color}"/>'
        yield f'<text x="{_LEFT + length + 6}" y="{y + 12}">{result.median:,.0f}</text>'
