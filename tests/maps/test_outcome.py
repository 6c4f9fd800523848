"""Four lines on the maps: each rule at its limit."""

import pandas as pd
import pytest
from radiogenomics.maps import outcome

ROWS = {
    "energy in the lesion (called class)": (0.6, 0.3, 25, 0.01),
    "weights re-initialised down to dense: spearman": (0.6, 0.0, 6, None),
    "weights re-initialised down to conv3d_3: spearman": (0.2, 0.0, 6, None),
    "weights re-initialised down to conv3d_1: spearman": (None, None, 0, None),
    "fold 1: spearman": (0.7, 0.0, 6, None),
    "fold 2: spearman": (0.6, 0.0, 6, None),
    "occlusion: spearman": (0.4, 0.1, 6, 0.03),
}


def told(idle="", **changed):
    rows = {name: list(row) for name, row in ROWS.items()}
    for name, row in changed.items():
        key = next(k for k in rows if k.replace(" ", "_").startswith(name))
        rows[key] = row
    table = pd.DataFrame(rows, index=["value", "reference", "n", "p_holm"], dtype=float).T
    table["p"] = table.p_holm
    found = outcome.outcome(table.rename_axis("check").reset_index(), idle)
    assert found.why.str.len().min() > 10 and not found.why.str.contains("nan").any()
    return dict(zip(found.check, found.outcome, strict=True))


def test_all_pass():
    assert set(told().values()) == {"passed"}


@pytest.mark.parametrize(
    ("check", "row", "state"),
    [
        ("place", {"energy": (0.2, 0.3, 25, 0.01)}, "failed"),
        ("place", {"energy": (0.6, 0.3, 25, 0.05)}, "not decided"),
        ("place", {"energy": (0.6, 0.3, 25, None)}, "not decided"),
        ("new weights", {"weights_re-initialised_down_to_conv3d_3": (0.5, 0, 6, None)}, "failed"),
        ("new weights", {"weights_re-initialised_down_to_conv3d_3": (0.2, 0, 5, None)}, "failed"),
        ("stability", {"fold_2": (0.49, 0.0, 6, None)}, "failed"),
        ("stability", {"fold_2": (0.9, 0.0, 5, None)}, "not decided"),
        ("hiding", {"occlusion": (0.4, 0.1, 0, None)}, "not decided"),
        ("hiding", {"occlusion": (0.1, 0.4, 6, 0.01)}, "failed"),
    ],
)  # fmt: skip
def test_each_rule_at_its_limit(check, row, state):
    found = told(**row)
    assert found[check] == state
    assert {word for name, word in found.items() if name != check} == {"passed"}


def test_a_network_that_failed_to_train_decides_nothing():
    assert set(told(idle="1 of 4 trainings failed.").values()) == {"not decided"}


def test_the_planted_part_is_asked_where_it_is_known():
    table = pd.DataFrame(
        [("energy in the lesion", 0.3, 0.3, 25, 0.9),
         ("energy in the planted part", 0.5, 0.5, 25, 0.8),
         ("energy in the lesion (called class)", 0.9, 0.3, 25, 0.01),
         ("energy in the planted part (called class)", 0.2, 0.5, 25, 0.01)],
        columns=["check", "value", "reference", "n", "p"],
    )  # fmt: skip
    found = outcome.outcome(table.assign(p_holm=2 * table.p)).set_index("check")
    assert found.outcome["place"] == "failed" and "planted part" in found.why["place"]
    assert "p = 0.040 after Holm over 4 tests" in found.why["place"]
    few = table.assign(p=[0.9, 0.8, 0.1, 0.02])  # 0.04 among two tests, 0.08 among four
    assert outcome.outcome(few.assign(p_holm=0.04)).outcome[0] == "not decided"
