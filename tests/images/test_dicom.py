"""Of several series the stated rules choose one, the others are listed; HU as the headers say."""

import corpus
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from corpus import ORIGIN, ROOT, SPACING, lesion, volume
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)
from radiogenomics.images import description, scans
from radiogenomics.images.dicom.acquisition import acquisition
from radiogenomics.images.dicom.choice import _drawn_on, choose_ct
from radiogenomics.images.dicom.slices import in_order
from radiogenomics.study.errors import StudyError


def two_series(folder, first, second, sizes=(8, 8)):
    """Two series in one folder that differ in their headers or number of slices."""
    for n, (tags, size) in enumerate(zip((first, second), sizes, strict=True), start=3):
        corpus.write_ct(folder, volume(n)[:size], series=f"{ROOT}{n}", **tags)
    return folder


RULES = {
    "thinnest": ({"SliceThickness": 5, "SeriesNumber": 1}, {"SliceThickness": 1.25}, (8, 6)),
    "most slices": ({"SeriesNumber": 1}, {"SeriesNumber": 2}, (6, 8)),
    "lowest number": ({"SeriesNumber": 12}, {"SeriesNumber": 4}, (8, 8)),
    "a thickness rather than none": ({"SliceThickness": None}, {"SliceThickness": 5}, (8, 6)),
}


@pytest.mark.parametrize("name", RULES)
def test_rule_chooses_the_second_of_two_series(tmp_path, name):
    chosen, others = choose_ct(two_series(tmp_path, *RULES[name]))
    assert chosen.uid == ROOT + "4" and [s.uid for s in others] == [ROOT + "3"]


def test_size_of_an_image_mask_goes_before_thickness(tmp_path):
    folder = two_series(tmp_path / "ct", {}, {"SliceThickness": 1.25}, (8, 6))
    assert choose_ct(folder)[0].uid == ROOT + "4"
    mask = corpus.write_image(tmp_path / "mask.nii.gz", lesion())
    scan = scans.read_scan(folder, mask)
    assert (sitk.GetArrayFromImage(scan.ct) == volume(3)).all()
    assert scan.notes == ("series 1: 8 × 2.5 mm, B30f used, not series 1: 6 × 1.25 mm, B30f",)


@pytest.mark.parametrize(
    "other",
    [
        {"SeriesNumber": 0, "change": lambda made, z: corpus.move(made, (0, 0, 5))},
        {"SeriesNumber": 0, "PixelSpacing": [0.9, 0.9]},
    ],
    ids=["shifted", "another field of view"],
)
def test_grid_of_an_image_mask_goes_before_all_but_references(tmp_path, other):
    folder = corpus.write_ct(tmp_path / "ct", volume(3))
    corpus.write_ct(folder, volume(4), series=ROOT + "4", **other)
    mask = corpus.write_image(tmp_path / "mask.nii.gz", lesion())
    scan = scans.read_scan(folder, mask)
    assert (sitk.GetArrayFromImage(scan.ct) == volume(3)).all()
    assert (sitk.GetArrayFromImage(scan.mask) == lesion()).all() and len(scan.notes) == 1


def test_a_grid_that_leans_is_known_too(tmp_path):
    lean = [0.995, 0.0998, 0, -0.0998, 0.995, 0]
    folder = corpus.write_ct(tmp_path / "ct", volume(3), ImageOrientationPatient=lean)
    ct = scans.read_ct(folder)[0]
    mask = sitk.GetImageFromArray(lesion())
    mask.CopyInformation(ct)
    series = choose_ct(folder)[0]
    assert _drawn_on(series, mask)
    mask.SetOrigin([o + 1 for o in ct.GetOrigin()])
    assert not _drawn_on(series, mask)


def test_originals_go_before_derived_images(tmp_path):
    derived = {"ImageType": ["DERIVED", "SECONDARY", "MIP"], "SeriesNumber": 0}
    folder = two_series(tmp_path, derived, {"SliceThickness": 5})
    assert choose_ct(folder)[0].uid == ROOT + "4"


def test_of_two_examinations_only_the_one_of_the_mask_is_taken(tmp_path):
    exam = {"StudyInstanceUID": ROOT + "77"}
    folder = corpus.write_ct(tmp_path / "ct", volume(3))
    corpus.write_ct(
        folder, volume(4), lambda made, z: corpus.move(made, (0, 0, 50)), series=ROOT + "4", **exam
    )
    good = corpus.write_image(tmp_path / "mask.nii.gz", lesion())
    assert "of 2 examinations" in scans.read_scan(folder, good).notes[0]
    part = corpus.write_image(tmp_path / "part.nii.gz", lesion()[1:])
    with pytest.raises(StudyError, match="2 examinations, and nothing says on which"):
        scans.read_scan(folder, part)


def test_two_tubes_exclude_nobody(tmp_path):
    folder = corpus.write_ct(tmp_path, KVP=["80", "140"], XRayTubeCurrent=[100, 200])
    assert acquisition(choose_ct(folder)[0])["kvp"] == 80


def test_series_that_the_drawing_names_goes_before_all(tmp_path):
    thick = corpus.write_ct(tmp_path / "thick", volume(3), SliceThickness=5)
    seg = corpus.write_seg(tmp_path / "seg.dcm", thick, {"GTV": lesion()})
    corpus.write_ct(thick / "deeper" / "thin", volume(4), series=ROOT + "4", SliceThickness=1)
    assert choose_ct(thick)[0].uid == ROOT + "4"
    scan = scans.read_scan(thick, seg)
    assert (sitk.GetArrayFromImage(scan.ct) == volume(3)).all() and len(scan.notes) == 1


def test_localizer_and_other_modalities_are_left_out(tmp_path):
    corpus.write_ct(tmp_path, volume(3))
    for n, tags in (
        (4, {"ImageType": ["DERIVED", "SECONDARY", "LOCALIZER"]}),
        (5, {"Modality": "PT"}),
    ):
        corpus.write_ct(tmp_path, volume(n), series=f"{ROOT}{n}", SliceThickness=0.5, **tags)
    chosen, others = choose_ct(tmp_path)
    assert chosen.uid == ROOT + "3" and others == []


def syntax(uid, encode=False):
    def change(made, z):
        if encode:
            made.compress(uid, generate_instance_uid=False)
        elif uid == ExplicitVRBigEndian:
            made.PixelData = np.frombuffer(made.PixelData, "<u2").astype(">u2").tobytes()
        made.file_meta.TransferSyntaxUID = uid

    return change


SYNTAXES = {
    "implicit": syntax(ImplicitVRLittleEndian),
    "big-endian": syntax(ExplicitVRBigEndian),
    "deflated": syntax(DeflatedExplicitVRLittleEndian),
    "RLE": syntax(RLELossless, encode=True),
    "JPEG-LS": syntax(JPEGLSLossless, encode=True),
}


@pytest.mark.parametrize("name", SYNTAXES)
def test_every_transfer_syntax_gives_the_same_hu(tmp_path, name):
    def change(made, z):
        made["PixelData"].VR = "OW"
        SYNTAXES[name](made, z)

    folder = corpus.write_ct(tmp_path / "ct", None, change)
    image = scans.read_ct(folder)[0]
    assert (sitk.GetArrayFromImage(image) == volume()).all()
    assert np.allclose(image.GetSpacing(), SPACING) and np.allclose(image.GetOrigin(), ORIGIN)


def test_rescale_of_every_slice_is_applied(tmp_path):
    def change(made, z):
        made.RescaleSlope, made.RescaleIntercept = (2, -2000) if z == 3 else (1, -1024)

    folder = corpus.write_ct(tmp_path / "ct", None, change)
    stored = volume().astype(int) + 1024
    expected = stored - 1024
    expected[3] = np.maximum(2 * stored[3] - 2000, -1024)
    assert (sitk.GetArrayFromImage(scans.read_ct(folder)[0]) == expected).all()
    chosen, _ = choose_ct(folder)
    assert acquisition(chosen)["rescale"] == "1 × value -1024, 2 × value -2000"


def test_oblique_series_has_the_axes_of_its_headers(tmp_path):
    """Rows and columns turned by 30° about x: places as DICOM's equation (C.7.6.2.1-1) gives."""
    across, down = np.array([1.0, 0, 0]), np.array([0, np.cos(np.pi / 6), np.sin(np.pi / 6)])
    normal = np.cross(across, down)

    def change(made, z):
        made.ImageOrientationPatient = [float(f"{v:.10f}") for v in (*across, *down)]
        made.ImagePositionPatient = [float(f"{v:.8f}") for v in ORIGIN + 2.5 * z * normal]

    image = scans.read_ct(corpus.write_ct(tmp_path / "ct", None, change))[0]
    assert (sitk.GetArrayFromImage(image) == volume()).all()
    x, y, z = 5, 7, 3
    place = ORIGIN + SPACING[0] * x * across + SPACING[1] * y * down + 2.5 * z * normal
    assert np.allclose(image.TransformIndexToPhysicalPoint((x, y, z)), place, atol=1e-6)


def test_slices_from_the_head_down_are_turned_round(tmp_path):
    def change(made, z):
        made.InstanceNumber = 8 - z

    image = scans.read_ct(corpus.write_ct(tmp_path / "ct", None, change))[0]
    assert (sitk.GetArrayFromImage(image) == volume()).all()


def test_spacing_is_of_the_places_not_of_the_thickness(tmp_path):
    folder = corpus.write_ct(tmp_path / "ct", SliceThickness=5, SpacingBetweenSlices=4)
    assert scans.read_ct(folder)[0].GetSpacing()[2] == pytest.approx(2.5)


@pytest.mark.parametrize(("gap", "good"), [(0.2, True), (0.3, False)])
def test_one_gap_may_differ_by_a_tenth(tmp_path, gap, good):
    def change(made, z):
        made.ImagePositionPatient = [*ORIGIN[:2], ORIGIN[2] + 2.5 * z + gap * (z == 7)]

    folder = corpus.write_ct(tmp_path / "ct", None, change)
    if good:
        assert scans.read_ct(folder)[0].GetSize() == (24, 20, 8)
    else:
        with pytest.raises(StudyError, match="slices 7 and 8 lie 2.80 mm apart"):
            scans.read_ct(folder)[0]


def test_acquisition_row_says_how_and_nothing_of_whom(tmp_path):
    case = corpus.good_case(tmp_path)
    case.series(ConvolutionKernel=["B30f", "I30f"], ContrastBolusAgent="Iohexol")
    scan = scans.read_scan(case.ct, case.mask)
    row = description.acquisition_row(scan.ct, scan.acquisition, scan.file_grid)
    assert {k: row[k] for k in scan.acquisition} == {
        "vendor": "Example", "scanner": "Scanner 1", "kernel": "B30f/I30f", "kvp": 120.0,
        "mas": 100.0, "thickness_mm": 2.5, "contrast": "yes", "rescale": "1 × value -1024",
        "gap_mm": 0.0, "uneven_mm": 0.0, "phase": "not recorded", "body_part": "not recorded",
        "burned_in": "not recorded",
    }  # fmt: skip
    assert row["size"] == "24×20×8" and row["orientation"] == "LPS" and row["slice_mm"] == 2.5
    header = pydicom.dcmread(next(case.ct.iterdir()))
    told = " ".join(map(str, row.values()))
    for tag in ("PatientID", "PatientName", "PatientBirthDate", "StudyDate", "SeriesInstanceUID"):
        assert str(header.get(tag)) not in told
    assert scan.patient_id == header.PatientID


def test_mas_of_the_header_goes_before_current_times_time(tmp_path):
    chosen, _ = choose_ct(corpus.write_ct(tmp_path, Exposure=80))
    assert acquisition(chosen)["mas"] == 80


def test_gaps_overlaps_and_phase_are_told_and_the_description_is_not(tmp_path):
    about = {"SliceThickness": 1.0, "SeriesDescription": "Thorax ARTERIELL Arterial Mr Example"}
    chosen, _ = choose_ct(corpus.write_ct(tmp_path, **about))
    found = acquisition(in_order(chosen, "x"))
    assert found["gap_mm"] == 1.5 and found["phase"] == "arterial"
    assert "Example" not in " ".join(map(str, found.values())).replace(found["vendor"], "")
