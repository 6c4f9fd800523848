"""Features made elsewhere: what is refused or told of their table, selection within folds."""

import dataclasses
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from radiogenomics.comparison import refitted
from radiogenomics.models import classical
from radiogenomics.new_patient import elsewhere
from radiogenomics.radiomics import embeddings, signature
from radiogenomics.report import standing
from radiogenomics.report.pages import notebooks
from radiogenomics.statistics.discrimination import delong
from radiogenomics.study.errors import StudyError
from radiogenomics.study.settings import Features, Radiomics, Settings
from radiogenomics.study.study import Study
from radiogenomics.study.words import say

SCRIPT = Path(__file__).parents[2] / "docs" / "pca_features.py"


def study_of(folder, **features):
    asked = Features(**({"table": "embeddings.csv"} | features))
    return Study(folder, folder / "reports", dataclasses.replace(Settings(), features=asked))


def patients_of(train=24, test=8):
    """Return patients as the notebooks before 05 see them: no labels of test patients."""
    n = train + test
    side = np.where(np.arange(n) < train, "train", "test")
    label = np.where(side == "train", np.arange(n) % 2, np.nan)
    names = [f"P{i:02d}" for i in range(n)]
    return pd.DataFrame({"patient": names, "cohort": side, "label": label})


def table_of(patients, features=12, seed=0):
    values = np.random.default_rng(seed).normal(size=(len(patients), features))
    made = pd.DataFrame(values, columns=[f"f{i}" for i in range(features)])
    made.insert(0, "patient", patients.patient)
    return made


def written(folder, table, name="embeddings.csv"):
    path = folder / name
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)


@pytest.mark.parametrize("name", ["embeddings.csv", "embeddings.parquet"])
def test_csv_and_parquet_give_the_patients_rows_in_their_order(tmp_path, name):
    patients = patients_of()
    table = table_of(patients)
    more = pd.concat([table, table[:1].assign(patient="stranger")])
    written(tmp_path, more.sample(frac=1, random_state=1), name)
    study = study_of(tmp_path, table=name)
    found = embeddings.read(study, patients)
    assert list(found.index) == list(patients.patient)
    assert np.array_equal(found.to_numpy(), table.drop(columns="patient").to_numpy())
    embeddings.save(study, found)
    assert embeddings.load(study).equals(found)
    assert embeddings.remarks(study, found, patients)["unused"] == 1


def test_parquet_with_patients_as_its_index_is_read(tmp_path):
    table = table_of(patients_of())
    table.set_index("patient").to_parquet(tmp_path / "e.parquet")
    assert embeddings.read(study_of(tmp_path, table="e.parquet"), patients_of()).shape == (32, 12)


def test_a_study_without_a_table_has_no_such_model(tmp_path):
    study = study_of(tmp_path, table="")
    assert embeddings.read(study, patients_of()).shape == (32, 0)
    assert embeddings.models(study.settings) == {} and elsewhere(study) == ""
    assert "Embeddings" not in refitted.models(study)
    assert refitted.on_embeddings(study, patients_of(), patients_of()) == {}


def changed(how):
    patients, table = patients_of(), table_of(patients_of())
    labels = patients.label.fillna(0)
    return {
        "twice": lambda: pd.concat([table, table[3:4]]),
        "gone": lambda: table[~table.patient.isin(["P02", "P30"])],
        "word": lambda: table.astype({"f3": object}).mask(
            (table.patient == "P05").to_numpy()[:, None] & (table.columns == "f3"), "high"),
        "empty": lambda: table.mask(
            (table.patient == "P31").to_numpy()[:, None] & (table.columns == "f7")),
        "infinite": lambda: table.assign(f1=np.where(table.patient == "P09", np.inf, table.f1)),
        "label": lambda: table.assign(label=table.f0),
        "coded": lambda: table.assign(f4=3 - 2 * labels),
        "alone": lambda: table[["patient"]],
        "unnamed": lambda: table.rename(columns={"patient": "case"}),
    }[how]()  # fmt: skip


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("twice", "1 patients have several rows: P03. Expected: one row each"),
        ("gone", "2 of 32 patients have no row: P02, P30. Expected: a row of every patient"),
        ("word", "1 cells are no numbers; the first, patient P05, column f3, is 'high'"),
        ("empty", "1 cells are no numbers; the first, patient P31, column f7, is ''"),
        ("infinite", "patient P09, column f1, is 'inf'. Expected: a finite number"),
        ("label", "label: the label, by name or by its values in all training patients"),
        ("coded", "f4: the label, by name or by its values in all training patients"),
        ("alone", "no column but patient"),
        ("unnamed", "embeddings.csv has no column patient"),
    ],
)
def test_what_cannot_be_used_is_refused_with_patient_and_column(tmp_path, how, told):
    written(tmp_path, changed(how))
    study = study_of(tmp_path)
    with pytest.raises(StudyError) as fault:
        embeddings.read(study, patients_of())
    assert told in str(fault.value) and "embeddings.csv" in str(fault.value)
    assert embeddings.faults(study, patients_of()) == str(fault.value).splitlines()


@pytest.mark.parametrize(
    ("features", "told"),
    [
        ({"table": "../embeddings.csv"}, "Expected: a file inside the study folder"),
        ({"table": "none.csv"}, "table is 'none.csv', which is not there"),
        ({"model_name": "cnn"}, "model_name is 'cnn'. Expected: letters"),
        ({"model_name": "a/b"}, "model_name is 'a/b'"),
        ({"table": "bad.parquet"}, "bad.parquet is no parquet file"),
    ],
)
def test_a_table_elsewhere_and_a_name_that_is_taken_are_refused(tmp_path, features, told):
    (tmp_path / "study").mkdir()
    written(tmp_path, table_of(patients_of()))
    written(tmp_path / "study", table_of(patients_of()))
    (tmp_path / "study" / "bad.parquet").write_text("patient,f1\n")
    with pytest.raises(StudyError, match=told.replace(".", r"\.")):
        embeddings.read(study_of(tmp_path / "study", **features), patients_of())


def test_constant_and_telling_columns_are_told(tmp_path):
    patients = patients_of()
    table = table_of(patients).assign(f2=1.0)
    table["f5"] += 20 * patients.label.fillna(0)
    written(tmp_path, table)
    study = study_of(tmp_path)
    seen = embeddings.remarks(study, embeddings.read(study, patients), patients)
    assert (seen["constant"], seen["constant_names"], seen["apart"]) == (1, "f2", "f5")
    text = say("radiomics", "embeddings", **seen, kept=3)
    assert "f2" in text and "One cut-off of f5 tells every training patient's label" in text
    few = pd.concat([patients[:3], patients[24:]])
    assert embeddings.remarks(study, embeddings.read(study, few), few)["apart"] == ""


def test_selection_is_within_the_folds_and_a_label_at_random_is_not_found(tmp_path):
    """Over studies without a signal the out-of-fold AUC is 0.5, the naive one far above."""
    nested, naive, fold = [], [], np.arange(60) // 2 % 3
    chain = signature.signature_pipeline(Radiomics(), 1)
    models = embeddings.models(study_of(tmp_path, penalty="ridge").settings)
    labels = np.arange(60) % 2
    for seed in range(8):
        x = table_of(pd.DataFrame({"patient": range(60)}), 200, seed).drop(columns="patient")
        oof = classical.radiomics_out_of_fold(chain, models, x, labels, fold)
        table = signature.optimism_of_selection(
            models, chain.fit(x, labels).transform(x), oof, labels, fold
        )
        nested.append(table.nested_auc[0])
        naive.append(table.naive_auc[0])
    assert 0.4 < np.mean(nested) < 0.6 and np.mean(naive) > 0.7


def test_the_penalty_is_none_as_lr_or_ridge(tmp_path):
    last = {p: embeddings.models(study_of(tmp_path, penalty=p).settings) for p in ("none", "ridge")}
    assert last["none"]["Embeddings"][-1].get_params() == classical.unpenalised().get_params()
    assert last["ridge"]["Embeddings"][-1].get_params() == classical.ridge().get_params()


def test_it_is_fitted_again_to_other_patients(tmp_path):
    patients, study = patients_of(60, 20), study_of(tmp_path, model_name="FM")
    table = table_of(patients).set_index("patient")
    truth = np.arange(80) % 2
    table["f5"] += 2 * truth
    embeddings.save(study, table)
    train, test = patients[:60].astype({"label": int}), patients[60:]
    ((model, scores),) = refitted.on_embeddings(study, train, test).items()
    assert model == "FM" and delong(truth[60:], scores)[0][0] > 0.75
    turned = refitted.on_embeddings(study, train.assign(label=1 - train.label), test)["FM"]
    assert np.allclose(turned, 1 - scores, atol=1e-3)


def test_a_changed_table_runs_03_and_what_follows_again(tmp_path):
    study = study_of(tmp_path)

    def sources():
        return {
            path.name[:2]: standing.made_from("", path, study.settings, {}, [], study.folder)
            for path in notebooks()
        }

    written(tmp_path, table_of(patients_of()))
    before = sources()
    assert sources() == before
    written(tmp_path, table_of(patients_of(), seed=1))
    assert [n for n, source in sources().items() if source != before[n]] == [
        "03", "04", "05", "06", "07", "08", "09",
    ]  # fmt: skip


def test_the_shown_script_fits_its_components_to_training_patients_alone():
    embedded = runpy.run_path(str(SCRIPT))["embedded"]
    rng = np.random.default_rng(2)
    train, new = rng.normal(size=(9, 4, 4, 4, 1)), rng.normal(size=(3, 4, 4, 4, 1))
    found, other = embedded(train, new, 1), embedded(train, 100 * new, 1)
    assert found.shape == (12, 8) and np.array_equal(found[:9], other[:9])
    assert not np.allclose(found[9:], other[9:])
    assert np.allclose(found[:9].mean(axis=0), 0)
