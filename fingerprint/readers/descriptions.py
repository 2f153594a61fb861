"""Files that describe hardware and hold no measurement: recognised, so that a person is told what to give instead."""

from __future__ import annotations

import re

#: What such a file holds near its beginning, and what to say of it.
_DESCRIPTIONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r'"accelerator_model_name"\s*:'),
     "describes the hardware of an MLPerf system and holds no figures; give the folder of the submission, or its results"),
    (re.compile(r"^ +(?:mem_bw|bfloat16_tc_flops)\s*:", re.MULTILINE),
     "is a data sheet for a planning tool, with no measured figure in it; give the tables that were measured"),
)  # fmt: skip


def described(head: str) -> str | None:
    """Return what to say of a file that only describes hardware, by its beginning; None for any other."""
    return next((says for pattern, says in _DESCRIPTIONS if pattern.search(head)), None)
