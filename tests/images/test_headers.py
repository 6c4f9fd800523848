"""What headers leave open or say wrongly is refused, or read by a stated rule with a note."""

import gzip

import corpus
import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
from corpus import ORIGIN, ROOT, SPACING, item, lesion, volume
from pydicom.uid import generate_uid
from radiogenomics.images import inspection, scans
from radiogenomics.images.dicom.choice import Wanted
from radiogenomics.images.grids import box_of
from radiogenomics.study.errors import StudyError
from radiogenomics.study.settings import Images, Settings

RAS = np.diag([-1, -1, 1, 1]) @ np.array([
    [SPACING[0], 0, 0, ORIGIN[0]], [0, SPACING[1], 0, ORIGIN[1]],
    [0, 0, SPACING[2], ORIGIN[2]], [0, 0, 0, 1],
])  # fmt: skip


def nifti(path, array, kind=nibabel.Nifti1Image, change=lambda header: None, affine=RAS):
    image = kind(array.T, affine)
    change(image.header)
    nibabel.save(image, path)
    return path


def pair(folder, **how):
    """A CT and a mask whose headers are spoiled in the same way."""
    return (nifti(folder / "ct.nii.gz", volume(), **how),
            nifti(folder / "mask.nii.gz", lesion(), **how))  # fmt: skip


def rewritten(path, change):
    """Write a file again, unpacked, with its header changed byte by byte as no library would."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    header = nibabel.Nifti1Header(bytes(content[:348]), check=False)
    change(header)
    content[:348] = header.binaryblock
    out = path.with_name(f"{path.name.split('.')[0]}_spoiled.nii")
    out.write_bytes(bytes(content))
    return out


def good(scan):
    return (sitk.GetArrayFromImage(scan.ct) == volume()).all() and (
        sitk.GetArrayFromImage(scan.mask) == lesion()
    ).all()


def test_nifti_2_is_read(tmp_path):
    scan = scans.read_scan(*pair(tmp_path, kind=nibabel.Nifti2Image))
    assert good(scan) and scan.notes == ()
    assert np.allclose(scan.ct.GetOrigin(), ORIGIN, atol=1e-3)


def test_the_sform_holds_where_the_qform_is_stale(tmp_path):
    def stale(header):
        moved = RAS.copy()
        moved[2, 3] += 12
        header.set_qform(moved, code=1)
        header.set_sform(RAS, code=2)

    ct = nifti(tmp_path / "ct.nii.gz", volume())
    mask = nifti(tmp_path / "mask.nii.gz", lesion(), change=stale)
    scan = scans.read_scan(ct, mask)
    assert good(scan) and "mask: sform and qform lie 12.0 mm apart" in scan.notes[0]


def unknown(header):
    header["qform_code"] = header["sform_code"] = 0


def test_unknown_sides_are_noted_or_refused(tmp_path):
    ct, mask = (rewritten(path, unknown) for path in pair(tmp_path))
    scan = scans.read_scan(ct, mask)
    inside = sitk.GetArrayFromImage(scan.ct)[sitk.GetArrayFromImage(scan.mask) == 1]
    assert sorted(inside) == sorted(volume()[lesion() == 1])
    assert sum("sides are not known" in note for note in scan.notes) == 2
    row = {"patient": "P", "ct": str(ct), "mask": str(mask), "mask_label": ""}
    assert inspection._inspect_one(row, Settings())["reason"] == ""
    strict = Settings(images=Images(unknown_orientation="refuse"))
    assert "sides are not known" in inspection._inspect_one(row, strict)["reason"]


def sheared(header):
    lean = RAS.copy()
    lean[1, 2] = np.tan(np.radians(18.5)) * SPACING[2]
    header.set_sform(lean, code=1)


def unscaled(header):
    header.set_qform(None, code=0)
    header.set_sform(np.diag([1, 1, 1, 1]), code=1)
    header.set_zooms(SPACING)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (sheared, "axes are sheared by 18.5°"),
        (sheared, "the one whose name holds _Tilt"),
        (unscaled, "voxels of 0.7×0.8×2.5 mm by its pixdim, of 1×1×1 by its sform"),
        (lambda header: header.__setitem__("scl_slope", np.inf), "scaled by scl_slope inf"),
    ],
)
def test_headers_that_contradict_themselves_are_refused(tmp_path, change, says):
    ct, mask = pair(tmp_path)
    with pytest.raises(StudyError, match=says):
        scans.read_scan(rewritten(ct, change), mask)


def no_scale(header):
    header["scl_slope"] = header["scl_inter"] = np.nan


def test_a_slope_and_intercept_that_are_no_numbers_do_not_scale(tmp_path):
    ct, mask = pair(tmp_path)
    assert good(scans.read_scan(rewritten(ct, no_scale), mask))


def test_nrrd_in_microns_is_read_in_mm_with_a_note(tmp_path):
    for name, array in (("ct", volume()), ("mask", lesion())):
        header = {
            "space": "left-posterior-superior", "space units": ["microns"] * 3,
            "space directions": np.diag(SPACING) * 1000, "space origin": np.array(ORIGIN) * 1000,
        }  # fmt: skip
        nrrd.write(str(tmp_path / f"{name}.nrrd"), array.T, header)
    scan = scans.read_scan(tmp_path / "ct.nrrd", tmp_path / "mask.nrrd")
    assert good(scan) and np.allclose(scan.ct.GetSpacing(), SPACING)
    assert scan.notes[0] == "mask: its header counts in units of 0.001 mm, read as mm"


def test_blanks_in_nrrd_vectors_are_read(tmp_path):
    path = corpus.write_image(tmp_path / "ct.nrrd", volume())
    start, voxels = path.read_bytes().split(b"\n\n", 1)
    path.write_bytes(start.replace(b"(0.7", b"( 0.7").replace(b",", b" , ") + b"\n\n" + voxels)
    assert good(scans.read_scan(path, corpus.write_image(tmp_path / "m.nrrd", lesion())))


def test_segments_of_slicer_are_read_by_name_and_number_whatever_their_layer(tmp_path):
    other = np.roll(lesion(), 3, axis=2)
    header = {
        "space": "right-anterior-superior", "kinds": ["list", "domain", "domain", "domain"],
        "space directions": np.vstack([[np.nan] * 3, np.diag([-1, -1, 1]) * SPACING]),
        "space origin": np.array([-ORIGIN[0], -ORIGIN[1], ORIGIN[2]]),
        "Segment0_ID": "S0", "Segment0_Name": "Lung", "Segment0_Layer": "0",
        "Segment0_LabelValue": "1", "Segment1_ID": "S1", "Segment1_Name": "Lesion",
        "Segment1_Layer": "1", "Segment1_LabelValue": "3",
    }  # fmt: skip
    layers = np.stack([other.T, 3 * lesion().T])
    nrrd.write(str(tmp_path / "lesion.seg.nrrd"), layers, header)
    ct = corpus.write_ct(tmp_path / "ct")
    for label in ("Lesion", "lesion", "2"):
        assert good(scans.read_scan(ct, tmp_path / "lesion.seg.nrrd", label))
    both = scans.read_scan(ct, tmp_path / "lesion.seg.nrrd", "Lung+Lesion").mask
    assert (sitk.GetArrayFromImage(both) == np.maximum(lesion(), other)).all()
    with pytest.raises(StudyError, match="holds 1 'Lung', 2 'Lesion'. Expected: segment 'GTV'"):
        scans.read_scan(ct, tmp_path / "lesion.seg.nrrd", "GTV")


def multiframe(path, sop):
    """An Enhanced or converted CT: frames from the head down, their places in groups."""
    made = corpus.ct_slice(volume()[0], 0, ROOT + "3")
    made.SOPClassUID, made.NumberOfFrames = sop, len(volume())
    made.file_meta.MediaStorageSOPClassUID = sop
    for tag in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
                "RescaleSlope", "RescaleIntercept", "SliceThickness"):  # fmt: skip
        delattr(made, tag)
    order = list(range(len(volume())))[::-1]
    made.SharedFunctionalGroupsSequence = [item(
        PixelMeasuresSequence=[item(PixelSpacing=[SPACING[1], SPACING[0]], SliceThickness=2.5)],
        PlaneOrientationSequence=[item(ImageOrientationPatient=list(corpus.AXIAL))],
        PixelValueTransformationSequence=[item(RescaleSlope=1, RescaleIntercept=-1024)],
    )]  # fmt: skip
    made.PerFrameFunctionalGroupsSequence = [
        item(PlanePositionSequence=[item(
            ImagePositionPatient=[*ORIGIN[:2], ORIGIN[2] + SPACING[2] * z])])
        for z in order
    ]  # fmt: skip
    made.PixelData = (volume()[order] + 1024).astype(np.uint16).tobytes()
    return corpus.save(made, path)


@pytest.mark.parametrize("sop", ["1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"])
def test_multi_frame_ct_is_read_as_its_slices_are(tmp_path, sop):
    (tmp_path / "ct").mkdir()
    multiframe(tmp_path / "ct" / "enhanced.dcm", sop)
    mask = corpus.write_image(tmp_path / "mask.nii.gz", lesion())
    scan = scans.read_scan(tmp_path / "ct", mask)
    assert good(scan) and np.allclose(scan.ct.GetOrigin(), ORIGIN)
    assert np.allclose(scan.ct.GetSpacing(), SPACING)


def test_two_phases_in_one_series_need_a_choice(tmp_path):
    folder = corpus.write_ct(tmp_path / "ct", volume(5), AcquisitionNumber=1)
    for z, hu in enumerate(volume()):
        made = corpus.ct_slice(hu, z, ROOT + "3")
        made.AcquisitionNumber, made.SOPInstanceUID = 2, generate_uid()
        corpus.save(made, folder / f"second_{z}.dcm")
    mask = corpus.write_image(tmp_path / "mask.nii.gz", lesion())
    with pytest.raises(
        StudyError, match=r"acquisitions 1 \(8 slices\), 2 \(8 slices\) at the same"
    ):
        scans.read_scan(folder, mask)
    assert good(scans.read_scan(folder, mask, "", Wanted(acquisition="2")))
    with pytest.raises(StudyError, match="holds the acquisitions 1, 2. Expected: the one that"):
        scans.read_scan(folder, mask, "", Wanted(acquisition="7"))


def test_cohort_csv_and_study_toml_choose_the_series(tmp_path):
    folder = corpus.write_ct(tmp_path / "ct", volume(5), ConvolutionKernel="B70f")
    corpus.write_ct(folder, series=ROOT + "4", SeriesNumber=7, ConvolutionKernel="B30f")
    mask = corpus.write_image(tmp_path / "mask.nii.gz", lesion())
    row = {"ct": folder, "mask": mask, "mask_label": ""}
    for choice in ({"ct_series": "7"}, {"ct_series": ROOT + "4"}, {"ct_kernels": "I31f|b30f"}):
        ct, _ = scans.read_pair(row | choice)
        assert (sitk.GetArrayFromImage(ct) == volume()).all(), choice
    with pytest.raises(StudyError, match="Expected: the one that ct_series names"):
        scans.read_pair(row | {"ct_series": "9"})


def test_an_axial_volume_goes_before_thinner_images_that_are_none(tmp_path):
    """A bolus series at one place, and a thinner coronal one."""
    folder = corpus.write_ct(tmp_path / "ct")
    corpus.write_ct(
        folder, volume(5)[:2], lambda made, z: setattr(
            made, "ImagePositionPatient", [*ORIGIN[:2], ORIGIN[2]]),
        series=ROOT + "4", SliceThickness=0.5,
    )  # fmt: skip
    corpus.write_ct(folder, volume(6), series=ROOT + "5", SliceThickness=0.6,
                    ImageOrientationPatient=[1, 0, 0, 0, 0, -1])  # fmt: skip
    outline = corpus.write_image(tmp_path / "mask.nii.gz", lesion()[1:-1],
                                 origin=(*ORIGIN[:2], ORIGIN[2] + SPACING[2]))  # fmt: skip
    assert (sitk.GetArrayFromImage(scans.read_scan(folder, outline).ct) == volume()).all()


def uneven(folder, gap_at, slices=40):
    """A CT of many slices 1 mm apart, and one gap of 2 mm."""
    hu = np.random.default_rng(1).normal(-700, 50, (slices, 20, 24)).astype(np.int16)

    def place(made, z):
        made.ImagePositionPatient = [*ORIGIN[:2], ORIGIN[2] + z + (z >= gap_at)]

    return corpus.write_ct(folder, hu, place, step=1.0)


def mask_at(path, first, slices=40):
    array = np.zeros((slices, 20, 24), np.uint8)
    array[first : first + 4, 6:12, 8:15] = 1
    return corpus.write_image(path, array, spacing=(*SPACING[:2], 1.0),
                              origin=(*ORIGIN[:2], ORIGIN[2] + 1))  # fmt: skip


def test_an_uneven_gap_far_from_the_lesion_is_left_out_and_one_near_it_refused(tmp_path):
    folder = uneven(tmp_path / "ct", 4)
    scan = scans.read_scan(folder, mask_at(tmp_path / "far.nii.gz", 28))
    assert scan.ct.GetSize()[2] == 36 and "36 of 40 are read" in scan.notes[0]
    assert np.isclose(scan.ct.GetOrigin()[2], ORIGIN[2] + 5)
    assert sitk.GetArrayFromImage(scan.mask).sum() == 4 * 6 * 7
    with pytest.raises(StudyError, match="a missing slice is never interpolated"):
        scans.read_scan(folder, mask_at(tmp_path / "near.nii.gz", 10))


def test_positions_to_a_tenth_of_a_mm_are_even_enough(tmp_path):
    def rounded(made, z):
        made.ImagePositionPatient = [*ORIGIN[:2], round(ORIGIN[2] + 0.625 * z, 1)]

    folder = corpus.write_ct(tmp_path / "ct", None, rounded, step=0.625)
    assert abs(scans.read_ct(folder)[0].GetSpacing()[2] - 0.625) < 0.01


def test_a_mask_as_ct_and_a_lesion_of_litres_are_refused(tmp_path):
    array = np.zeros((40, 40, 40), np.uint8)
    array[5:35, 5:35, 5:35] = 1
    mask = corpus.write_image(tmp_path / "mask.nii.gz", array, spacing=(5, 5, 5))
    with pytest.raises(StudyError, match="holds 2 different values, like a mask"):
        scans.read_scan(mask, mask)
    hu = np.random.default_rng(0).normal(-700, 50, array.shape).astype(np.int16)
    ct = corpus.write_image(tmp_path / "ct.nii.gz", hu, spacing=(5, 5, 5))
    with pytest.raises(StudyError, match="3.4 litres"):
        scans.read_scan(ct, mask)


def test_a_lesion_of_one_voxel_is_refused_when_it_is_looked_at(tmp_path):
    one = np.zeros_like(lesion())
    one[3, 8, 10] = 1
    row = {"patient": "P", "ct": str(corpus.write_ct(tmp_path / "ct")), "mask_label": ""}
    row["mask"] = str(corpus.write_image(tmp_path / "mask.nii.gz", one))
    reason = inspection._inspect_one(row, Settings())["reason"]
    assert "voxels at 1 mm. Expected: at least 8" in reason


def test_a_damaged_element_excludes_its_patient_with_a_sentence(tmp_path):
    """Each byte of a VR in the header, changed in turn: an image, or an error of ours."""
    folder = corpus.write_ct(tmp_path / "ct")
    mask = corpus.write_image(tmp_path / "mask.nii.gz", lesion())
    path = sorted(folder.iterdir())[0]
    whole = path.read_bytes()
    row = {"patient": "P", "ct": str(folder), "mask": str(mask), "mask_label": ""}
    for place in range(400, 1100, 7):
        path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        record = inspection._inspect_one(row, Settings())
        assert record["reason"] == "" or "Traceback" not in record["reason"]
        inspection.patient_id(folder)


def test_a_map_and_a_mask_stay_where_the_patient_is(tmp_path):
    ct, mask = pair(tmp_path)
    scan = scans.read_scan(ct, mask)
    series = scans.read_ct(corpus.write_ct(tmp_path / "series"))[0]
    assert np.allclose(box_of(scan.ct), box_of(series), atol=1e-3)


def test_segments_whose_voxels_lie_in_another_folder_are_refused(tmp_path):
    """As of any NRRD: a header could name anybody's file."""
    (tmp_path / "in").mkdir()
    header = {
        "space": "left-posterior-superior", "space directions": np.diag(SPACING),
        "space origin": np.array(ORIGIN), "encoding": "raw",
        "Segment0_ID": "S0", "Segment0_Name": "Lesion", "Segment0_LabelValue": "1",
    }  # fmt: skip
    path = tmp_path / "in" / "lesion.seg.nrrd"
    nrrd.write(str(path), lesion().T, header)
    start, voxels = path.read_bytes().split(b"\n\n", 1)
    (tmp_path / "other.raw").write_bytes(voxels)
    path.write_bytes(start + b"\ndata file: ../other.raw\n\n")
    ct = corpus.write_ct(tmp_path / "ct")
    with pytest.raises(StudyError, match="in another folder or in several files"):
        scans.read_scan(ct, path, "Lesion")
