"""The table at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .compare import Tally

HEADER = ("loader", "source", "rows", "values compared", "excused", "findings", "seconds")


def table(tallies: dict[tuple[str, str], Tally]) -> str:
    """Return a line for each loader and source, and the sums of each loader."""
    lines: list[tuple[str, ...]] = [HEADER]
    loaders = dict.fromkeys(loader for loader, _ in tallies)
    for loader in loaders:
        mine = {source: tally for (name, source), tally in tallies.items() if name == loader}
        lines += [_line(loader, source, tally) for source, tally in mine.items()]
        if len(mine) > 1:
            lines.append(_line(loader, "all", _sum(mine.values())))
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADER))]
    return "\n".join("  ".join(_padded(line, widths)) for line in lines)


def _padded(line: tuple[str, ...], widths: list[int]) -> list[str]:
    """Put names to the left and numbers to the right."""
    return [c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))]


def _line(loader: str, source: str, tally: Tally) -> tuple[str, ...]:
    counts = (tally.rows, tally.values, sum(tally.excused.values()), tally.failed)
    return loader, source, *(f"{n:,}" for n in counts), f"{tally.seconds:.1f}"


def _sum(tallies: Iterable[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return total


def excused(tallies: dict[tuple[str, str], Tally]) -> str:
    """Return what each loader changed by itself, rule by rule."""
    by_loader: dict[str, Counter[str]] = {}
    for (loader, _), tally in tallies.items():
        by_loader.setdefault(loader, Counter()).update(tally.excused)
    lines = [
        f"{loader}: {rule}: {count:,}" for loader, rules in by_loader.items() for rule, count in rules.most_common()
    ]
    return "\n".join(lines) or "nothing"


def findings(tallies: dict[tuple[str, str], Tally]) -> str:
    """Return the first findings of each loader and source."""
    lines: list[str] = []
    for (loader, _), tally in tallies.items():
        lines += [f"{loader}: {example}" for example in tally.examples]
        if tally.failed > len(tally.examples):
            lines.append(f"{loader}: and {tally.failed - len(tally.examples):,} more like these")
    return "\n".join(lines) or "no finding"
