"""A series of samples of power, use and memory, summed up as it streams: what idles, what works, and the most memory in use."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from fingerprint.readers.figures import Figures, device_names

#: Below this share of the time busy an accelerator idles.
IDLE_BELOW = 0.01
#: No board draws more watts, none holds more bytes.
MOST_WATTS, MOST_BYTES = 3_000.0, 4e12
#: Fewer samples make no mean of a load: a clock ramps within one.
FEW = 3


@dataclass
class _Mean:
    count: int = 0
    total: float = 0.0
    most: float = 0.0
    row: int = 0

    def take(self, value: float, row: int) -> None:
        self.count, self.total, self.most = self.count + 1, self.total + value, max(self.most, value)
        self.row = self.row or row


@dataclass
class _Series:
    power: dict[str, _Mean] = field(default_factory=lambda: {"load": _Mean(), "idle": _Mean(), "": _Mean()})
    use: _Mean = field(default_factory=_Mean)
    memory: _Mean = field(default_factory=_Mean)
    boards: set[str] = field(default_factory=set)


class PowerSamples:
    """Means and maxima of a telemetry log, one series for each name of hardware, in constant memory.

    A sample is one accelerator at one moment. Load and idle are told apart by its utilisation, where the log has it; the means are
    over the samples of all accelerators of a name. Clocks, totals and limits are not asked for: they name the part.
    """

    def __init__(self, found: Figures) -> None:
        self._found = found
        self._series: dict[str, _Series] = {}
        self.samples = 0

    def take(
        self, row: int, board: str, label: str = "", *, watts: float = math.nan, use: float = math.nan, memory: float = math.nan
    ) -> None:
        """Take one sample: watts, share of the time busy (0 to 1), bytes in use; NaN for what it lacks."""
        series = self._series.setdefault(label if len(self._series) < 64 or label in self._series else "", _Series())
        self.samples += 1
        if len(series.boards) < 100_000:
            series.boards.add(board)
        if use < 0 or use > 1.0 + 1e-9:
            self._found.ignore(row, f"utilisation of {100 * use:g} % is none")
            use = math.nan
        phase = "" if math.isnan(use) else "idle" if use < IDLE_BELOW else "load"
        if watts < 0 or watts > MOST_WATTS:
            self._found.ignore(row, f"power of {watts:g} W is beyond any board")
        elif watts > 0:
            series.power[phase].take(watts, row)
        if phase == "load":
            series.use.take(use, row)
        if memory < 0 or memory > MOST_BYTES:
            self._found.ignore(row, f"memory of {memory:g} bytes is beyond any board")
        elif memory > 0:
            series.memory.take(memory, row)

    def close(self) -> None:
        """Give the figures to the gathered rows."""
        for label, series in self._series.items():
            common: dict[str, Any] = {"hardware": device_names(label), "tool": "telemetry", "scope": "accelerator",
                      "accelerators": len(series.boards)}  # fmt: skip
            for phase, power in series.power.items():
                if not power.count:
                    continue
                mean = {**common, "phase": phase, "statistic": "mean"}
                self._found.add(power.row, "power", power.total / power.count, "W", **mean)
                if phase != "idle" and power.count >= FEW:
                    self._found.add(power.row, "power", power.most, "W", **{**mean, "statistic": "max"})
            if series.power[""].count:
                self._found.note("power without utilisation: whether it idled or worked is not told")
            if series.use.count:
                self._found.add(series.use.row, "utilization", series.use.total / series.use.count, "1",
                                **{**common, "phase": "load", "statistic": "mean"})  # fmt: skip
            if series.memory.count:
                self._found.add(series.memory.row, "memory_used", series.memory.most, "B", **{**common, "statistic": "max"})
