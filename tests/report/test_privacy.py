"""No name, number, date or UID of a header, and no path, is in the reports; the scan finds them."""

import json
import shutil

import pandas as pd
import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from radiogenomics.cohort.private import private_words
from radiogenomics.images import anonymity
from radiogenomics.report import mailable, run
from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import read_json

UID = "1.2.826.0.1.3680043.8.498.45787841905188114249811122652"


@pytest.fixture
def header(tmp_path):
    """A DICOM file with the header of a made-up patient."""
    made = pydicom.Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", UID
    made.Modality = "CT"
    made.PatientName = "Weissenfels^Ottokar"
    made.PatientID = "H-00871-K"
    made.PatientBirthDate, made.StudyDate = "19510314", "20230228"
    made.InstitutionName = "Sankt Example Klinik"
    path = tmp_path / "slice.dcm"
    made.save_as(path, enforce_file_format=True)
    return path


def test_finished_reports_hold_nothing(finished):
    assert "no identifier" in run.check_privacy(finished)
    assert read_json(finished.manifest_json)["privacy_scan"]["found"] == []


SECRETS = ("Weissenfels", "WEISSENFELS", "Ottokar", "H-00871-K", "19510314", "20230228",
           "Sankt Example Klinik", "1951-03-14", "28.02.2023", "02/28/2023")  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
def test_every_kind_of_header_value_is_found(copied, header, secret):
    page = copied.reports / "01_cohort.html"
    page.write_text(page.read_text(encoding="utf-8") + f"<p>{secret}</p>", encoding="utf-8")
    found = mailable.scan_reports(copied, [header])
    assert found.file.tolist() == ["01_cohort.html"] and found.kind.tolist() == ["header"]
    assert secret not in found.to_csv()


def test_uids_and_paths_are_found_and_the_run_refuses_to_call_it_done(copied):
    path = copied.tables / "exclusions.csv"
    path.write_text(path.read_text() + f"P9,images,{UID}.dcm cannot be read\n")
    (copied.reports / "note.md").write_text(f"see {copied.folder}/scans")
    found = mailable.scan_reports(copied, [])
    assert set(zip(found.file, found.kind, strict=True)) == {
        ("tables/exclusions.csv", "uid"), ("note.md", "path"),
    }  # fmt: skip
    with pytest.raises(
        StudyError, match=r"the reports hold identifiers or paths: note.md \(path, 1 times\)"
    ):
        run.check_privacy(copied)


def test_messages_lose_the_uids_of_file_names():
    assert anonymity.redacted(f"{UID}.dcm is cut off") == "[uid].dcm is cut off"
    assert anonymity.redacted("0.5, 1.2.3 and 1.10.0") == "0.5, 1.2.3 and 1.10.0"


def test_a_name_between_underscores_is_found(copied, header):
    (copied.reports / "note.md").write_text("read ct_weissenfels_ottokar_1.dcm")
    found = mailable.scan_reports(copied, [header])
    assert "note.md" in set(found.file)


def test_a_fault_does_not_name_a_folder_that_is_the_hospitals_number(header):
    folder = header.parent / "h-00871-k" / "Weissenfels_Ottokar"
    folder.mkdir(parents=True)
    header.rename(folder / "slice.dcm")
    for named in (folder, folder.parent):
        fault = StudyError(f"{named.name} holds no CT series. Expected: an axial CT.")
        told = anonymity.reason(fault, [str(folder), ""])
        assert "[DICOM header]" in told and "holds no CT series. Expected: an axial CT" in told
        assert "871" not in told and "Weissenfels" not in told
    assert anonymity.reason(fault).startswith("h-00871-k")


def test_a_fault_names_files_by_their_role_where_their_names_may_be_a_patients(tmp_path):
    """Also of slices in a folder; plain names, and the pseudonym's, stay."""
    named = tmp_path / "Mustermann_Erika"
    named.mkdir()
    for name in ("Mustermann_0001.ima", "slice_0002.ima"):
        (named / name).write_bytes(b"")
    fault = StudyError(
        "Mustermann_0001.ima is cut off, slice_0002.ima is not. See Mustermann_Erika"
    )
    told = anonymity.reason(fault, [str(named), ""], "P017")
    assert told == "the CT is cut off, slice_0002.ima is not. See the CT"
    missing = StudyError("images/Erika/x.nii.gz is not there, images/P017/ct.nii.gz is")
    told = anonymity.reason(
        missing, ["/a/images/P017/ct.nii.gz", "/a/images/Erika/x.nii.gz"], "P017"
    )
    assert told == "the mask is not there, images/P017/ct.nii.gz is"


def test_words_of_paths_and_of_unused_columns_are_found_and_others_are_not(copied):
    """Nor words that many patients share, short ones, and what the reports show anyway."""
    table = pd.read_csv(copied.cohort_csv, dtype=str)
    table["ct"] = "Siemens/" + table.patient + "/ct.nii.gz"
    table.loc[0, "ct"] = "Siemens/Mustermann_Erika_P001/ct.nii.gz"
    table["remark"] = "reviewed"
    table.loc[1, "remark"] = "Hausarzt Weissenfels, 3.5 cm, T2, 00871123"
    table["ct_date"] = [f"2019-04-{i + 1:02d}" for i in range(len(table))]
    words = private_words(copied, table.fillna(""))
    assert words["ct"] == {"mustermann", "erika"}
    assert words["remark"] == {"hausarzt", "weissenfels", "00871123"}
    assert "2019-04-03" in words["ct_date"]
    page = copied.reports / "note.md"
    for secret, column in (
        ("ct_Erika_1", "ct"),
        ("dr.weissenfels", "remark"),
        ("2019-04-03", "ct_date"),
    ):
        page.write_text(f"read {secret} today")
        found = mailable.scan_reports(copied, [], private=words)
        assert found[["file", "kind"]].to_numpy().tolist() == [["note.md", f"column {column}"]]


def test_paths_given_by_a_user_leave_only_the_parameters_name():
    text = '{"ct": "/mnt/pacs/DOE_JOHN/ct", "out": "/mnt/pacs/DOE_JOHN", "study": "/srv/data/s"}'
    given = {"ct": "/mnt/pacs/DOE_JOHN/ct", "out": "/mnt/pacs/DOE_JOHN", "study": "/srv/data/s"}
    clean = mailable.without_paths(text, "/srv/data/s", "/srv/reports/s", given)
    assert clean == '{"ct": "[ct]", "out": "[out]", "study": "data/s"}'


def test_a_fault_of_one_patient_is_told_without_paths(tmp_path):
    absent = FileNotFoundError(2, "No such file or directory", str(tmp_path / "DOE" / "ct.dcm"))
    assert anonymity.reason(absent).startswith("ct.dcm: No such file or directory. Expected")
    assert anonymity.reason(AttributeError("no ROINumber")).startswith("AttributeError: no ROIN")
    assert anonymity.reason(StudyError(f"series {UID} is odd")) == "series [uid] is odd"


def test_short_names_are_found_in_either_order_and_every_slice_is_read(header, tmp_path):
    first = pydicom.dcmread(header)
    first.PatientName = "Li^Wu"
    (tmp_path / "series").mkdir()
    for i, operator in enumerate(("Abendroth", "Morgenstern")):
        first.OperatorsName = operator
        first.save_as(tmp_path / "series" / f"{i}.dcm", enforce_file_format=True)
    found = anonymity.identifiers([tmp_path / "series"])
    assert {"Li Wu", "Wu Li", "Abendroth", "Morgenstern"} <= found and "Li" not in found


def test_a_prediction_is_scanned_too(header, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "prediction.json").write_text('{"who": "Weissenfels"}')
    found = mailable.scan_folder(tmp_path / "out", [header], [str(tmp_path)])
    with pytest.raises(StudyError, match=r"prediction.json \(header, 1 times\)"):
        mailable.refuse(found)


@pytest.mark.parametrize("name", ["a.json", "a.html", "a.svg", "a.parquet", "a.csv"])
def test_names_are_found_however_a_file_writes_them(header, tmp_path, name):
    """Müller as JSON escapes it, in pictures and in tables; a file that is not UTF-8 is read."""
    edited = pydicom.dcmread(header)
    edited.SpecificCharacterSet, edited.PatientName = "ISO_IR 192", "MÜLLER Jürgen"
    edited.save_as(header, enforce_file_format=True)
    out = tmp_path / "out"
    out.mkdir()
    escaped = json.dumps({"patient": "Müller"})
    assert "Müller" not in escaped
    if name.endswith("parquet"):
        pd.DataFrame({"patient": ["P1", "jürgen müller"]}).to_parquet(out / name)
    elif name.endswith("csv"):
        (out / name).write_bytes("patient\n\xff Jürgen".encode("latin-1") + b"\nM\xc3\xbcller\n")
    else:
        (out / name).write_text(f'<script type="application/json">{escaped}</script>')
    found = mailable.scan_folder(out, [header], [str(tmp_path)])
    assert found.file.tolist() == [name] and found.kind.tolist() == ["header"]


@pytest.mark.parametrize(
    ("tag", "value", "written"),
    [
        ("PatientName", "LI^WEI", "LI_WEI.nii.gz"),
        ("PatientName", "LI^WEI", "weili"),
        ("PatientName", "Wang^XiaoMing=王^小明", "王小明"),
        ("PatientName", "Müller^Jörg", "Mueller_Joerg"),
        ("PatientID", "12-34-56-78", "12345678"),
        ("AcquisitionDateTime", "20230301101500.00", "2023-03-01"),
        ("OtherPatientNames", "Katzenstein^Ida", "Katzenstein"),
    ],
)
def test_values_are_found_however_they_are_written(header, tmp_path, tag, value, written):
    made = pydicom.dcmread(header)
    made.SpecificCharacterSet = "ISO_IR 192"
    setattr(made, tag, value)
    made.save_as(header)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.md").write_text(f"see {written} there", encoding="utf-8")
    assert len(mailable.scan_folder(tmp_path / "out", [header], [])) == 1


def test_uids_of_uuids_are_uids():
    assert anonymity.redacted("2.25.329800735698586629295641978511506172918.dcm") == "[uid].dcm"


def test_folders_with_any_letters_are_taken_out(monkeypatch):
    place = "/srv/daten/Lungenstudie_Köln"
    for ascii_only in (True, False):
        text = json.dumps({"study": place, "home": "/x", "doi": "https://doi.org/1"},
                          ensure_ascii=ascii_only)  # fmt: skip
        monkeypatch.setattr(mailable.Path, "home", lambda: mailable.Path("/"))
        clean = mailable.without_paths(text, place, "/srv/reports/k")
        assert json.loads(clean)["study"] == "data/Lungenstudie_Köln"
        assert json.loads(clean)["doi"] == "https://doi.org/1"


def test_images_whose_letters_look_like_a_folder_stay_whole(monkeypatch):
    monkeypatch.setattr(mailable, "SHIPPED", mailable.Path("/app"))
    image = "iVBOR" + "A/app" * 300 + "=="
    text = json.dumps({"image/png": image, "said": "/app/lib and /srv/data/s"})
    clean = json.loads(mailable.without_paths(text, "/srv/data/s", "/out"))
    assert clean == {"image/png": image, "said": "./lib and data/s"}


def test_folder_of_packages_is_taken_out():
    text = json.dumps({"said": pydicom.__file__})
    clean = json.loads(mailable.without_paths(text, "/srv/data/s", "/srv/reports/s"))
    assert clean["said"] == "site-packages/pydicom/__init__.py"


def test_saved_outputs_and_copies_of_notebooks_are_no_words_of_ours(tmp_path, monkeypatch):
    shutil.copytree(anonymity.SHIPPED / "notebooks", tmp_path / "notebooks")
    first = tmp_path / "notebooks" / "01_cohort.ipynb"
    saved = json.loads(first.read_text(encoding="utf-8"))
    saved["cells"][-1]["outputs"] = [{"text": "Nachtigall"}]
    first.write_text(json.dumps(saved), encoding="utf-8")
    shutil.copy(first, first.with_name("01_cohort-Copy1.ipynb"))
    monkeypatch.setattr(anonymity, "SHIPPED", tmp_path)
    words = anonymity._own_words.__wrapped__()
    assert "nachtigall" not in words and "cohort" in words


def test_short_places_are_no_finding(tmp_path):
    (tmp_path / "a.md").write_text("data and app")
    assert mailable.scan_folder(tmp_path, [], ["/data", "/app"]).empty
