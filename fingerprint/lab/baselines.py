"""What the model is measured against: the marketplaces' nearest prototype, and boosting on raw columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from fingerprint.classifier import telling_columns
from fingerprint.features import feature_names
from fingerprint.lab.profiles import Profiles
from fingerprint.measurements import Floats

#: The few numbers that GPU marketplaces compare (a cold FP16 and FP32 matmul, memory); bandwidth stands for memory, since
#: capacity is no performance figure.
PROTOTYPE_FEATURES = ("gemm-16.flops.best", "gemm-fp32.flops.best", "memory.bytes.best")

Labels = npt.NDArray[np.object_]


class NearestPrototype:
    """The class of the chip whose median figures deviate least, in mean relative deviation over the figures at hand.

    Re-implemented from the rule's description; prototypes are the medians of the training profiles by chip, the H20's too
    (the published tables of such rules lack it).
    """

    def fit(self, train: Profiles) -> NearestPrototype:
        """Return self, with one prototype a chip or family."""
        columns = [feature_names().index(f) for f in PROTOTYPE_FEATURES]
        frame = pd.DataFrame(10.0 ** train.x[:, columns])
        frame["chip"], frame["class"] = train.chip, train.architecture
        frame = frame[(frame["chip"] != "") & frame[[0, 1, 2]].notna().any(axis=1)]
        grouped = frame.groupby("chip")
        self.values = grouped[[0, 1, 2]].median().to_numpy()
        self.names = grouped["class"].first().to_numpy(dtype=object)
        counts = pd.Series(train.architecture).value_counts()
        self.majority = str(counts.index[0])
        return self

    def predict(self, test: Profiles) -> tuple[Labels, npt.NDArray[np.bool_]]:
        """Return a class a profile and whether the rule had a figure to go by; without one it says the commonest class."""
        columns = [feature_names().index(f) for f in PROTOTYPE_FEATURES]
        seen = 10.0 ** test.x[:, columns]
        with np.errstate(all="ignore"):
            away = np.abs(seen[:, None, :] - self.values) / self.values
            distance = np.nansum(away, axis=2) / (~np.isnan(away)).sum(axis=2)
        usable = ~np.isnan(distance).all(axis=1)
        answer = np.full(len(test), self.majority, dtype=object)
        answer[usable] = self.names[np.nanargmin(distance[usable], axis=1)]
        return answer, usable


def raw_columns(profiles: Profiles) -> Floats:
    """Return median and largest raw value of each quantity and unit, and medians of the shape columns, a profile a row."""
    table = profiles.table()
    frame = table.to_frame()
    frame["value"] = np.log10(frame["value"].clip(lower=1e-30))
    frame["profile"] = table.profile_numbers()
    frame["what"] = frame["quantity"] + "|" + frame["unit"]
    wanted = [f"{q}|{u}" for q, u in RAW_QUANTITIES]
    grouped = frame[frame["what"].isin(wanted)].groupby(["profile", "what"])["value"]
    parts = [grouped.median().unstack(), grouped.max().unstack()]
    parts = [p.reindex(index=range(len(profiles)), columns=wanted) for p in parts]
    shapes = [c for c in ("accelerators", "batch", "concurrency", "input_tokens", "output_tokens", "m", "n", "k",
                          "message_bytes") if c in frame]  # fmt: skip
    shape = frame.groupby("profile")[shapes].median().reindex(range(len(profiles)))
    return np.hstack([p.to_numpy(dtype=float) for p in (*parts, shape)])


RAW_QUANTITIES = tuple((q, u) for q, u in (
    ("throughput", "token/s"), ("throughput", "sample/s"), ("throughput", "request/s"), ("output_throughput", "token/s"),
    ("input_throughput", "token/s"), ("total_throughput", "token/s"), ("latency", "s"), ("ttft", "s"), ("tpot", "s"),
    ("step_time", "s"), ("compute_rate", "FLOP/s"), ("bandwidth", "B/s"), ("bus_bandwidth", "B/s"), ("power", "W"),
))  # fmt: skip


def raw_boosting(train: Floats, y: Sequence[str], weight: Floats, test: Floats) -> Labels:
    """Return the answers of scikit-learn's boosting, as it comes, on raw throughput columns."""
    told = telling_columns(train)
    model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=0)
    return np.asarray(model.fit(train[:, told], y, sample_weight=weight).predict(test[:, told]), dtype=object)
