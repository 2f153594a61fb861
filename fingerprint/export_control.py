"""Export-control lines: what a chip's data sheet, or a measured rate, means under the United States' rules.

This is arithmetic on published figures, no legal advice: the rules ask about the part, its destination, the buyer's
headquarters and the use, and a benchmark shows at most the part. The rules are dated data (`fingerprint.export_rules`), and
so is the standing of named chips, ``datasets/export_status.csv``, each with its sources and a mark of confidence.

Total processing performance (TPP) is the dense peak rate in tera-operations a second, counting a multiply-add as two, times
the bit length of the operands, at the precision where that product is highest. Performance density is TPP over mm^2 of logic
dies. A measured rate is a lower bound of the peak, so it can prove that a part lies at or above a line and never that it lies
below. What it proves holds for the clock it ran at: the published peaks, on which makers' TPP rest, assume a lower clock
than many parts reach.
"""

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

from fingerprint.chips import Chip, members, resolve, table
from fingerprint.errors import InputError
from fingerprint.export_rules import Condition, Rule, as_of, rows, rules, some

__all__ = [
    "BIT_LENGTH", "Condition", "Rule", "Screen", "Status", "as_of", "close_lines", "demonstrated_tpp", "figures", "lines",
    "performance_density", "rules", "screen", "standing", "status", "tpp",
]  # fmt: skip

#: Bits of an operand. How many TF32 counts as is unchecked (19 are multiplied, 32 stored). Whatever runs TF32 runs a 16-bit
#: format at least as fast, so 16 is a lower bound in any case.
BIT_LENGTH: Final[Mapping[str, int]] = {
    "fp64": 64, "fp32": 32, "tf32": 16, "bf16": 16, "fp16": 16, "int8": 8, "fp8": 8, "fp6": 6, "fp4": 4, "int4": 4,
}  # fmt: skip

_NEEDED: Final = {
    "tpp": "a compute rate", "density": "performance density", "memory_bandwidth": "memory bandwidth",
    "io_bandwidth": "link bandwidth", "memory_plus_io": "memory or link bandwidth",
}  # fmt: skip
_MARKETING: Final = "marketing for data centres"


@dataclass(frozen=True, slots=True)
class Screen:
    """What a chip's data sheet meets among the rules in force on a day: an estimate, from published rates and die areas.

    Attributes
    ----------
    paragraph : str
        The strictest list paragraph met; ``none``; or ``unknown`` where a figure that decides is not published.
    exempt : bool or None
        Not marketed for data centres, and low enough to be out of the paragraphs for it.
    notification : bool
        In a paragraph, but not marketed for data centres: licence exceptions by notification may apply.
    letters : bool or None
        Whether its bandwidths reach the figures of the letters to single firms.
    lane : bool or None
        Whether a part of 3A090.a lies inside the lane of milder review; None for other parts, or where unknown.
    """

    paragraph: str
    exempt: bool | None
    notification: bool
    letters: bool | None
    lane: bool | None


@dataclass(frozen=True, slots=True)
class Status:
    """How a chip stands, mostly for shipment to China, as sources say or as its figures suggest.

    Attributes
    ----------
    subject : str
        Chip id or family that the statement is about.
    status : str
        ``not controlled``; ``licence`` (by letter); ``controlled`` (list paragraph, licence with a presumption of denial
        for China); ``case by case`` (controlled, milder review); ``notification`` (controlled, not for data centres);
        ``use restricted`` (guidance against its use); ``differs`` (between the chips of a family); ``unknown``.
    since : date or None
        From when on; None if from the beginning, or unknown.
    rule : str
        The paragraph or act.
    computed : bool
        True if no source was found that names the part: from its figures alone, as in `screen`.
    confidence : str
        R or K, as for a `Rule`. What is computed is K.
    """

    subject: str
    status: str
    since: date | None
    rule: str
    sources: tuple[str, ...]
    confidence: str
    computed: bool
    note: str

    def __str__(self) -> str:
        since = f" since {self.since.isoformat()}" if self.since else ""
        return f"{self.status}{since}{f' ({self.rule})' if self.rule else ''}"

    def to_dict(self) -> dict[str, Any]:
        """Return the status as plain JSON types."""
        since = self.since.isoformat() if self.since else None
        return asdict(self) | {"since": since, "sources": list(self.sources)}


def _chip(chip: str | Chip) -> Chip:
    if isinstance(chip, Chip):
        return chip
    if chip not in table():
        raise InputError(f"no chip is called {chip!r}; `fingerprint chips` lists the ids")
    return table()[chip]


def tpp(chip: str | Chip, *, top_clock: bool = False) -> float:
    """Return the total processing performance of a chip by its published dense rates, NaN if none is published.

    Parameters
    ----------
    chip : str or Chip
        An id of the chip table.
    top_clock : bool
        At the part's top clock in place of the clock that its published rates assume. The rule's text is understood to
        ask for the peak, makers state the published rate; which clock counts is unchecked.

    Raises
    ------
    InputError
        If the id is unknown.

    Examples
    --------
    >>> round(tpp("H20-96GB")), round(tpp("H100-SXM")), round(tpp("RTX4090D"))
    (2368, 15831, 4707)
    """
    found = _chip(chip)
    rate = max((value * BIT_LENGTH[name] for name, value in found.peaks.items()), default=math.nan)
    return rate * (found.clock_headroom if top_clock else 1.0) / 1e12


def performance_density(chip: str | Chip) -> float:
    """Return TPP per mm^2, NaN where the die's area (for several dies, their sum) or the TPP is not known.

    Raises
    ------
    InputError
        If the id is unknown.
    """
    return tpp(chip) / _chip(chip).die_area_mm2


def figures(chip: str | Chip) -> dict[str, float]:
    """Return what the rules ask about a chip by its data sheet, by quantity of `Condition`; NaN where not published.

    Input and output is the link and PCIe at 16 lanes, both directions: a convention of this project, for lack of a
    published definition. TPP and density are NaN where no rate at 16 bits or less is published, because the highest
    product would be missing.
    """
    found = _chip(chip)
    complete = any(BIT_LENGTH[name] <= 16 for name in found.peaks)
    # 8 GB/s in the first generation, both directions, doubling with each.
    pcie = 0.0 if math.isnan(found.pcie_gen) else 8e9 * 2 ** (found.pcie_gen - 1)
    io = found.link_bandwidth + pcie
    return {
        "tpp": tpp(found) if complete else math.nan,
        "density": performance_density(found) if complete else math.nan,
        "memory_bandwidth": found.memory_bandwidth,
        "io_bandwidth": io,
        "memory_plus_io": found.memory_bandwidth + io,
    }


def screen(chip: str | Chip, on: date | None = None) -> Screen:
    """Return which rules a chip's data sheet meets, on a day or (None) at the rule file's date.

    Raises
    ------
    InputError
        If the id is unknown.
    """
    found = _chip(chip)
    return _screened(found, figures(found), on or as_of())


def _screened(found: Chip, known: dict[str, float], day: date) -> Screen:
    answers = [(rule, rule.meets(known, datacenter=found.datacenter)) for rule in rules(day)]
    of_kind = {kind: [met for rule, met in answers if rule.kind == kind] for kind in ("exemption", "letter", "lane")}
    exempt = some(of_kind["exemption"])
    paragraph = "unknown" if exempt is None else "none"
    if exempt is False:
        for name in dict.fromkeys(rule.paragraph for rule, _ in answers if rule.kind == "control"):
            met = some(met for rule, met in answers if rule.kind == "control" and rule.paragraph == name)
            if met is not False:
                paragraph = name if met else "unknown"
                break
    listed = paragraph not in ("none", "unknown")
    return Screen(
        paragraph=paragraph,
        exempt=exempt,
        notification=listed and bool(of_kind["exemption"]) and not found.datacenter,
        letters=some(of_kind["letter"]),
        lane=some(of_kind["lane"]) if paragraph == "3A090.a" and of_kind["lane"] else None,
    )


def close_lines(chip: str | Chip, within: float = 0.02) -> tuple[tuple[str, str, float], ...]:
    """Return the lines that a chip's figures lie near, as (rule id, quantity, figure / threshold).

    A percent or two is what another clock, rounding of a data sheet or an estimate of a die's area changes. Lines that
    another figure of the part, or its marketing, keeps out of reach are left out.

    Raises
    ------
    InputError
        If the id is unknown.
    """
    found, force = _chip(chip), rules(as_of())
    known, near = figures(found), []
    for rule in force:
        if rule.kind not in ("control", "lane") or (not found.datacenter and _exemptible(rule, force)):
            continue
        ratios = {c.quantity: known[c.quantity] / c.threshold for c in _asked(rule)}
        if rule.kind == "lane" or all(ratio >= 1 - within for ratio in ratios.values()):
            near += [(rule.rule, name, ratio) for name, ratio in ratios.items() if abs(ratio - 1) <= within]
    return tuple(near)


def _asked(rule: Rule) -> list[Condition]:
    """Return what a rising figure may pass: floors, but for the lane, whose outside can be proved, ceilings."""
    return [condition for condition in rule.conditions if (condition.relation == "<") == (rule.kind == "lane")]


def _exempt_below(force: tuple[Rule, ...]) -> float:
    """Return the TPP below which parts not marketed for data centres are exempt, 0 without such a rule."""
    return max((c.threshold for rule in force if rule.kind == "exemption" for c in rule.conditions), default=0.0)


def _exemptible(rule: Rule, force: tuple[Rule, ...]) -> bool:
    """Return whether parts may be exempt from this paragraph: it begins below the exemption's limit."""
    floor = max((c.threshold for c in _asked(rule) if c.quantity == "tpp"), default=0.0)
    return rule.kind == "control" and floor < _exempt_below(force)


def _released(chip: Chip) -> date:
    """Return the first day that a release date such as ``2024-06`` may mean."""
    return date.fromisoformat((chip.release_date + "-01-01")[:10])


def _computed(chip: Chip, day: date) -> Status:
    """Return the status that a chip's figures suggest, for chips that no source names."""
    known = figures(chip)
    found = _screened(chip, known, day)
    listed = found.paragraph not in ("none", "unknown")
    met = [r for r in rules(day) if r.kind == "control" and listed and r.meets(known, datacenter=chip.datacenter)]
    # That the letters' figures are reached says nothing sure of a part of another firm.
    doubtful = found.paragraph == "unknown" or (not listed and found.letters is not False)
    state = "controlled" if listed else "unknown" if doubtful else "not controlled"
    said = ["Computed from its published figures: no source that names it was found."]
    if not listed and found.letters:
        said.append("It reaches the figures of the letters to single firms; whether one covers it is not known.")
    if found.lane:
        said.append("By its figures inside the January 2026 lane.")
    if chip.form_factor == "Cloud":
        said.append("Not sold as a part; the rules that were read concern shipment, not access from afar.")
    if found.paragraph == "unknown":
        said.append("A rate or the area of its dies, which would decide, is not published.")
    return Status(
        subject=chip.id,
        status="notification" if found.notification else state,
        since=max(min(rule.effective for rule in met), _released(chip)) if met else None,
        rule=met[0].paragraph if met else "",
        sources=tuple(dict.fromkeys(source for rule in met for source in rule.sources)),
        confidence="K",
        computed=True,
        note=" ".join(said),
    )


@functools.lru_cache(maxsize=1)
def _statements() -> dict[str, list[Status]]:
    found: dict[str, list[Status]] = {}
    for row in rows("datasets/export_status.csv"):
        found.setdefault(row["subject"], []).append(
            Status(row["subject"], row["status"], date.fromisoformat(row["date"]), row["rule"],
                   tuple(row["sources"].split()), row["confidence"], False, row["note"])
        )  # fmt: skip
    return found


def _stated(subject: str, day: date) -> Status | None:
    """Return the latest statement about a chip id or family up to a day, None if there is none yet."""
    past = [found for found in _statements().get(subject, []) if found.since is not None and found.since <= day]
    return max(past, key=lambda found: found.since or date.min) if past else None


def status(chip_or_family: str, on: date | None = None) -> Status:
    """Return how a chip or a family stands, on a day or (None) at the rule file's date.

    A statement about the chip counts before one about its family, and both before what the figures suggest.

    Parameters
    ----------
    chip_or_family : str
        An id, a family label, or a label that names one, such as "NVIDIA H100 80GB HBM3".
    on : date, optional
        The day.

    Raises
    ------
    InputError
        If it names no chip of the table.

    Examples
    --------
    >>> str(status("H20-96GB")), str(status("H200"))
    ('licence since 2025-04-09 (April 2025 letters)', 'case by case since 2026-01-15 (January 2026 lane)')
    """
    day = on or as_of()
    label = chip_or_family if members(chip_or_family) else resolve(chip_or_family)
    if label is None:
        raise InputError(f"{chip_or_family!r} names no chip; `fingerprint chips` lists the ids")
    stated = _stated(label, day)
    if stated is not None:
        return stated
    each = [
        _stated(name, day) or _stated(table()[name].family, day) or _computed(table()[name], day)
        for name in members(label)
    ]
    if len({found.status for found in each}) == 1:
        return each[0]
    told = "; ".join(f"{name}: {found.status}" for name, found in zip(members(label), each, strict=True))
    sources = tuple(dict.fromkeys(source for found in each for source in found.sources))
    return Status(label, "differs", None, "", sources, "K", any(found.computed for found in each), f"By chip: {told}.")


@functools.lru_cache(maxsize=1)
def _states() -> dict[str, str]:
    """Return the status of every chip at the rule file's date: a verdict asks for all of them."""
    return {chip: status(chip).status for chip in table()}


def standing(ids: Iterable[str]) -> dict[str, list[str]]:
    """Return chips by their status at the rule file's date: the commonest status first, chips in the order given.

    Raises
    ------
    InputError
        If an id is unknown.

    Examples
    --------
    >>> standing(["H20-96GB", "H100-SXM", "A100-SXM4-80GB"])
    {'controlled': ['H100-SXM', 'A100-SXM4-80GB'], 'licence': ['H20-96GB']}
    """
    found: dict[str, list[str]] = {}
    for chip in ids:
        found.setdefault(_states()[_chip(chip).id], []).append(chip)
    return dict(sorted(found.items(), key=lambda kv: -len(kv[1])))


def demonstrated_tpp(best: Mapping[str, float]) -> tuple[float, str | None]:
    """Return the TPP that measured rates prove at least, and the precision that proves it; (0, None) without rates.

    Parameters
    ----------
    best : mapping of str to float
        The highest dense rate of one accelerator, FLOP/s, by the precision of the arithmetic (not of stored weights). A rate
        that counts operations skipped by sparsity proves nothing.

    Raises
    ------
    InputError
        If a precision is unknown, or a rate is negative or no finite number.

    Examples
    --------
    >>> demonstrated_tpp({"bf16": 142e12, "fp8": 277e12})
    (2272.0, 'bf16')
    """
    proved: tuple[float, str | None] = 0.0, None
    for precision, rate in best.items():
        if precision not in BIT_LENGTH:
            raise InputError(f"no precision is called {precision!r}; known are {', '.join(BIT_LENGTH)}")
        product = _figure(f"the rate at {precision}", rate) * BIT_LENGTH[precision] / 1e12
        if product > proved[0]:
            proved = product, precision
    return proved


def _figure(what: str, value: float | None) -> float:
    """Return a measured figure, NaN for None."""
    if value is not None and not 0 <= value < math.inf:
        raise InputError(f"{what} is {value}; a finite number of at least 0 was expected")
    return math.nan if value is None else float(value)


def lines(
    tpp_at_least: float, bandwidth_at_least: float | None = None, link_at_least: float | None = None, *,
    chip: str | Chip | None = None, on: date | None = None, tolerance: float = 0.0,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return, line by line, whether measured figures prove that one accelerator lies at or above it.

    Parameters
    ----------
    tpp_at_least : float
        As `demonstrated_tpp` gives it.
    bandwidth_at_least, link_at_least : float, optional
        Demonstrated bandwidth of device memory (not of a cache) and of the links, B/s.
    chip : str or Chip, optional
        The part that the figures are of, where it is known: its die's area then gives a least density, and its marketing
        settles the exemption of parts that are not for data centres.
    on : date, optional
        The day whose rules count, by default the rule file's date.
    tolerance : float
        By how much a figure must pass a line to count: what measurements are known to exaggerate.

    Returns
    -------
    list of dict
        ``rule`` (paragraph), ``limb`` (rule id), the thresholds by quantity (TPP, TPP/mm^2, B/s); ``proves``: "at least" for
        paragraphs and letters, which means there or in a stricter one, and "outside" for the lane; ``proved``; ``margin``:
        figure / threshold, the smallest where all thresholds must be reached, the largest for the lane, None without figures;
        ``needs``: what else would have to be known; ``confidence``: the rule's mark.

    Raises
    ------
    InputError
        If a figure or the tolerance is negative or not finite, or the chip's id is unknown.
    """
    part = None if chip is None else _chip(chip)
    least = 1.0 + _figure("the tolerance", tolerance)
    compute = _figure("the TPP", tpp_at_least)
    memory, link = _figure("the memory bandwidth", bandwidth_at_least), _figure("the link bandwidth", link_at_least)
    given = [value for value in (memory, link) if not math.isnan(value)]
    known = {
        "tpp": compute,
        "density": compute / part.die_area_mm2 if part else math.nan,
        "memory_bandwidth": memory,
        "io_bandwidth": link,
        "memory_plus_io": sum(given) if given else math.nan,
    }
    force = rules(on or as_of())
    open_to_exemption = compute < _exempt_below(force) * least and not (part and part.datacenter)
    return [
        _line(rule, known, least, exempt=open_to_exemption and _exemptible(rule, force))
        for rule in force
        if rule.kind in ("control", "letter", "lane")
    ]


def _line(rule: Rule, known: Mapping[str, float], least: float, *, exempt: bool) -> dict[str, Any]:
    lane = rule.kind == "lane"
    asked = _asked(rule)  # no measurement proves "below"
    ratios = [known[condition.quantity] / condition.threshold for condition in asked]
    seen = [ratio for ratio in ratios if not math.isnan(ratio)]
    needs = [_NEEDED[condition.quantity] for condition, ratio in zip(asked, ratios, strict=True) if math.isnan(ratio)]
    passed = [ratio >= least for ratio in ratios]
    return {
        "rule": rule.paragraph,
        "limb": rule.rule,
        **{c.quantity: int(c.threshold) if c.threshold.is_integer() else c.threshold for c in asked},
        "proves": "outside" if lane else "at least",
        "proved": any(passed) if lane else all(passed) and not exempt,
        "margin": (max(seen) if lane else min(seen)) if seen else None,
        "needs": [] if lane and any(passed) else needs + [_MARKETING] * exempt,
        "confidence": rule.confidence,
    }
