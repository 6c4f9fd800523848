"""Public collections beside NSCLC Radiogenomics: chosen from recorded rows of the real index."""

import runpy
import shutil
import sys
from pathlib import Path

import corpus
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from radiogenomics import cli
from radiogenomics.cohort import eligibility, reading
from radiogenomics.cohort.sources import genotype, public, public_series, public_tables
from radiogenomics.comparison import cautions
from radiogenomics.new_patient import EXAMPLE
from radiogenomics.study import tables
from radiogenomics.study.errors import StudyError, TableFault, UsageError
from radiogenomics.study.study import load_study

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "tests" / "reference"
INDEX = pd.concat(
    [pd.read_csv(REFERENCE / f"idc_{name}.csv") for name in ("nsclc_radiogenomics", "collections")],
    ignore_index=True,
)
NAMES = sorted(path.stem for path in public.COLLECTIONS.glob("*.toml"))
# The form of cBioPortal's table; patients and changes are made up but for the patients' names.
GENOTYPES = """Study ID\tSample ID\tPatient ID\tAltered\tEGFR\tEGFR: MUT
luad\tTCGA-17-Z059-01\tTCGA-17-Z059\t1\tL858R (driver), A289V\tL858R (driver), A289V
luad\tTCGA-50-5072-01\tTCGA-50-5072\t0\tno alteration\tno alteration
luad\tTCGA-50-5941-01\tTCGA-50-5941\t1\tA289V\tA289V
luad\tTCGA-J2-8192-02\tTCGA-J2-8192\t0\tno alteration\tno alteration
luad\tTCGA-J2-8192-01\tTCGA-J2-8192\t1\tE746_A750del (driver)\tE746_A750del (driver)
luad\tTCGA-17-Z011-01\tTCGA-17-Z011\t0\tnot profiled\tnot profiled
"""
# The columns of the collections' clinical tables; the values are made up.
CLINICAL = {
    "tcga_luad_clinical": pd.DataFrame(
        {
            "dicom_patient_id": ["TCGA-17-Z059", "TCGA-50-5072", "TCGA-50-5941", "TCGA-J2-8192"],
            "tobacco_smoking_history": [1.0, 2.0, 7.0, 4.0],
            "pathologic_stage": ["Stage IB", "Stage IIIA", "Stage IV", None],
            "tss_code": ["17", "50", "50", "J2"],
        }
    ),
    "nsclc_radiogenomics_clinical": pd.DataFrame(
        {
            "dicom_patient_id": ["R01-001", "AMC-001"],
            "egfr_mutation_status": ["Mutant", "Wildtype"],
            "kras_mutation_status": "Wildtype",
            "alk_translocation_status": "Wildtype",
            "age_at_histological_diagnosis": [61, 70],
            "gender": "Male",
            "smoking_status": "Former",
            "histology_": "Adenocarcinoma",
            "patient_affiliation": "Stanford",
            "days_between_ct_and_surgery": 20,
        }
    ),
}


class Recorded:
    """Stands for the client: the recorded rows, some references, files of the right size."""

    index = INDEX
    clinical_index = pd.DataFrame()

    def __init__(self, **references):
        seg, roi = (list(references.get(k, {}).items()) for k in ("seg", "rtstruct"))
        uid = "SeriesInstanceUID"
        self.seg_index = pd.DataFrame(seg, columns=[uid, "segmented_SeriesInstanceUID"])
        self.rtstruct_index = pd.DataFrame(roi, columns=[uid, "referenced_SeriesInstanceUID"])
        self.fetched, self.uids = [], []

    def fetch_index(self, name):
        self.fetched.append(name)

    def get_clinical_table(self, name):
        assert "clinical_index" in self.fetched
        return CLINICAL[name]

    def download_from_selection(self, place, seriesInstanceUID, **how):  # noqa: N803 - the client's
        self.uids = seriesInstanceUID
        for row in INDEX[INDEX.SeriesInstanceUID.isin(seriesInstanceUID)].itertuples():
            folder = Path(place) / row.PatientID / f"{row.Modality}_{row.SeriesInstanceUID}"
            folder.mkdir(parents=True)
            size, rest = divmod(round(row.series_size_MB * 1e6), row.instanceCount)
            for i in range(row.instanceCount):
                with (folder / f"{i}.dcm").open("wb") as stream:
                    stream.truncate(size + (rest if i == 0 else 0))


@pytest.fixture
def fetched(monkeypatch, tmp_path):
    """Fetch a public cohort into a new folder; the client is there to be asked."""

    def fetch(name, genotypes=None, **references):
        client = Recorded(**references)
        monkeypatch.setattr(public, "client", lambda: client)
        table = public.fetch(name, tmp_path / name, genotypes)
        return table.set_index("patient", drop=False), tmp_path / name, client

    return fetch


@pytest.fixture
def genotypes(tmp_path):
    path = tmp_path / "alterations_across_samples.tsv"
    path.write_text(GENOTYPES, encoding="utf-8")
    return path


def test_tcga_takes_patients_with_a_ct_and_marks_software():
    _, _, chosen = public.plan("tcga-luad", INDEX)
    chosen = chosen.set_index("patient")
    assert "TCGA-05-4244" not in chosen.index  # slides alone
    assert chosen.reason["TCGA-17-Z011"] == "no outline of the lesion"
    assert chosen.segmentation.value_counts().to_dict() == {"automatic": 4, "": 1}
    by = INDEX.set_index("SeriesInstanceUID")
    assert by.SeriesDescription[chosen.ct["TCGA-50-5941"]] == "ATTEN CORR CT"  # it has no other
    assert by.StudyDate[chosen.ct["TCGA-50-5072"]] == "2000-02-11"  # and later ones
    assert by.instanceCount[chosen.ct["TCGA-17-Z059"]] == 67
    assert chosen.sex["TCGA-17-Z059"] == "M" and chosen.age["TCGA-17-Z059"] == "061Y"


def test_a_ct_of_few_slices_is_not_taken_because_the_outline_refers_to_it():
    """TCGA-17-Z059: a radiologist corrected an outline on 34 slices of 1 mm, with gaps between."""
    mapping = public.load_mapping("tcga-luad")
    series = public_series.series_of(INDEX, mapping)
    own = series[(series.PatientID == "TCGA-17-Z059") & (series.instanceCount == 34)]
    said = series.SeriesDescription.fillna("")
    corrected = series[(series.PatientID == "TCGA-17-Z059") & said.str.contains("radiologist 1")]
    references = pd.Series({corrected.SeriesInstanceUID.iloc[0]: own.SeriesInstanceUID.iloc[0]})
    chosen = public_series.choose_series(series, mapping, references).set_index("patient")
    assert chosen.outline_source["TCGA-17-Z059"] == "AI nodule"


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("L858R (driver)", "Mutant"), ("E746_A750del (driver)", "Mutant"), ("G719A", "Mutant"),
        ("A289V, V769_D770insASV", "Mutant"), ("A289V", "Unknown"), ("no alteration", "Wildtype"),
        ("not profiled", "Unknown"), ("not profiled in MUT", "Unknown"), ("", "Unknown"),
    ],
)  # fmt: skip
def test_egfr_is_mutant_by_a_change_in_exons_18_to_21(cell, says):
    assert genotype.status(cell, (688, 875)) == says


def test_genotypes_are_read_by_patient_and_refused_in_another_form(genotypes):
    rules = public.load_mapping("tcga-luad")["genotype"]
    read = genotype.read_genotypes(genotypes, rules)
    assert read.egfr.to_dict() == {
        "TCGA-17-Z011": "Unknown", "TCGA-17-Z059": "Mutant", "TCGA-50-5072": "Wildtype",
        "TCGA-50-5941": "Unknown", "TCGA-J2-8192": "Mutant",
    }  # fmt: skip
    assert read.egfr_changes["TCGA-50-5941"] == "A289V"
    genotypes.write_text(GENOTYPES.replace("EGFR: MUT", "EGFR: AMP"), encoding="utf-8")
    with pytest.raises(TableFault, match="has no column egfr: mut. Found: study id.*cbio"):
        genotype.read_genotypes(genotypes, rules)
    genotypes.write_text(GENOTYPES.split("\n")[0] + "\na\tb\tTCGA-1\t0\tx\tx\n", encoding="utf-8")
    with pytest.raises(TableFault, match="no row says 'no alteration'"):
        genotype.read_genotypes(genotypes, rules)


def test_nothing_is_downloaded_without_the_table_of_mutations(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(public, "client", lambda: pytest.fail("asked the network"))
    assert cli.main(["fetch", "egfr-public", str(tmp_path / "new")]) == 2
    assert "--genotypes TABLE" in (said := capsys.readouterr().err) and "cbioportal.org" in said
    assert not (tmp_path / "new").exists()
    with pytest.raises(UsageError, match="own tables have the label"):
        public.fetch("nsclc-radiogenomics", tmp_path / "new", tmp_path / "any.tsv")


def test_one_study_trains_on_one_collection_and_tests_on_the_other(fetched, genotypes):
    table, folder, client = fetched("egfr-public", genotypes)
    study = load_study(folder)
    read = reading.read_cohort(study).set_index("patient")
    assert read.cohort.groupby(read.hospital).unique().map(list).to_dict() == {
        "R01": ["train"], "AMC": ["train"], "TCGA": ["test"],
    }  # fmt: skip
    assert (read.fault == "").all() and (read.unread == "").all()
    assert read.label.dropna().to_dict() == {
        "R01-001": 1, "AMC-001": 0, "TCGA-17-Z059": 1, "TCGA-50-5072": 0, "TCGA-J2-8192": 1,
    }  # fmt: skip
    assert table.egfr_changes["TCGA-50-5941"] == "A289V"
    row = read.loc["TCGA-17-Z059"]
    assert (row.sex, row.age, row.smoking, row.stage) == ("male", 61, "never", "I")
    assert (row.affiliation, row.histology, row.segmentation) == (
        "17", "adenocarcinoma", "automatic")  # fmt: skip
    assert read.smoking_history[["TCGA-50-5072", "TCGA-J2-8192"]].tolist() == ["ever", "ever"]
    assert pd.isna(read.smoking["TCGA-50-5941"])  # not documented
    assert read.segmentation["R01-001"] == "semi-automatic"
    assert set(client.uids) == {*_uids(table.ct), *_uids(table["mask"])}
    said = (folder / "LICENCES.md").read_text(encoding="utf-8")
    assert "10.7937/k9/tcia.2016.jgnihep5" in said and "10.7937/k9/tcia.2017.7hs46erv" in said
    assert said.count("Fedorov") == 1


def _uids(paths):
    return {path.rpartition("_")[2] for path in paths if path}


def test_lung_pet_ct_dx_is_histology_split_in_time(fetched):
    table, folder, _ = fetched("lung-pet-ct-dx")
    read = reading.read_cohort(load_study(folder)).set_index("patient")
    assert read.label.dropna().to_dict() == {
        "Lung_Dx-A0023": 1, "Lung_Dx-A0024": 1, "Lung_Dx-A0031": 1, "Lung_Dx-A0171": 1,
        "Lung_Dx-G0033": 0,
    }  # fmt: skip
    assert read.cohort[["Lung_Dx-A0023", "Lung_Dx-G0033"]].tolist() == ["train", "train"]
    assert read.cohort["Lung_Dx-A0171"] == "internal"
    assert table.outline_source["Lung_Dx-A0171"] == "AI FDG tumour, corrected by a student"
    assert table.segmentation["Lung_Dx-A0171"] == "semi-automatic"
    assert read.age["Lung_Dx-A0023"] == 74
    assert table.ct["Lung_Dx-A0024"] == ""  # outlines on CTs of 11 to 17 slices


def test_rider_pairs_the_scans_that_the_outlines_name(fetched):
    """Test and retest lie in one study of RIDER-1129164940: without the reference none is taken."""
    rows = INDEX[INDEX.collection_id == "rider_lung_ct"]
    drawn = rows[rows.Modality == "RTSTRUCT"]
    scans = rows[rows.Modality == "CT"].sort_values("instanceCount")
    named = {}
    for row in drawn.itertuples():
        own = scans[scans.StudyInstanceUID == row.StudyInstanceUID].SeriesInstanceUID
        named[row.SeriesInstanceUID] = own.iloc[0 if row.SeriesDescription == "TEST" else -1]
    table, folder, client = fetched("rider-lung-ct", rtstruct=named)
    assert "clinical_index" not in client.fetched and not (folder / "cohort.csv").exists()
    assert table.patient.value_counts().to_dict() == {"RIDER-1129164940": 2, "RIDER-1344011628": 2}
    assert table.ct.is_unique and set(table.mask_label) == {"GTVp_test_man", "GTVp_retest_man"}
    assert all(path.startswith(f"{p}/RTSTRUCT_")
               for p, path in zip(table.patient, table["mask"], strict=True))  # fmt: skip
    table, _, _ = fetched("nsclc-radiomics-interobserver1")
    assert table.groupby(level=0).mask_label.nunique().to_dict() == {
        "interobs05": 5, "interobs06": 5}  # fmt: skip
    assert table.groupby(level=0).ct.nunique().max() == 1
    with pytest.raises(StudyError, match="0 measurements"):
        fetched("rider-lung-ct")


def test_a_dry_run_counts_files_once(monkeypatch, capsys):
    monkeypatch.setattr(public, "client", Recorded)
    assert cli.main(["fetch", "nsclc-radiomics-interobserver1", "x", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "3 patients, 4 series, 0.2 GB" in said and "CC BY-NC" in said


@pytest.mark.parametrize("name", NAMES)
def test_every_mapping_makes_a_study_that_is_read_and_is_explained(name, tmp_path):
    mapping = public.load_mapping(name)
    (tmp_path / "study.toml").write_text(public_tables.study_toml(mapping), encoding="utf-8")
    settings = load_study(tmp_path).settings
    assert settings.title == mapping["title"] and settings.privacy.patient_is_pseudonym
    assert name.replace("_", "-") in (ROOT / "docs" / "public.md").read_text(encoding="utf-8")
    packed = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"data/collections/{name}.toml" = ' in packed and "/data/collections/*.toml" in packed
    kinds = [k for part in mapping["parts"] for k in part.get("outlines", part.get("measurements"))]
    assert {kind["made"] for kind in kinds} <= set(reading.SEGMENTATION)
    assert not [k for k in kinds if "AI" in k["source"] and k["made"] == "manual"]


def test_whole_index_gives_the_counts_of_the_page():
    package = pytest.importorskip("idc_index_data", reason="needs the extra idc")
    columns = [*public_series.KEPT, "collection_id"]
    index = pd.read_parquet(package.IDC_INDEX_PARQUET_FILEPATH, columns=columns)
    page = (ROOT / "docs" / "public.md").read_text(encoding="utf-8")
    for name in NAMES:
        mapping, _, chosen = public.plan(name, index)
        found = chosen[chosen.reason == ""]
        if "measurements" in mapping:
            patients = public_tables.measurement_table(chosen).patient.nunique()
            made = ""
        else:
            patients, counts = len(found), found.segmentation.value_counts()
            made = f"{counts['semi-automatic']} / {counts['automatic']}"
        row = f"`{name.replace('_', '-')}` | {chosen.patient.nunique()} | {patients} | {made}"
        assert row in page, row


def scan(path, shift, noise):
    """Write the example patient's CT, brighter by `shift` HU, with noise of another seed."""
    ct = sitk.Cast(sitk.ReadImage(str(EXAMPLE / "ct.nii.gz")), sitk.sitkFloat64)
    added = np.random.default_rng(noise).normal(shift, 5, ct.GetSize()[::-1])
    image = sitk.GetImageFromArray(added)
    image.CopyInformation(ct)
    sitk.WriteImage(sitk.Cast(ct + image, sitk.sitkInt16), str(path))


def test_outlines_of_software_are_marked_in_the_audit_and_in_the_results(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    table = corpus.cohort_table()
    table["segmentation"] = ["Automatic"] * 3 + ["semi-automatic"] * 2 + ["by AI"] + [""] * 6
    table["ct"] = table.ct.str.removesuffix(".gz")
    (tmp_path / "scans").mkdir()
    for n in range(12):
        scan(tmp_path / f"scans/{n}.nii", 10 * n, n)
        shutil.copy(EXAMPLE / "mask.nii.gz", tmp_path / f"scans/{n}_mask.nii.gz")
    table.to_csv(tmp_path / "cohort.csv", index=False)
    (tmp_path / "study.toml").write_text("workers = 1\n[evaluation]\nfolds = 2\n")
    cli.main(["check", str(tmp_path)])
    said = capsys.readouterr().out
    assert "3 patients (P00, P01, P02): noted: outlined by software alone" in said
    assert "2 patients (P03, P04): noted: outlined with software, corrected by a person" in said
    assert "segmentation holds 'by ai' (1). Expected: one of manual, semi-automatic" in said
    study = load_study(tmp_path)
    assert study.table(tables.CHECK).notes.str.contains("software alone").sum() == 3
    left, out, flow = eligibility.exclude(study, reading.read_cohort(study), complete=False)
    study.included_csv.parent.mkdir(parents=True, exist_ok=True)
    left.to_csv(study.included_csv)
    none = tables.WARNINGS.frame()
    warned = cautions.warnings(study, {}, none).set_index("where").warning
    assert "3 of 8 patients of the training cohort." in warned["outlines"]
    left.assign(segmentation="manual").to_csv(study.included_csv)
    assert "outlines" not in set(cautions.warnings(study, {}, none)["where"])


@pytest.mark.slow
def test_measurements_give_an_icc_of_every_feature(tmp_path, monkeypatch, capsys):
    """Three patients of different brightness, measured twice with other noise."""
    rows = []
    for p, measurement in [(p, m) for p in range(3) for m in ("test", "retest")]:
        scan(tmp_path / f"{p}_{measurement}.nii", 40 * p, len(rows))
        rows.append((f"P{p}", measurement, f"{p}_{measurement}.nii", "mask.nii.gz", ""))
    shutil.copy(EXAMPLE / "mask.nii.gz", tmp_path)
    columns = ["patient", "measurement", "ct", "mask", "mask_label"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "measurements.csv", index=False)
    (tmp_path / "study.toml").write_text("workers = 1\n[radiomics]\nradiomics_spacing_mm = 3.0\n")
    monkeypatch.setattr(sys, "argv", ["icc_table.py", str(tmp_path)])
    runpy.run_path(str(ROOT / "docs" / "icc_table.py"), run_name="__main__")
    table = pd.read_csv(tmp_path / "icc.csv").set_index("feature")
    assert len(table) == 1688 and (table.n == 3).all()
    assert table.icc["original_firstorder_Mean"] > 0.95
    assert "reach an ICC of 0.75 in 3 patients" in capsys.readouterr().out
