"""The checklists: met only by files of the run, by the author's words where only they can tell."""

import dataclasses
import json
import re
import shutil

import nbformat
import pandas as pd
import pytest
from radiogenomics.cohort import seal
from radiogenomics.report import checklists, manuscript
from radiogenomics.report.checklists import AUTHOR, MET, MISSING, NOT_APPLICABLE, STATED
from radiogenomics.report.pages import notebooks
from radiogenomics.study import contract, tables
from radiogenomics.study.contract import Table
from radiogenomics.study.settings import Author
from radiogenomics.study.study import Study, load_study
from radiogenomics.study.words import say

ITEMS = checklists.read_items()
EVIDENCE = ITEMS["evidence"]
LARGER_ONLY = {"repeatable", "supported_size", "clusters"}
WEIGHTS = [
    0.0368, 0.0735, 0.0919, 0.0438, 0.0292, 0.0438, 0.0292, 0.0337, 0.0225, 0.0112, 0.0622, 0.0311,
    0.0415, 0.02, 0.02, 0.03, 0.02, 0.0599, 0.03, 0.0352, 0.0234, 0.0176, 0.0117, 0.0293, 0.0176,
    0.0375, 0.0749, 0.0075, 0.0075, 0.0075,
]  # fmt: skip

SIMULATED = say("report", "synthetic")


def by_item(study, name):
    return {one.item: one for one in checklists.answer(study, name)}


def saying(study, **words):
    settings = dataclasses.replace(study.settings, author=Author(**words))
    return dataclasses.replace(study, settings=settings)


def users(file):
    """The items of each checklist that take evidence from a file."""
    for name, items in ITEMS["lists"].items():
        taking = [
            o for o in items if any(EVIDENCE[e]["file"] == file for e in o.get("evidence", []))
        ]
        if taking:
            yield name, taking


def test_a_parameter_files_classes_are_told_without_what_they_leave_open():
    held = {"featureClass": {"shape": None, "glcm": ["Idn", "Imc1"]}, "setting": {}}
    assert checklists._told(held) == "featureClass shape; glcm Idn, Imc1; setting"


def test_the_lists_are_whole():
    numbers = {n: [one["item"] for one in items] for n, items in ITEMS["lists"].items()}
    assert numbers["clear"] == [str(i) for i in range(1, 59)]
    assert numbers["metrics"] == [str(i) for i in range(1, 31)]
    assert len(set(numbers["tripod_ai"])) == 52
    assert {int(re.match(r"\d+", i)[0]) for i in numbers["tripod_ai"]} == set(range(1, 28))
    assert [one["weight"] for one in ITEMS["lists"]["metrics"]] == WEIGHTS
    fields = {f.name for f in dataclasses.fields(Author)}
    for items in ITEMS["lists"].values():
        for one in items:
            assert set(one.get("author", [])) <= fields
            assert set(one.get("evidence", [])) <= set(EVIDENCE)


def test_every_section_that_is_linked_is_a_heading():
    headings = set()
    for path in notebooks():
        for cell in nbformat.read(path, 4).cells:
            if cell.cell_type == "markdown":
                lines = [line for line in cell.source.splitlines() if line.startswith("## ")]
                headings |= {f"{path.stem}.html#{line[3:].replace(' ', '-')}" for line in lines}
    assert {one["where"] for one in EVIDENCE.values() if "where" in one} <= headings


def test_each_artefact_that_is_deleted_turns_its_items_to_missing(copied):
    everything = {f.name: "said, https://example.org" for f in dataclasses.fields(Author)}
    copied = saying(copied, **everything | {"segmentation_kind": "automatic"})
    checklists.build(copied)
    before = {name: by_item(copied, name) for name in checklists.TITLES}
    for file in {one["file"] for one in EVIDENCE.values()}:
        path = copied.reports / file
        path.rename(path.with_suffix(".away"))
        for name, items in users(file):
            after = by_item(copied, name)
            for one in items:
                small = LARGER_ONLY & set(one["evidence"])
                assert small or before[name][one["item"]].state in (MET, STATED), (name, one)
                assert after[one["item"]].state == MISSING, (name, one)
        path.with_suffix(".away").rename(path)
    assert before == {name: by_item(copied, name) for name in checklists.TITLES}


def test_a_file_alone_is_not_enough(copied):
    before = by_item(copied, "metrics")
    assert before["27"].state == before["4"].state == before["22"].state == MET
    for name, keep in (
        ("metrics.csv", "scores != 'external'"),
        ("flow.csv", "reason != 'test'"),
        ("acquisition.csv", "patient == 'nobody'"),
    ):
        rows = pd.read_csv(copied.tables / name, dtype={"patient": str})
        rows.query(keep).to_csv(copied.tables / name, index=False)
    after = by_item(copied, "metrics")
    assert {after[i].state for i in ("4", "6", "20", "21", "22", "23", "27")} == {MISSING}
    (copied.tables / "confusion.csv").write_text("model\nCNN\n")
    assert by_item(copied, "clear")["39"].state == MISSING
    copied.table(tables.DELONG).iloc[:0].to_csv(copied.tables / "delong.csv", index=False)
    assert by_item(copied, "clear")["41"].state == MISSING


def test_features_are_removed_only_where_a_limit_was_on(copied):
    assert by_item(copied, "metrics")["14"].state == MISSING  # measured again, nothing dropped
    assert "ICC" not in " ".join(one.text for one in manuscript.draft(copied)["Methods"])
    steps = copied.table(tables.SELECTION_STEPS)
    first = {"step": "agreement of two readers", "rule": "ICC >= 0.75", "kept": 99, "dropped": 1}
    pd.concat([pd.DataFrame([first]), steps]).to_csv(
        copied.tables / "selection_steps.csv", index=False
    )
    assert by_item(copied, "metrics")["14"].state == MET
    told = " ".join(one.text for one in manuscript.draft(copied)["Methods"])
    assert "agreement of two readers (ICC >= 0.75; 99 kept)" in told


def test_the_author_alone_fills_what_only_they_know(copied):
    silent = by_item(saying(copied), "tripod_ai")
    assert silent["17"].state == silent["26"].state == silent["9c"].state == AUTHOR
    told = by_item(saying(copied, ethics="Approved, 2021-07", readers="Two, 10 years"), "tripod_ai")
    assert told["17"].state == told["9c"].state == STATED and told["26"].state == AUTHOR
    assert told["17"].said == {"ethics": "Approved, 2021-07"}
    assert told["1"].state == AUTHOR  # the manuscript's title, which no field holds
    (copied.tables / "masks.csv").unlink()
    assert by_item(saying(copied, readers="Two"), "tripod_ai")["9c"].state == MISSING


def test_sharing_counts_in_metrics_with_an_address(copied):
    for words, state in (("On request", AUTHOR), ("doi:10.5281/zenodo.1", STATED), (" ", AUTHOR)):
        assert by_item(saying(copied, data_availability=words), "metrics")["28"].state == state
    told = by_item(saying(copied, data_availability="On request"), "tripod_ai")
    assert told["18e"].state == STATED


@pytest.mark.parametrize(
    ("kind", "state"),
    [("", AUTHOR), ("manual", NOT_APPLICABLE), ("semi-automatic", NOT_APPLICABLE),
     ("automatic", MET)],
)  # fmt: skip
def test_automatic_segmentation_is_asked_of_automatic_segmentation(copied, kind, state):
    assert by_item(saying(copied, segmentation_kind=kind), "metrics")["9"].state == state


def test_the_score_is_the_met_weight_of_what_applies(copied):
    answers = checklists.answer(saying(copied, segmentation_kind="manual"), "metrics")
    met = sum(w for w, one in zip(WEIGHTS, answers, strict=True) if one.state == MET)
    expected = 100 * met / (1 - WEIGHTS[8])
    assert checklists.metrics_score(answers, (MET,)) == pytest.approx(expected)
    whole = [dataclasses.replace(one, state=MET) for one in answers]
    assert checklists.metrics_score(whole, (MET,)) == pytest.approx(100)
    assert checklists.metrics_score(answers, ()) == 0
    bands = [checklists.band(s) for s in (0, 19.9, 20, 39.9, 40, 60, 79.9, 80, 100)]
    assert bands == ["very low", "very low", "low", "low", "moderate", "good", "good", "excellent",
                     "excellent"]  # fmt: skip


def test_page_and_tables_say_the_same_and_ask_no_network(copied):
    page = checklists.build(copied).read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["'](https?:)?//|<script|@import|url\(""", page)
    assert "Synthetic data" in page and "demonstration data – not evidence" in page
    for name, title in checklists.TITLES.items():
        table = pd.read_csv(copied.tables / f"checklist_{name}.csv", dtype={"item": str})
        assert list(table.columns[:5]) == ["item", "label", "state", "evidence", "where"]
        assert table.synthetic.all() and title in page
        shown = re.findall(rf'<tr id="{name}-(\w+)">.*?class="state [^"]*">([^<]*)<', page, re.S)
        assert shown == list(zip(table.item, table.state, strict=True))
    for href in set(re.findall(r'href="([^"#]+)', page)) - {"index.html"}:
        assert (copied.reports / href).exists(), href


def test_a_study_of_real_patients_carries_no_mark(copied):
    real = dataclasses.replace(copied.settings, synthetic=False, title="Ours", author=Author())
    copied = dataclasses.replace(copied, settings=real)
    shutil.rmtree(copied.figures)  # whose titles carry the mark
    page = checklists.build(copied).read_text(encoding="utf-8")
    told = page + (copied.reports / "manuscript.md").read_text(encoding="utf-8")
    assert not re.search("synthetic|demonstration|simulated", told, re.I)


def test_an_empty_report_folder_meets_nothing(finished, tmp_path):
    empty = Study(finished.folder, tmp_path / "none", finished.settings)
    page = checklists.build(empty)
    kept = pd.read_csv(empty.tables / "checklist_clear.csv")
    assert page.exists() and MET not in set(kept.state)
    text = manuscript.draft(empty)
    assert [one.text for one in text["Results"]] == [SIMULATED]


@pytest.mark.parametrize("left", ["\n", None], ids=["nothing", "header"])
def test_tables_without_rows_show_nothing(copied, left):
    for path in copied.tables.glob("*.csv"):
        path.write_text(path.read_text().partition("\n")[0] + "\n" if left is None else left)
    checklists.build(copied)
    shown = {one.item: one for one in checklists.answer(copied, "clear")}
    assert {shown[i].state for i in ("33", "39", "41", "43", "44", "45", "46")} == {MISSING}
    text = manuscript.draft(copied)["Results"]
    assert [one.file for one in text] == ["", "manifest.json"]


def named(source):
    return f"tables/{source.file}" if isinstance(source, Table) else source


def test_each_sentence_goes_with_its_table(copied):
    before = manuscript.draft(copied)
    files = [one.file for section in before.values() for one in section if one.file]
    every = [*manuscript.METHODS, *manuscript.RESULTS, *manuscript.LIMITATIONS]
    elsewhere = {"masks", "internal", "embedding_steps"}  # of boxes, of other designs and models
    there = {named(part[0]) for part in every} - {f"tables/{name}.csv" for name in elsewhere}
    assert set(files) == there
    for file in dict.fromkeys(files):
        path = copied.reports / file
        path.rename(path.with_suffix(".away"))
        after = manuscript.draft(copied)
        assert file not in [one.file for section in after.values() for one in section]
        path.with_suffix(".away").rename(path)


def test_the_drafted_numbers_are_those_of_the_tables(copied):
    words = {h: " ".join(one.text for one in s) for h, s in manuscript.draft(copied).items()}
    assert all(words[section].startswith(SIMULATED) for section in ("Methods", "Results"))
    metrics = copied.table(tables.METRICS)
    external = metrics[(metrics.scores == "external") & (metrics.metric == "auc")]
    auc = external[external.ci_method.isin(contract.AUC_INTERVALS)]
    for row in auc[auc.model != "Com_in_sample"].itertuples():
        told = f"{row.model} {row.value:.3f} ({row.ci_low:.3f} to {row.ci_high:.3f})"
        assert told in words["Results"]
    assert "Com_in_sample" not in words["Results"]
    layers = copied.table(tables.CNN_LAYERS)
    assert f"{layers.parameters.sum():,} parameters" in words["Methods"]
    assert "1,297,090 parameters" in words["Methods"]  # the network that the paper describes
    assert f"signature has {len(copied.table(tables.SIGNATURE))} features" in words["Results"]
    flow = copied.table(tables.FLOW).set_index(["step", "reason"]).n
    assert f"Of {flow['found', 'in cohort.csv']} patients" in words["Results"]
    n = len(seal.evaluations(copied))
    assert f"evaluated {'once' if n == 1 else f'{n} times'}," in words["Results"]
    assert not re.search(r"\bnan\b", " ".join(words.values()))


def test_the_draft_follows_a_table_that_changes(copied):
    copied.table(tables.GRADCAM).assign(inside_lesion=0.25).to_csv(
        copied.tables / "gradcam.csv", index=False
    )
    told = {one.file: one.text for one in manuscript.draft(copied)["Results"]}
    assert "25% of a Grad-CAM map" in told["tables/gradcam.csv"]


def test_the_draft_tells_the_settings_that_each_notebook_ran_with(copied):
    manifest = json.loads(copied.manifest_json.read_text())
    manifest["notebooks"]["05_comparison"]["settings"]["evaluation"]["confidence"] = 0.9
    copied.manifest_json.write_text(json.dumps(manifest))
    methods = " ".join(one.text for one in manuscript.draft(copied)["Methods"])
    drawn = copied.table(tables.METRICS).resamples.max()
    assert "AUC with a 90% confidence interval" in methods
    assert f"bootstrap intervals ({drawn:,.0f} samples" in methods


def test_a_count_says_of_what_it_is(tmp_path):
    (tmp_path / "study.toml").write_text("")
    study = load_study(tmp_path, tmp_path / "reports")
    study.tables.mkdir(parents=True)
    masks = pd.DataFrame({"patient": ["P1", "P2"], "labels": ["1", "1"]})
    masks.to_csv(study.tables / "masks.csv", index=False)
    said = [checklists.look(study, EVIDENCE[name]).says for name in ("masks", "outlines", "boxes")]
    assert said == [
        "2 rows", "2 of 2 patients have an outline", "0 of 2 patients have a box, no outline",
    ]  # fmt: skip
