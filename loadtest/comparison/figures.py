"""The statistics of a comparison: middle values, spreads, and ratios taken inside a round. Pure."""

import dataclasses
import statistics
from collections.abc import Iterable, Sequence


class Failure(Exception):
    """The comparison cannot go on; the text says why, and what to do where that is known."""


@dataclasses.dataclass(frozen=True)
class Spread:
    """A median with the smallest and the largest value it was taken from."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """The spread of at least one value."""
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[0], ordered[-1])

    def as_dict(self) -> dict[str, float]:
        return {"median": self.median, "min": self.low, "max": self.high}


def cost_of(runs: Sequence[dict]) -> float:
    """CPU µs per request over all of `runs` together: a longer run weighs more, as it should."""
    return sum(run["cpu_us"] for run in runs) / sum(run["requests"] for run in runs)


def ratios(runs: Sequence[dict], side: str, base: str) -> list[float]:
    """For each round the cost of `side` over that of `base`, each summed over the round.

    Within a round both saw the same machine; a ratio of two medians would compare different minutes.
    """
    found = []
    for number in sorted({run["round"] for run in runs}):
        mine = [run for run in runs if run["round"] == number and run["side"] == side]
        others = [run for run in runs if run["round"] == number and run["side"] == base]
        if mine and others:
            found.append(cost_of(mine) / cost_of(others))
    return found


def there_and_back(count: int) -> list[int]:
    """The order of one round: A B C C B A. A machine that warms up or slows down evenly hurts all alike."""
    return [*range(count), *reversed(range(count))] if count > 1 else [0]
