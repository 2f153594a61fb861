"""The shipped model: it loads, it says the same as when it was made, and damage is refused."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fingerprint import classify, read, storage
from fingerprint.errors import ModelError
from fingerprint.evidence import posterior
from fingerprint.measurements import Words
from fingerprint.resources import path
from fingerprint.scorer import CLASSES, Model, shipped

EXAMPLES = path("datasets/examples")
STORED = Path(__file__).parent / "stored_predictions.json"


def index() -> list[dict[str, str]]:
    """The examples with their truth."""
    with (EXAMPLES / "index.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def predictions() -> dict[str, list[float]]:
    """Probabilities of every example, to be stored: a changed output is deliberate."""
    model = shipped()
    return {row["file"]: model.predict_proba(read(EXAMPLES / row["file"]))[0].tolist() for row in index()}


def test_the_shipped_model_says_what_it_said_when_it_was_made() -> None:
    """Probabilities of all examples equal the stored ones to 1e-9."""
    stored = json.loads(STORED.read_text())
    found = predictions()
    assert set(stored) == set(found)
    for file, told in found.items():
        np.testing.assert_allclose(told, stored[file], rtol=0, atol=1e-9, err_msg=file)


#: H20 examples that the shipped model does not call H20, and why; one that gets better must leave this list.
KNOWN_MISSES = {
    "h20-96gb-model-steps.csv": "a tie: an A100 at its usual speed for prompts and 91 % of its bandwidth fits as well as an H20; second is H20",
}


@pytest.mark.parametrize("file", [row["file"] for row in index() if row["architecture"] == "h20"])
def test_h20_examples_are_called_h20(file: str, request: pytest.FixtureRequest) -> None:
    """The class at the heart of the project is recognised in its examples, but for the misses that are listed."""
    if file in KNOWN_MISSES:
        request.applymarker(pytest.mark.xfail(reason=KNOWN_MISSES[file]))
    assert classify(read(EXAMPLES / file))[0].architecture == "h20"


def test_at_most_one_example_in_ten_has_its_class_outside_the_set() -> None:
    """The 90 % sets hold the truth of at least nine examples in ten."""
    inside = [r["architecture"] in classify(read(EXAMPLES / r["file"]))[0].prediction_set for r in index()]
    assert np.mean(inside) >= 0.9


def test_no_example_excludes_its_own_chip() -> None:
    """What made the figures is possible."""
    from fingerprint import chips

    for row in index():
        verdict = classify(read(EXAMPLES / row["file"]))[0]
        assert set(chips.members(row["chip"])) & set(verdict.possible), row["file"]


def test_row_order_and_company_change_nothing() -> None:
    """A profile's answer depends on its own rows, in any order."""
    table = read(EXAMPLES / index()[0]["file"])
    model = shipped()
    alone = model.predict_proba(table)
    shuffled = table.take(np.random.default_rng(1).permutation(len(table)))
    np.testing.assert_allclose(model.predict_proba(shuffled), alone, atol=1e-9)
    twice = np.concatenate([np.arange(len(table))] * 2)
    names = Words(np.repeat([0, 1], len(table)).astype(np.int32), ("a", "b"))
    doubled = table.take(twice)
    doubled = replace(doubled, words={**doubled.words, "profile": names})
    np.testing.assert_allclose(model.predict_proba(doubled), np.vstack([alone, alone]), atol=1e-9)


def test_scores_do_not_depend_on_how_the_rows_were_looked_at() -> None:
    """Residuals worked out once serve every profile that is made of the rows."""
    table = read(EXAMPLES / index()[0]["file"])
    model = shipped()
    rows = np.arange(0, len(table), 2)
    direct = model.scores(table.take(rows))
    reused = model.scores(table.take(rows), model.look(table), rows)
    np.testing.assert_allclose(direct.matching, reused.matching, atol=1e-6)


def test_a_class_whose_chips_are_all_excluded_has_no_probability() -> None:
    """Physics has the last word."""
    file = next(r["file"] for r in index() if r["architecture"] == "blackwell")
    verdict = classify(read(EXAMPLES / file))[0]
    gone = {e.chip for e in verdict.excluded}
    assert {"H20-96GB", "H20-141GB"} <= gone
    assert verdict.probabilities["h20"] == 0.0
    assert "h20" not in verdict.prediction_set


def test_an_impossible_question_is_answered_with_all_that_was_allowed() -> None:
    """If the figures exclude everything that was thought possible, the set holds it all."""
    file = next(r["file"] for r in index() if r["architecture"] == "blackwell")
    model = shipped()
    allowed = np.array([c == "h20" for c in CLASSES])
    p, inside = posterior(model, model.scores(read(EXAMPLES / file)), allowed, 0.9)
    assert p[0, CLASSES.index("h20")] == 1.0
    assert inside[0].tolist() == allowed.tolist()


def test_a_model_for_other_features_is_refused(tmp_path: Path) -> None:
    """A header that names other columns ends in a clear error."""
    header, arrays = storage.load(path("models/architecture.fpm"))
    header = {k: v for k, v in header.items() if k not in ("arrays", "sha256")}
    header["columns"] = {"direct": ["length_of_name"]}
    storage.save(tmp_path / "m.fpm", header, arrays)
    with pytest.raises(ModelError, match="other features"):
        Model.load(tmp_path / "m.fpm")


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    """One changed byte is noticed."""
    raw = bytearray(path("models/architecture.fpm").read_bytes())
    raw[-100] ^= 1
    (tmp_path / "m.fpm").write_bytes(raw)
    with pytest.raises(ModelError, match="checksum"):
        Model.load(tmp_path / "m.fpm")


if __name__ == "__main__":
    STORED.write_text(json.dumps(predictions(), indent=0) + "\n")
