"""A public collection becomes a study: series chosen from a recorded index, no network."""

from pathlib import Path

import pandas as pd
import pytest
from radiogenomics import cli
from radiogenomics.cohort import eligibility, reading
from radiogenomics.cohort.sources import public, public_series, public_tables
from radiogenomics.study.errors import StudyError
from radiogenomics.study.study import Study, load_study

INDEX = pd.read_csv(Path(__file__).parents[1] / "reference" / "idc_nsclc_radiogenomics.csv")
MAPPING = public.load_mapping("nsclc-radiogenomics")
SERIES = public_series.series_of(INDEX, MAPPING)
CHOSEN = public_series.choose_series(SERIES, MAPPING).set_index("patient", drop=False)
# The columns of the collection's clinical table; the values here are made up.
CLINICAL = pd.DataFrame(
    {
        "dicom_patient_id": CHOSEN.patient,
        "egfr_mutation_status": ["Mutant", "Wildtype", "Unknown"] * 5,
        "kras_mutation_status": "Wildtype",
        "alk_translocation_status": "Not collected",
        "age_at_histological_diagnosis": range(50, 65),
        "gender": ["Male", "Female", "Female"] * 5,
        "smoking_status": ["Former", "Nonsmoker", "Current"] * 5,
        "histology_": ["Adenocarcinoma"] * 14 + ["Squamous cell carcinoma"],
        "patient_affiliation": "Stanford",
        "days_between_ct_and_surgery": 20,
    }
)


def test_the_best_outline_and_its_ct_are_chosen():
    source = CHOSEN.outline_source
    assert source["R01-001"] == source["R01-002"] == "radiologist, 3D Slicer"
    assert source["R01-098"] == "radiologist, ePAD"
    assert source["AMC-012"] == "AI FDG tumour, corrected by a radiologist"
    assert CHOSEN.reason["AMC-002"] == "no outline of the lesion"
    assert CHOSEN.ct["R01-158"] != ""  # its CT is one for attenuation correction: taken last
    by = SERIES.set_index("SeriesInstanceUID")
    for row in CHOSEN[CHOSEN.reason == ""].itertuples():
        seg, ct = by.loc[row.seg], by.loc[row.ct]
        assert seg.Modality == "SEG" and ct.Modality == "CT" and ct.instanceCount >= 40
        assert seg.PatientID == ct.PatientID == row.patient
        assert seg.StudyInstanceUID == ct.StudyInstanceUID
        assert "scout" not in str(ct.SeriesDescription).lower()


def test_the_series_that_the_outline_refers_to_goes_first():
    row = CHOSEN.loc["R01-001"]
    others = SERIES[(SERIES.Modality == "CT") & (SERIES.PatientID == "AMC-001")]
    other = others[others.instanceCount >= 40].SeriesInstanceUID.iloc[0]
    references = pd.Series({row.seg: other})
    again = public_series.choose_series(SERIES, MAPPING, references).set_index("patient")
    assert again.ct["R01-001"] == other and row.ct != other
    assert again.ct["R01-002"] == CHOSEN.ct["R01-002"]


def test_the_table_holds_every_patient_and_the_study_reads_it(tmp_path):
    table = public_tables.cohort_table(CHOSEN.reset_index(drop=True), CLINICAL, MAPPING)
    assert len(table) == 15 and set(table.hospital) == {"R01", "AMC"}
    first = table.set_index("patient").loc["R01-001"]
    chosen = CHOSEN.loc["R01-001"]
    assert first.ct == f"R01-001/CT_{chosen.ct}" and first["mask"] == f"R01-001/SEG_{chosen.seg}"
    assert set(table.smoking) == {"never", "former", "current"}
    (tmp_path / "study.toml").write_text(public_tables.study_toml(MAPPING), encoding="utf-8")
    table.to_csv(tmp_path / "cohort.csv", index=False)
    for path in table.ct[table.ct != ""]:
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "slice.dcm").write_text(path)
    for path in table["mask"][table["mask"] != ""]:
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "seg.dcm").write_text(path)
    study = load_study(tmp_path)
    read = reading.read_cohort(study)
    assert (read.fault == "").all() and read.label.isna().sum() == 5
    assert study.settings.privacy.patient_is_pseudonym
    with pytest.raises(StudyError, match="no EGFR mutant status"):  # too few here to run
        eligibility.exclude(study, read)


def test_histology_is_a_rule_of_eligibility(tmp_path):
    (tmp_path / "study.toml").write_text(public_tables.study_toml(MAPPING), encoding="utf-8")
    study: Study = load_study(tmp_path)
    assert study.settings.eligibility.histology == ("adenocarcinoma",)
    assert study.settings.cohorts.test == ("AMC",)


def test_dry_run_counts_patients_series_and_gigabytes():
    table = public.summary(CHOSEN.reset_index(drop=True), MAPPING)
    assert table.patients.sum() == 15 and table.series.sum() == 2 * (CHOSEN.reason == "").sum()
    assert table.gigabytes.sum() == pytest.approx(CHOSEN.mb.sum() / 1000, abs=0.4)
    rows = public.listing(CHOSEN.reset_index(drop=True), MAPPING).set_index("patient")
    assert rows.ct["R01-001"] == CHOSEN.ct["R01-001"] and rows.hospital["R01-001"] == "R01"
    assert len(rows) == 15 and rows.reason["AMC-002"] == "no outline of the lesion"


def test_licences_and_citations_are_written():
    text = public_tables.licences(SERIES, CHOSEN, MAPPING)
    assert "CC BY 3.0" in text and "CC BY 4.0" in text and "10.1038/sdata.2018.202" in text


def test_other_tables_and_names_are_refused(monkeypatch, capsys):
    with pytest.raises(StudyError, match="has no column egfr_mutation_status"):
        public_tables.cohort_table(CHOSEN, CLINICAL.drop(columns="egfr_mutation_status"), MAPPING)
    with pytest.raises(StudyError, match="Expected: one of .*nsclc-radiogenomics"):
        public.load_mapping("luna")
    monkeypatch.setitem(__import__("sys").modules, "idc_index", None)
    assert cli.main(["fetch", "nsclc-radiogenomics", "anywhere", "--dry-run"]) == 1
    assert "uv run --extra idc" in capsys.readouterr().err


class Recorded:
    """Stands for the Imaging Data Commons' client: the recorded tables, nothing downloaded."""

    index = INDEX
    seg_index = pd.DataFrame({"SeriesInstanceUID": [], "segmented_SeriesInstanceUID": []})

    def __init__(self, lost=0):
        self.asked, self.lost = {}, lost

    def fetch_index(self, name):
        self.asked[name] = True

    def get_clinical_table(self, name):
        assert name == "nsclc_radiogenomics_clinical" and self.asked["clinical_index"]
        return CLINICAL

    def download_from_selection(self, place, **how):
        self.asked |= how
        wanted = SERIES[SERIES.SeriesInstanceUID.isin(how["seriesInstanceUID"][self.lost :])]
        for one in wanted.itertuples():
            folder = Path(place) / one.PatientID / f"{one.Modality}_{one.SeriesInstanceUID}"
            folder.mkdir(parents=True, exist_ok=True)
            size, rest = divmod(round(one.series_size_MB * 1e6), one.instanceCount)
            for i in range(one.instanceCount):
                with (folder / f"{i}.dcm").open("wb") as stream:
                    stream.truncate(size + (rest if i == 0 else 0))


def test_fetch_asks_for_the_chosen_series_alone_and_leaves_a_study(monkeypatch, tmp_path):
    recorded = Recorded()
    monkeypatch.setattr(public, "client", lambda: recorded)
    table = public.fetch("nsclc-radiogenomics", tmp_path / "study")
    wanted = CHOSEN[CHOSEN.reason == ""]
    assert set(recorded.asked["seriesInstanceUID"]) == {*wanted.seg, *wanted.ct}
    assert recorded.asked["use_s5cmd_sync"] and recorded.asked["dirTemplate"] == public.PLACE
    assert len(table) == 15
    assert all((tmp_path / "study" / f).is_file()
               for f in ("LICENCES.md", "cohort.csv", "study.toml"))  # fmt: skip


def test_a_download_that_is_not_whole_leaves_no_study(monkeypatch, tmp_path):
    monkeypatch.setattr(public, "client", lambda: Recorded(lost=2))
    with pytest.raises(StudyError, match="2 of .* series are incomplete .*: it continues"):
        public.fetch("nsclc-radiogenomics", tmp_path / "study")
    assert not (tmp_path / "study" / "study.toml").exists()


def test_an_outline_on_the_pet_takes_the_ct_of_its_study():
    row = CHOSEN.loc["AMC-001"]
    references = pd.Series({row.seg: "1.2.3.the.pet"})
    again = public_series.choose_series(SERIES, MAPPING, references).set_index("patient")
    assert again.ct["AMC-001"] == row.ct


def test_no_network_is_told(monkeypatch, tmp_path):
    unreachable = Recorded()
    monkeypatch.setattr(unreachable, "fetch_index", lambda name: Path("gone").read_text())
    monkeypatch.setattr(public, "client", lambda: unreachable)
    with pytest.raises(StudyError, match="cannot be reached .* Check the network"):
        public.fetch("nsclc-radiogenomics", tmp_path / "study")


def test_whole_index_gives_the_counts_of_the_collection():
    package = pytest.importorskip("idc_index_data", reason="needs the extra idc")
    columns = [*public_series.KEPT, "collection_id"]
    index = pd.read_parquet(
        package.IDC_INDEX_PARQUET_FILEPATH, columns=columns,
        filters=[("collection_id", "==", MAPPING["collection"])],
    )  # fmt: skip
    chosen = public_series.choose_series(public_series.series_of(index, MAPPING), MAPPING)
    counts = chosen[chosen.reason == ""].groupby([chosen.patient.str[:3], "outline_source"]).size()
    assert len(chosen) == 211
    assert counts["R01"].to_dict()["radiologist, 3D Slicer"] == 96
    assert counts["R01"].to_dict()["radiologist, ePAD"] == 48
    assert counts["AMC"].sum() == 38
    assert counts["AMC"].to_dict()["AI FDG tumour"] == 37  # the test cohort's are software's
