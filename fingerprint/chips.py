"""Accelerators: their data-sheet peaks, the spellings of their names, families, and twins.

The table is ``datasets/chips.csv``, one row a chip, with the source of its figures and how far to trust them. The
spellings are ``datasets/aliases.csv``. Labels of public files come in hundreds of forms ("NVIDIA H100 80GB HBM3",
"8xH100s", "Inference performance: NVIDIA DGX-1 (1x V100 16GB)"), so a label is brought into one normal form, the names
of accelerators are looked for in it as whole words, and form factor, memory size and memory type then narrow a family
down to a chip.
"""

import csv
import functools
import math
import re
import sys
import types
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fingerprint.resources import path

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ARCHITECTURES",
    "CAPACITY",
    "PRECISIONS",
    "Chip",
    "architecture",
    "architecture_of_label",
    "families",
    "frame",
    "members",
    "resolve",
    "table",
    "twins",
]

#: The classes that the classifier answers, in the order in which reports list them.
ARCHITECTURES: Final[tuple[str, ...]] = (
    "hopper", "blackwell", "h20", "ampere", "ada", "volta", "turing", "pascal", "cdna1", "cdna2", "cdna3", "cdna4",
    "rdna", "gaudi", "tpu", "ascend", "trainium", "xe", "other",
)  # fmt: skip

#: The precisions that `Chip.peaks` may hold.
PRECISIONS: Final[tuple[str, ...]] = ("fp64", "fp32", "tf32", "bf16", "fp16", "int8", "fp8", "fp4")

#: Capacities are sold in GB of 10^9 or of 2^30 bytes: up to this times the stated one.
CAPACITY: Final = 1.075

# Before Ampere there is no BF16 arithmetic: software converts to FP32, far below the FP16 rate.
_WITHOUT_BF16: Final = frozenset({"pascal", "volta", "turing"})

# A stated size names a chip if it lies this near to the chip's: 183 and 192 GB are both printed for a 180 GB B200,
# 143771 MiB for 141 GB; neighbours within a family (80 and 94 GB) lie further apart, and the nearest wins.
_MEMORY_TOLERANCE: Final = 0.08


@dataclass(frozen=True, slots=True)
class Chip:
    """One accelerator as its vendor describes it; every number SI, ``nan`` where nothing is published.

    Parameters
    ----------
    id, vendor, name : str
        The key used everywhere, the maker, and the full product name.
    architecture : str
        One of `ARCHITECTURES`.
    family : str
        Label used for figures whose source does not say which variant they were taken on.
    peaks : mapping of str to float
        Dense rate by precision, FLOP/s (OP/s for ``int8``). ``fp64`` and ``fp32`` are the better of vector and matrix
        units. A missing key means that no rate is published, not that software cannot emulate the precision.
    clock_headroom : float
        At least 1: by how much compute rates may exceed `peaks` because the part's top clock lies above the clock that
        the published rates assume. It does not apply to the memory.
    memory_bytes, memory_bandwidth, link_bandwidth, board_power : float
        B, B/s, B/s both directions together (0: no link between accelerators but PCIe), W.
    sm_count, boost_clock, l2_bytes, die_area_mm2 : float
        Multiprocessors or compute units, Hz, B, mm^2.
    cut_down_from, twin_group : str or None
        The part this one was cut from; the key shared by parts that throughput on one accelerator cannot tell apart.
    release_date : str
        ISO 8601, as precise as it is known: a year, a month or a day.
    datacenter : bool
        Whether it is marketed for data centres, which export rules ask.
    confidence : str
        A: read on the vendor's sheet; B: one vendor or good secondary source; C: from memory or from disputed sources.
    sources : tuple of str
        Where the figures were read.
    """

    id: str
    vendor: str
    name: str
    architecture: str
    family: str
    die: str
    form_factor: str
    cut_down_from: str | None
    twin_group: str | None
    peaks: Mapping[str, float] = field(hash=False)
    clock_headroom: float
    memory_bytes: float
    memory_type: str
    memory_bandwidth: float
    link_bandwidth: float
    link_type: str
    pcie_gen: float
    board_power: float
    sm_count: float
    boost_clock: float
    l2_bytes: float
    die_area_mm2: float
    release_date: str
    datacenter: bool
    confidence: str
    sources: tuple[str, ...]
    note: str

    @property
    def capacity(self) -> float:
        """The most bytes that its stated memory may mean."""
        return self.memory_bytes * CAPACITY


#: Columns of chips.csv whose largest rate is a precision's, where that is not the one of its name.
_PEAK_COLUMNS = {"fp64": ("fp64", "fp64_tensor"), "fp32": ("fp32", "fp32_matrix")}


def _number(cell: str, scale: float = 1.0) -> float:
    return float(cell) * scale if cell else math.nan


def _peaks(row: Mapping[str, str]) -> dict[str, float]:
    """Return FLOP/s by precision from a row of chips.csv, whose cells are tera-FLOP/s."""
    rates = {}
    for name in PRECISIONS:
        known = [float(row[column]) * 1e12 for column in _PEAK_COLUMNS.get(name, (name,)) if row[column]]
        if known:
            rates[name] = max(known)
        elif name == "bf16" and row["fp16"] and row["architecture"] not in _WITHOUT_BF16:
            rates[name] = float(row["fp16"]) * 1e12
    return rates


def _chip(row: Mapping[str, str]) -> Chip:
    return Chip(
        id=row["chip"],
        vendor=row["vendor"],
        name=row["name"],
        architecture=row["architecture"],
        family=row["family"],
        die=row["die"],
        form_factor=row["form_factor"],
        cut_down_from=row["cut_down_from"] or None,
        twin_group=row["twin_group"] or None,
        peaks=_peaks(row),
        clock_headroom=float(row["clock_headroom"]),
        memory_bytes=_number(row["memory_gb"], 1e9),
        memory_type=row["memory_type"],
        memory_bandwidth=_number(row["memory_bandwidth_gb_s"], 1e9),
        link_bandwidth=_number(row["link_gb_s"], 1e9),
        link_type=row["link_type"],
        pcie_gen=_number(row["pcie_gen"]),
        board_power=_number(row["board_power_w"]),
        sm_count=_number(row["sm_count"]),
        boost_clock=_number(row["boost_clock_mhz"], 1e6),
        l2_bytes=_number(row["l2_mb"], 1e6),
        die_area_mm2=_number(row["die_area_mm2"]),
        release_date=row["release_date"],
        datacenter=row["marketed_for_datacenter"] == "yes",
        confidence=row["confidence"],
        sources=tuple(row["sources"].split()),
        note=row["note"],
    )


@functools.lru_cache(maxsize=1)
def table() -> dict[str, Chip]:
    """Return all chips by id, in the order of the file.

    Examples
    --------
    >>> table()["H100-SXM"].peaks["bf16"]
    989400000000000.0
    """
    with path("datasets/chips.csv").open(newline="", encoding="utf-8") as stream:
        return {row["chip"]: _chip(row) for row in csv.DictReader(stream)}


@functools.lru_cache(maxsize=1)
def families() -> dict[str, tuple[str, ...]]:
    """Return the chip ids of every family, by family label."""
    grouped: dict[str, tuple[str, ...]] = {}
    for chip in table().values():
        grouped[chip.family] = (*grouped.get(chip.family, ()), chip.id)
    return grouped


def members(label: str) -> tuple[str, ...]:
    """Return the chips that a chip id or a family label may mean; empty when neither is known."""
    if label in table():
        return (label,)
    return families().get(label, ())


def architecture(label: str) -> str | None:
    """Return the architecture of a chip id or a family label, None when neither is known."""
    chips = members(label)
    return table()[chips[0]].architecture if chips else None


def twins(chip: str) -> tuple[str, ...]:
    """Return the chips that one accelerator's throughput cannot tell from this one, itself included.

    Raises
    ------
    KeyError
        If `chip` is no id of the table.
    """
    group = table()[chip].twin_group
    if group is None:
        return (chip,)
    return tuple(other.id for other in table().values() if other.twin_group == group)


def frame() -> "pd.DataFrame":
    """Return the table as a pandas DataFrame indexed by chip: SI units, one column a precision, NaN where unknown."""
    import pandas as pd  # the one-file path must start without it

    names = [name for name in Chip.__dataclass_fields__ if name not in {"id", "peaks", "sources"}]
    rows = {
        chip.id: {name: getattr(chip, name) for name in names}
        | {name: chip.peaks.get(name, math.nan) for name in PRECISIONS}
        | {"sources": " ".join(chip.sources)}
        for chip in table().values()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("chip")


# Labels ---------------------------------------------------------------------------------------------------------------

# Part of an accelerator: MIG slices, vGPU profiles ("H100-80C", but not "Ascend 910C"), AMD compute partitions, one die
# of a two-die card.
_SLICE: Final = re.compile(
    r"\d+g\.\d+gb|\bmig\b|(?<!ascend)[-_ ]\d{1,3}[cq]\b|\b[cdq]px\b|\b1 gcd\b|\bvgpu\b", re.ASCII
)
# A laptop's part is another than the card of its number; those of the table have the word in their name.
_MOBILE: Final = re.compile(r"\b(?:laptop|mobile|notebook)\b")
# What may follow a consumer card's number and make it another card.
_OTHER_CARD: Final = re.compile(r" (?:ti|super|d|m|s|gre|xt|xtx|v2|max q|ko)\b")
_CONSUMER: Final = ("rtx", "gtx", "rx", "quadro")
_SIZE: Final = re.compile(r"(?<![\d.a-z])(\d{2,6}(?:\.\d+)?) ?(gb|gib|go|g|mib)(?![a-z0-9.])")
_MEMORY_TYPE: Final = re.compile(r"\b(?:hbm\d?e?|gddr\d+x?)\b")
_GLUED: Final = (
    (re.compile(r"\b(quadro|geforce|titan|radeon|tesla|nvidia)(?=[a-z0-9])"), r"\1 "),
    (re.compile(r"\b(rtx|gtx|rx|arc|pro|cmp|gaudi|trainium|tpu|ascend|dgx|hgx|max)(?=[a-z]{0,4}\d)"), r"\1 "),
    (re.compile(r"\bpro(?=[a-z]\d)"), "pro "),
    (re.compile(r"\b(\d{4})(ti|super|xtx|xt|gre|ada|d|m|s)\b"), r"\1 \2"),
    (re.compile(r"\bmaxq\b"), "max q"),
    (re.compile(r"^([2-5]0[5-9]0)\b"), r"rtx \1"),
)
# Words that name an architecture where no product is named. "Hopper" and sm_90 do not: H20 is one, too.
_WORDS: Final = {
    "blackwell": re.compile(r"\b(?:blackwell|sm ?1[0-2][0-3]a?)\b"),
    "ampere": re.compile(r"\b(?:ampere|sm ?8[067])\b"),
    "ada": re.compile(r"\b(?:ada|ada lovelace|sm ?89)\b"),
    "volta": re.compile(r"\b(?:volta|sm ?7[02])\b"),
    "turing": re.compile(r"\b(?:turing|sm ?75)\b"),
    "pascal": re.compile(r"\b(?:pascal|sm ?6[012])\b"),
    "cdna1": re.compile(r"\bcdna ?1\b"),
    "cdna2": re.compile(r"\bcdna ?2\b"),
    "cdna3": re.compile(r"\bcdna ?3\b"),
    "cdna4": re.compile(r"\bcdna ?4\b"),
    "rdna": re.compile(r"\brdna ?\d?\b"),
}


@dataclass(frozen=True, slots=True)
class _Mention:
    """An accelerator named in a label: the chips it may be, or none of the table with what is known of it."""

    chips: frozenset[str]
    architecture: str | None
    bare_sizes: tuple[float, ...] = ()


def _plain(label: str) -> str:
    """Return the label in lower case, without trademark signs and without counts such as ``8x`` and ``x8``."""
    # NFKC would turn the trademark sign into letters, so the signs go first.
    text = unicodedata.normalize("NFKC", re.sub(r"[®™©]|\((?:r|tm|c)\)", " ", label, flags=re.IGNORECASE)).lower()
    text = re.sub(r"[_‑–—]", " ", text)
    for _ in range(2):  # "2x8xH100"; not the X of "RX 7900 XTX"
        text = re.sub(r"(?<![a-z0-9.])\d{1,3}(?:[x×*] ?| [x×*] )(?=[a-z0-9])", " ", text)
    return re.sub(r"(?<=\d)(gb|s|)[x×]\d+\b", r"\1", text)


def _normal(plain: str) -> str:
    """Return words of letters and digits with glued names split: ``rtx4090d`` becomes ``rtx 4090 d``."""
    text = re.sub(r"[^a-z0-9]+", " ", plain).strip()
    for pattern, replacement in _GLUED:
        text = pattern.sub(replacement, text)
    return text


@functools.lru_cache(maxsize=1)
def _names() -> tuple[re.Pattern[str], dict[str, tuple[frozenset[str], str | None]], list[tuple[re.Pattern[str], str]]]:
    """Return the pattern that finds every known name, what each name means, and the series outside the table."""
    meanings: dict[str, tuple[frozenset[str], str | None]] = {}
    series: list[tuple[re.Pattern[str], str]] = []
    for family, chips in families().items():
        meanings[_normal(family.lower())] = frozenset(chips), architecture(family)
    with path("datasets/aliases.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["kind"] == "series":
                series.append((re.compile(rf"(?<![a-z0-9])(?:{row['alias']})(?![a-z0-9])"), row["architecture"]))
            else:
                known = row["architecture"] or architecture(row["label"])
                meanings[row["alias"]] = frozenset(members(row["label"])), known
    longest_first = sorted(meanings, key=len, reverse=True)
    # A plural ("8 H100s") is still the name, but the s of L40S is part of it: that is why the longest is tried first.
    pattern = "|".join(map(re.escape, longest_first))
    return re.compile(rf"(?<![a-z0-9])({pattern})s?(?![a-z0-9])"), meanings, series


def _mentions(text: str) -> list[_Mention]:
    """Return the accelerators that a label in normal form names, tabled ones and others."""
    pattern, meanings, series = _names()
    found: list[_Mention] = []
    rest, mobile = text, _MOBILE.search(text)
    for match in pattern.finditer(text):
        chips, known = meanings[match[1]]
        other = match[1].startswith(_CONSUMER) and _OTHER_CARD.match(text, match.end())
        if other or (mobile and not _MOBILE.search(match[1])):
            chips = frozenset()
        number = re.match(r" (\d{2,3})\b(?! ?g)", text[match.end() :])
        found.append(_Mention(chips, known, (float(number[1]),) if number else ()))
        rest = rest[: match.start()] + "|" * (match.end() - match.start()) + rest[match.end() :]
    for outside, known in series:
        for match in outside.finditer(rest):
            found.append(_Mention(frozenset(), known))
            rest = rest[: match.start()] + "|" * (match.end() - match.start()) + rest[match.end() :]
    return found


def _fitting_memory(chips: Iterable[Chip], plain: str, bare: Iterable[float]) -> list[Chip]:
    """Return the chips whose memory a stated size means; all where none is stated, none where no size fits."""
    chips = list(chips)
    capacities = {chip.memory_bytes / 1e9 for chip in chips}
    if len(capacities) < 2:
        return chips
    stated = [float(size) * (1.048576e-3 if unit == "mib" else 1.0) for size, unit in _SIZE.findall(plain)]
    exact = [size for size in bare if size in capacities]
    meant = set(exact)
    for size in stated:
        nearest = min(capacities, key=lambda capacity: abs(capacity - size))
        if abs(nearest - size) <= _MEMORY_TOLERANCE * nearest:
            meant.add(nearest)
    if not meant:
        return [] if stated else chips
    return [chip for chip in chips if chip.memory_bytes / 1e9 in meant]


def _fitting_form(chips: list[Chip], text: str) -> list[Chip]:
    """Return the chips of the form factor that the label states; all where it states none, or two."""
    if re.search(r"\bnvl\b", text):
        kept = [chip for chip in chips if chip.form_factor == "NVL"]
        return kept or chips
    sxm = re.findall(r"\bsxm\d?\b", text)
    # DGX-1 holds SXM2 parts, DGX-2 SXM3 parts; later DGX and HGX systems (DGX Cloud: dgxc) hold SXM modules.
    sxm += ["sxm2"] * bool(re.search(r"\bdgx 1\b", text)) + ["sxm3"] * bool(re.search(r"\bdgx 2h?\b", text))
    sxm += ["sxm"] * bool(re.search(r"\b(?:dgx|hgx|dgxc)\b", text))
    pcie = re.search(r"\bpcie?\b", text)
    if bool(sxm) == bool(pcie):
        return chips
    if sxm:
        kept = [chip for chip in chips if chip.form_factor.lower() in sxm and chip.form_factor != "SXM"]
        kept = kept or [chip for chip in chips if chip.form_factor.startswith("SXM")]
    else:
        kept = [chip for chip in chips if chip.form_factor == "PCIe"]
        kept = kept or [chip for chip in chips if chip.form_factor == "NVL"]
    return kept or chips


def _narrowed(candidates: frozenset[str], plain: str, text: str, bare: Iterable[float]) -> list[Chip]:
    chips = _fitting_memory((table()[chip] for chip in table() if chip in candidates), plain, bare)
    chips = _fitting_form(chips, text)
    types = _MEMORY_TYPE.findall(text)
    chips = [chip for chip in chips if chip.memory_type.lower() in types] or chips
    # "H100-SXM-96GB" is a rare variant of "H100-SXM": it is meant only where its memory is stated.
    return [chip for chip in chips if not any(chip.id.startswith(other.id + "-") for other in chips)]


@functools.lru_cache(maxsize=1)
def _exact() -> dict[str, str]:
    return {label.lower(): label for label in (*families(), *table())}


@functools.lru_cache(maxsize=65536)
def resolve(label: str) -> str | None:
    """Return the chip id, or failing that the family, that a free-text label names.

    None when the label names no accelerator of the table, several different ones, a mobile part without a row of its own, or
    a slice of one (MIG, vGPU, a single die of a two-die card).

    Examples
    --------
    >>> resolve("NVIDIA H100 80GB HBM3"), resolve("8x H100"), resolve("NVIDIA H20-3e"), resolve("RTX A1000")
    ('H100-SXM', 'H100', 'H20-141GB', None)
    """
    exact = _exact().get(label.strip().lower())
    if exact is not None:
        chips = members(exact)
        return chips[0] if len(chips) == 1 else exact
    plain = _plain(label)
    text = _normal(plain)
    if _SLICE.search(plain) or _SLICE.search(text):
        return None
    found = _mentions(text)
    if not found:
        return None
    candidates = frozenset.intersection(*(mention.chips for mention in found))
    narrowed = _narrowed(candidates, plain, text, (size for mention in found for size in mention.bare_sizes))
    if len(narrowed) == 1:
        return narrowed[0].id
    named = {chip.family for chip in narrowed}
    return named.pop() if len(named) == 1 else None


@functools.lru_cache(maxsize=65536)
def architecture_of_label(text: str) -> str | None:
    """Return the architecture that a free-text label names, also for parts and series outside the table.

    Wider than `resolve`: mobile parts, slices and several chips of one architecture answer, as do names of
    architectures; ``"other"`` stands for accelerators known to be of none of the classes. None when nothing is
    recognised, when the parts named differ in architecture, or for "Hopper" among other words, which H20 is, too.

    Examples
    --------
    >>> architecture_of_label("GeForce RTX 5060 Laptop GPU"), architecture_of_label("A100,Tesla V100")
    ('blackwell', None)
    """
    if text.strip().lower() in ARCHITECTURES:
        return text.strip().lower()
    label = resolve(text)
    if label is not None:
        return architecture(label)
    normal = _normal(_plain(text))
    named = {mention.architecture for mention in _mentions(normal)}
    if not named:
        named = {name for name, pattern in _WORDS.items() if pattern.search(normal)}
    return named.pop() if len(named) == 1 else None


class _CallableModule(types.ModuleType):
    """The type of `fingerprint.chips`, so that the public ``fingerprint.chips()`` is `frame`: function and module share the name."""

    def __call__(self) -> "pd.DataFrame":
        return frame()


sys.modules[__name__].__class__ = _CallableModule
