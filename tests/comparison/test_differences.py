"""differences.csv and at_prevalence.csv against the answers for a given table."""

import json

import numpy as np
import pandas as pd
import pytest
from radiogenomics.comparison import differences, evidence, other_scores, plan
from radiogenomics.study.settings import Plan, Settings
from radiogenomics.study.study import Study


def made(tmp_path, n=132, **declared):
    rng = np.random.default_rng(3)
    label = np.arange(n) % 2
    score = {
        "m1": 1 / (1 + np.exp(-(1.6 * (label - 0.5) + rng.normal(size=n)))),
        "m2": 1 / (1 + np.exp(-(0.8 * (label - 0.5) + rng.normal(size=n)))),
        "m3": rng.random(n),
    }
    rows = [pd.DataFrame({"patient": [f"P{i}" for i in range(n)], "label": label, "model": name,
                          "score": values}) for name, values in score.items()]  # fmt: skip
    path = tmp_path / "scores.csv"
    pd.concat(rows).to_csv(path, index=False)
    return found(path, **declared)


def found(path, **declared):
    study = Study(path.parent, path.parent / "out", Settings(plan=Plan(**declared)))
    scores = other_scores.read_scores(path)
    chosen, draws = evidence.thresholds(study, scores), evidence.drawings(study, scores)
    judged = plan.judged(study.settings.plan, scores.model.unique())
    gaps = differences.differences(study, scores, chosen, judged, draws)
    return gaps, differences.at_prevalence(study, scores, chosen, draws)


def test_the_declared_comparison_alone_is_uncorrected(tmp_path):
    gaps, _ = made(tmp_path, primary="m2", reference="m3", margin=0.05)
    auc = gaps[gaps.measure == "auc"].set_index(["model_a", "model_b"])
    assert auc.primary.tolist() == [True, False, False] and auc.index[0] == ("m2", "m3")
    assert auc.p_holm.iloc[0] == auc.p.iloc[0]
    rest = np.sort(auc.p.iloc[1:])
    assert sorted(auc.p_holm.iloc[1:]) == pytest.approx([2 * rest[0], max(2 * rest[0], rest[1])])
    assert (gaps.measure == "auc_noninferiority").sum() == 6
    assert {"sensitivity", "sensitivity_mid_p", "brier", "net_benefit_at_0.5"} < set(gaps.measure)
    undeclared, _ = made(tmp_path)
    assert (undeclared.p_holm.dropna() >= undeclared.p[undeclared.p_holm.notna()]).all()


def test_cutoffs_of_the_plan_and_predictive_values_elsewhere(tmp_path):
    gaps, elsewhere = made(tmp_path, cutoffs={"m1": 0.3}, prevalence=0.15)
    assert {"net_benefit_at_0.3", "net_benefit_at_0.5"} < set(gaps.measure)
    one = elsewhere[elsewhere.model == "m1"].set_index("metric")
    assert (one.threshold == 0.3).all() and (one.prevalence == 0.15).all()
    assert (one.ci_low < one.value).all() and (one.value < one.ci_high).all()
    assert made(tmp_path)[1].empty


def test_a_constant_model_and_one_event(tmp_path):
    path = tmp_path / "scores.csv"
    score = [*np.linspace(0, 0.9, 20), *[0.5] * 20]
    rows = {"patient": [f"P{i}" for i in range(20)] * 2, "label": ([1] + [0] * 19) * 2}
    rows |= {"model": ["a"] * 20 + ["b"] * 20, "score": score}
    pd.DataFrame(rows).to_csv(path, index=False)
    gaps, _ = found(path)
    assert np.isfinite(gaps.value).all() and not np.isinf(gaps.ci_low).any()
    assert np.isnan(gaps.set_index("measure").p["auc"])


@pytest.mark.parametrize("pair", [("m1", "m2"), ("m1", "m3"), ("m2", "m3")])
def test_the_given_answers(given_scores, pair):
    answers = json.loads((given_scores / "a132_answers.json").read_text())
    gaps, elsewhere = found(
        given_scores / "a132.csv", primary=pair[0], reference=pair[1], margin=0.05,
        cutoffs={"m1": 0.5, "m2": 0.5, "m3": 0.5}, prevalence=0.15,
    )  # fmt: skip
    own = gaps[(gaps.model_a == pair[0]) & (gaps.model_b == pair[1])].set_index("measure")
    answer = answers["-".join(pair)]
    assert own.value["auc"] == pytest.approx(answer["delta_auc"], abs=1e-12)
    limits = own.loc["auc", ["ci_low", "ci_high"]].tolist()
    assert limits == pytest.approx(answer["ci95"], abs=1e-5)  # theirs: 1.96 standard errors
    better = answer["noninferiority_margin_0.05_p_one_sided"]
    assert own.p["auc_noninferiority"] == pytest.approx(better, rel=1e-9)
    for measure in ("sensitivity", "specificity"):
        theirs = answer[f"mcnemar_{measure}_at_0.5"]
        assert own.p[measure] == pytest.approx(theirs["exact_p"], rel=1e-9)
        assert own.p[f"{measure}_mid_p"] == pytest.approx(theirs["midp"], rel=1e-9)
    at = answers[f"{pair[0]} at prevalence 0.15, threshold 0.5"]
    told = elsewhere[elsewhere.model == pair[0]].set_index("metric").value
    assert (told["ppv"], told["npv"]) == pytest.approx((at["ppv"], at["npv"]), rel=1e-9)
    three = found(given_scores / "a132.csv", cutoffs=dict.fromkeys(("m1", "m2", "m3"), 0.3))[0]
    benefit = three[three.measure == "net_benefit_at_0.3"].set_index(["model_a", "model_b"])
    theirs = answer["net_benefit_difference_at_0.3"]
    assert benefit.value[pair] == pytest.approx(theirs["value"], abs=1e-12)
    limits = benefit.loc[pair, ["ci_low", "ci_high"]].tolist()
    assert limits == pytest.approx(theirs["bootstrap95"], abs=0.02)
