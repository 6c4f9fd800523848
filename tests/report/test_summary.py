"""What the index says first is what the tables say."""

import json

import pandas as pd
import pytest
from radiogenomics.comparison import readings
from radiogenomics.report import index_page, summary
from radiogenomics.report.manifest import earlier_states
from radiogenomics.study import contract, tables


def states(study):
    return {check.name: check.state for check in summary.checks(study)}


def test_the_paragraph_has_the_primary_models_numbers(copied):
    text = summary.paragraph(copied)
    metrics = copied.table(tables.METRICS)
    auc = metrics[(metrics.model == "CNN") & (metrics.cohort == "test")]
    auc = auc[(auc.metric == "auc") & auc.ci_method.isin(contract.AUC_INTERVALS)].iloc[0]
    assert f"{auc.value:.3f} (95% CI {auc.ci_low:.3f} to {auc.ci_high:.3f})" in text
    assert text.startswith("Simulated patients.") and "(by default: no plan declares one)" in text
    gap = copied.table(tables.DIFFERENCES).query("measure == 'auc' and primary").iloc[0]
    assert f"{gap.value:+.3f} against Clinical" in text and "nan" not in text
    (copied.tables / "metrics.csv").unlink()
    assert summary.paragraph(copied) == ""


def test_each_check_follows_its_table(copied):
    found = states(copied)
    assert found["sample size"] == "look" and found["privacy"] in ("fine", "not run")
    outcome = copied.table(tables.CNN_TRAININGS)
    for learned, state in ((True, "fine"), (False, "fault")):
        outcome.assign(learned=learned).to_csv(copied.tables / "cnn_trainings.csv", index=False)
        assert states(copied)["trainings"] == state
    one = outcome.assign(learned=outcome.training != "fold 1")
    one.to_csv(copied.tables / "cnn_trainings.csv", index=False)
    assert states(copied)["trainings"] == "look"
    table = copied.table(tables.VERDICT)
    for word, state in (("yes", "fine"), ("undecided", "look"), ("no", "fault")):
        table.assign(verdict=word).to_csv(copied.tables / "verdict.csv", index=False)
        assert states(copied)["controls"] == state
    (copied.tables / "verdict.csv").unlink()
    assert states(copied)["controls"] == "not run"
    outcome = copied.table(tables.GRADCAM_OUTCOME)
    for word, state in (("passed", "fine"), ("not decided", "look"), ("failed", "fault")):
        outcome.assign(outcome=word).to_csv(copied.tables / "gradcam_outcome.csv", index=False)
        assert states(copied)["maps"] == state
    metrics = copied.table(tables.METRICS)
    ratio = (metrics.metric == "o_over_e") & (metrics.ci_method == "wald")
    wald = metrics.metric.isin(["calibration_slope", "o_over_e"]) & (metrics.ci_method == "wald")
    metrics.loc[wald, ["ci_low", "ci_high"]] = [0.5, 2.0]
    metrics.to_csv(copied.tables / "metrics.csv", index=False)
    assert states(copied)["calibration"] == "fine"
    metrics.loc[wald & ~ratio, ["ci_low", "ci_high"]] = [-17191.9, 17216.5]
    metrics.to_csv(copied.tables / "metrics.csv", index=False)
    looked = {check.name: check for check in summary.checks(copied)}["calibration"]
    assert looked.state == "look" and "cannot be judged" in looked.text
    told = summary.paragraph(copied)
    assert "Calibration cannot be judged" in told and "17216" not in told
    metrics.loc[wald, ["ci_low", "ci_high"]] = [0.5, 2.0]
    assert not readings.calibration_of(metrics, "test", "CNN")["vague"]
    metrics.loc[ratio, ["ci_low", "ci_high"]] = [1.5, 2.0]
    metrics.to_csv(copied.tables / "metrics.csv", index=False)
    assert states(copied)["calibration"] == "look"


def test_a_finding_of_the_privacy_scan_is_a_fault(copied):
    manifest = json.loads(copied.manifest_json.read_text())
    for found, state in (([], "fine"), ([{"file": "a", "kind": "path", "n": 1}], "fault")):
        manifest["privacy_scan"] = {"time": "", "found": found}
        copied.manifest_json.write_text(json.dumps(manifest))
        assert states(copied)["privacy"] == state


def test_the_index_has_the_checks_and_the_papers_auc(copied):
    page = index_page.build_index(copied, list(earlier_states(copied).values())).read_text("utf-8")
    before_figures = page.partition('class="figure"')[0]
    for check in summary.checks(copied):
        assert f'class="state {check.state}"' in before_figures
    assert '<p class="summary">' in before_figures and "<b>CNN</b>" in before_figures
    assert "AUC in the paper" in before_figures
    printed = copied.table(tables.PAPER_VS_RUN)
    cnn = printed[(printed.model == "CNN") & (printed.cohort == "test")]
    assert f"{cnn[cnn.metric == 'auc'].published.item():.3f}" in before_figures
    written = json.loads(copied.manifest_json.read_text())["written"][:10]
    assert f"Written {written}" in before_figures


@pytest.mark.parametrize("name", ["04_cnn", "05_comparison"])
def test_figures_of_a_page_are_numbered_and_read_out(finished, name):
    page = (finished.reports / f"{name}.html").read_text(encoding="utf-8")
    drawn = page.count('class="figure"')
    labels = [f"<b>Figure {int(name[:2])}.{n}.</b>" for n in range(1, drawn + 1)]
    assert drawn and all(label in page for label in labels)
    assert pd.Series(page.split('aria-label="')[1:]).str.partition('"')[0].str.len().max() > 60
