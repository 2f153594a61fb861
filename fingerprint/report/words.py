"""What a verdict says, in words: the sentences that the terminal, the page and the notebook share."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

from fingerprint import chips
from fingerprint.claims import amount

if TYPE_CHECKING:
    from fingerprint.roofline import Exclusion
    from fingerprint.verdict import Verdict

#: Names of the classes in words.
NAMES = {"hopper": "Hopper", "blackwell": "Blackwell", "h20": "H20 (cut-down Hopper)", "ampere": "Ampere", "ada": "Ada",
         "volta": "Volta", "turing": "Turing", "pascal": "Pascal", "cdna1": "AMD CDNA 1", "cdna2": "AMD CDNA 2",
         "cdna3": "AMD CDNA 3", "cdna4": "AMD CDNA 4", "rdna": "AMD RDNA", "gaudi": "Intel Gaudi", "xe": "Intel Xe",
         "tpu": "Google TPU", "ascend": "Huawei Ascend", "trainium": "AWS Trainium", "other": "another accelerator",
         "unknown": "none of the known classes"}  # fmt: skip

#: Classes less probable than this are left out of a list, unless the prediction set holds them.
LEAST_SHOWN = 0.01

#: Chips that a list names before it counts the rest.
MOST_NAMED = 12

#: Bits below which no figure decides by itself: without it the odds change by less than a factor of 1.4.
DECIDES = 0.5


def clean(text: str, most: int = 160) -> str:
    """Return text from a file with control, escape and direction characters taken out, cut to a length."""
    shown = "".join(c for c in text if unicodedata.category(c)[0] != "C")
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def name_of(architecture: str) -> str:
    """Return a class's name in words."""
    return NAMES.get(architecture, clean(architecture, 40))


def short_of(architecture: str) -> str:
    """Return a class's name without what explains it: ``H20``."""
    return name_of(architecture).partition(" (")[0]


def percent(p: float) -> str:
    """Return a probability as a report shows it: what is small, but was not ruled out, is no 0."""
    return f"{p:.1%}" if p >= 0.0005 or p == 0 else "<0.1%"


def share_of(share: float) -> str:
    """Return a share of a ceiling as a table shows it."""
    if share != share:  # noqa: PLR0124  # NaN: nothing to hold the figure against
        return "–"
    return f"{share:.1%}" if share < 0.0995 else f"{share:.0%}" if share < 10 else f"{share:.0f}×"


def headline(verdict: Verdict) -> str:
    """Return the answer in one or two sentences, with its set and coverage."""
    share = f"{verdict.coverage:.0%}"
    if verdict.answer == "insufficient":
        return "Not enough evidence: these figures say next to nothing about the hardware."
    if verdict.answer == "unknown" or verdict.architecture is None:
        return f"Unknown: the figures fit no known class well; the {share} set holds {set_in_words(verdict)}."
    likely = name_of(verdict.architecture)
    probability = verdict.probabilities[verdict.architecture]
    if verdict.answer == "likely":
        return f"{likely}, probability {probability:.0%}; no other class is in the {share} set."
    return f"Undecided: the {share} set holds {set_in_words(verdict)}. Likeliest: {short_of(verdict.architecture)}, {probability:.0%}."


def set_in_words(verdict: Verdict) -> str:
    """Return the classes of the prediction set, joined by commas."""
    return ", ".join(map(name_of, verdict.prediction_set)) or "nothing"


def ranked(verdict: Verdict) -> list[tuple[str, float, bool]]:
    """Return (class, probability, whether the set holds it), the likeliest first, without what hardly counts."""
    order = sorted(verdict.probabilities.items(), key=lambda kv: -kv[1])
    return [(c, p, c in verdict.prediction_set) for c, p in order if p >= LEAST_SHOWN or c in verdict.prediction_set]


def by_capability(names: Iterable[str]) -> list[str]:
    """Return chips in the order in which lists name them: parts for data centres first, the fastest in 16 bits first."""
    table = chips.table()
    return sorted(names, key=lambda n: (not table[n].datacenter, -table[n].peaks.get("fp16", 0.0)))


def listed(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """Return chips joined by commas, the rest counted; parts for data centres come first."""
    order = by_capability(names)
    left = len(order) - most
    rest = f" and {left} other{'s' if left > 1 else ''}" if left > 0 else ""
    return ", ".join(order[:most]) + rest if order else "none of the table"


@dataclass(frozen=True)
class Barrier:
    """A figure and the chips whose ceiling lies below it.

    Attributes
    ----------
    row : int
        The figure's number in its file.
    quantity : str
        As in an exclusion: ``compute bf16``, ``bandwidth``, ``power`` …
    achieved : float
        What the figure proves at least: FLOP/s, B/s, W or B.
    chips : tuple of str
        What it excludes, the most capable first.
    nearest : Exclusion
        Of the chip that comes nearest to the figure: not even this one could.
    """

    row: int
    quantity: str
    achieved: float
    chips: tuple[str, ...]
    nearest: Exclusion

    @property
    def figure(self) -> str:
        """The figure in words: ``compute bf16 of at least 142 TFLOP/s``."""
        return f"{self.quantity} of at least {amount(self.achieved, self.quantity)}"

    @property
    def limit(self) -> str:
        """The nearest chip and its ceiling in words."""
        return f"{self.nearest.chip}, {self.nearest_ceiling}"

    @property
    def nearest_ceiling(self) -> str:
        """What the nearest chip can do at most, in words."""
        return amount(self.nearest.ceiling, self.quantity)


def barriers(verdict: Verdict) -> list[Barrier]:
    """Return the figures that exclude chips, the one that excludes most first."""
    by_row: dict[tuple[int, str], list[Exclusion]] = {}
    for e in verdict.excluded:
        by_row.setdefault((e.row, e.quantity), []).append(e)
    out = [
        Barrier(row, quantity, max(e.achieved for e in found), tuple(by_capability(e.chip for e in found)),
                min(found, key=lambda e: (e.margin, e.chip)))
        for (row, quantity), found in by_row.items()
    ]  # fmt: skip
    return sorted(out, key=lambda b: (-len(b.chips), b.row, b.quantity))


@dataclass(frozen=True)
class Possible:
    """The chips of one class that no figure excludes.

    Attributes
    ----------
    name : str
        Of the class, in words.
    of : int
        How many chips of the class the table has.
    named, others : list of str
        Parts for data centres (where it has none, the most capable), and the rest.
    """

    name: str
    of: int
    named: list[str]
    others: list[str]


def possible_by_class(verdict: Verdict) -> list[Possible]:
    """Return the chips that remain possible, class by class, likelier classes first."""
    table, found = chips.table(), dict[str, list[str]]()
    for chip in verdict.possible:
        found.setdefault(table[chip].architecture, []).append(chip)
    p = verdict.probabilities
    out = []
    for a in sorted(found, key=lambda a: (-p.get(a, 0.0), a)):
        order = by_capability(found[a])
        most = min(MOST_NAMED, sum(table[c].datacenter for c in order) or 3)
        # A single one left to count is as short by its name.
        most += len(order) == most + 1
        out.append(Possible(name_of(a), sum(c.architecture == a for c in table.values()), order[:most], order[most:]))
    return out


def classes_out(verdict: Verdict) -> list[str]:
    """Return the classes of which a figure excludes every chip of the table, in words."""
    table = chips.table()
    left, gone = ({table[c].architecture for c in names} for names in (verdict.possible, [e.chip for e in verdict.excluded]))
    return [name_of(a) for a in chips.ARCHITECTURES if a in gone - left]


def decides(verdict: Verdict) -> bool:
    """Return whether any one figure moves the answer much; if not, all that is left says the same."""
    return any(abs(e.weight) >= DECIDES for e in verdict.evidence)


def rows_in_words(rows: Sequence[int], most: int = 6) -> str:
    """Return row numbers with neighbours joined: ``rows 3–7, 9 and 12``, ranges beyond ``most`` counted."""
    spans: list[list[int]] = []
    for row in sorted(set(rows)):
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    words = [f"{a}" if a == b else f"{a}–{b}" for a, b in spans]
    rest = sum(b - a + 1 for a, b in spans[most:])
    if rest:
        words = [*words[:most], f"{rest} more"]
    joined = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
    return f"row{'s' if len(spans) > 1 or (spans and spans[0][0] != spans[0][1]) else ''} {joined}"


def ignored(verdict: Verdict) -> list[tuple[str, int, str]]:
    """Return (rows in words, how many, why) of what was left out, one entry a reason, the commonest first."""
    found: dict[str, list[int]] = {}
    for i in verdict.rows_ignored:
        found.setdefault(clean(i.why, 300), []).append(i.row)
    return [(rows_in_words(rows), len(rows), why) for why, rows in sorted(found.items(), key=lambda kv: (-len(kv[1]), kv[1][0]))]


def figures_used(verdict: Verdict) -> str:
    """Return how many figures were used and left out."""
    return f"{verdict.rows_used} figure{'s' if verdict.rows_used != 1 else ''} used, {len(verdict.rows_ignored)} ignored."


def identity(verdict: Verdict) -> str:
    """Return what the file says of its hardware, "" where it says nothing."""
    said = ", ".join(f"“{clean(name, 60)}”" for name in verdict.identity_seen)
    return f"It says of its hardware: {said}. That is reported, not used." if said else ""


def export_status(verdict: Verdict) -> str:
    """Return what the figures prove under the export rules, "" where they demonstrate no rate."""
    found = verdict.export_control
    if not found.get("tpp_at_least"):
        return ""
    proved = ", ".join(dict.fromkeys(str(line["rule"]) for line in found["lines"] if line["proved"]))
    return (f"Demonstrated TPP at least {found['tpp_at_least']:,.0f}" + (f"; proved: {proved}" if proved else "")
            + f". Rules as of {found['rules_as_of']}; no legal advice; figures prove “above”, never “below”.")  # fmt: skip


def export_in_short(verdict: Verdict) -> str:
    """Return what the figures prove under the export rules and how the likeliest chips stand; "" where neither is known."""
    found = verdict.export_control
    likely = (found.get("status") or {}).get("likely") or {}
    parts = []
    if found.get("tpp_at_least"):
        proved = ", ".join(dict.fromkeys(str(line["rule"]) for line in found["lines"] if line["proved"]))
        parts.append(f"Demonstrated TPP at least {found['tpp_at_least']:,.0f}, which proves {proved or 'no line of the rules'}")
    if likely:
        states = "; ".join(f"{state} ({listed(names, 3)})" for state, names in likely.items())
        parts.append(f"Export status on {found['rules_as_of']}, likely: {states}")
    return ". ".join([*parts, "Figures prove “above”, never “below”; no legal advice."]) if parts else ""


def standing(verdict: Verdict) -> str:
    """Return how what is likely and what is possible stands under the export rules, "" where the verdict doesn't say."""
    told = verdict.export_control.get("status") or {}
    parts = []
    if told.get("likely"):
        parts.append("likely: " + "; ".join(f"{state} ({listed(names, 4)})" for state, names in told["likely"].items()))
    if told.get("possible"):
        parts.append("possible: " + ", ".join(f"{state} {len(names)}" for state, names in told["possible"].items()))
    return f"Export status on {verdict.export_control['rules_as_of']}, {'. '.join(parts)}. No legal advice." if parts else ""


def claim_why(verdict: Verdict) -> str:
    """Return why a claim holds or not, as a sentence; "" without a claim."""
    why = clean(verdict.claim.why, 600) if verdict.claim else ""
    return why[:1].upper() + why[1:]


def fields(item: Any) -> dict[str, Any]:
    """Return an entry of a list as a dictionary, whether it is one, a dataclass, or has ``to_dict``."""
    if isinstance(item, Mapping):
        return dict(item)
    if hasattr(item, "to_dict"):
        return dict(item.to_dict())
    return asdict(item) if is_dataclass(item) and not isinstance(item, type) else {"says": str(item)}


def next_measurements(verdict: Verdict) -> list[dict[str, Any]]:
    """Return the measurements that would tell most, each with ``words``, ``separates`` and ``bits`` (None if not known)."""
    out = []
    for item in getattr(verdict, "next_measurement", None) or ():
        found = fields(item)
        parts = [clean(str(found[k]), 80) for k in ("workload", "precision", "phase", "shape") if found.get(k)]
        words = clean(str(found.get("says") or ""), 300) or ", ".join(parts) or "a further figure"
        tool = clean(str(found.get("tool") or ""), 60)
        apart = " from ".join(map(short_of, map(str, found.get("would_separate") or ())))
        bits = found.get("bits")
        out.append({"words": f"{words} ({tool})" if tool and tool not in words else words, "separates": apart,
                    "bits": float(bits) if isinstance(bits, int | float) else None})  # fmt: skip
    return out


def next_sentence(entry: Mapping[str, Any]) -> str:
    """Return one entry of :func:`next_measurements` as a sentence."""
    apart = f" would separate {entry['separates']}" if entry["separates"] else ""
    bits = f"{',' if apart else ':'} {entry['bits']:.2g} bits expected" if entry["bits"] is not None else ""
    return f"{entry['words']}{apart}{bits}."


def likely_chips(verdict: Verdict, most: int = 6) -> list[tuple[str, float]]:
    """Return the likeliest chips with their probabilities; empty when the verdict does not go down to chips."""
    found = getattr(verdict, "chips", None) or {}
    return [(c, float(p)) for c, p in sorted(found.items(), key=lambda kv: (-kv[1], kv[0])) if p >= LEAST_SHOWN][:most]


def twins(verdict: Verdict) -> list[str]:
    """Return the groups of chips that these figures can't tell apart, each in words."""
    return [" and ".join([", ".join(group[:-1]), group[-1]] if len(group) > 1 else group)
            for group in (list(map(str, g)) for g in getattr(verdict, "twins", None) or ())]  # fmt: skip
