"""Bad inputs are refused with what was found, expected and to do; odd but good ones are read."""

import dataclasses
import gzip
import io
import re
import struct
import zipfile
from pathlib import Path

import corpus
import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk
from corpus import ORIGIN, ROOT, SHAPE, lesion, place, square, volume
from radiogenomics.cohort import eligibility, reading
from radiogenomics.cohort import included as cohort_included
from radiogenomics.images import inspection, scans
from radiogenomics.images.formats import content_hash
from radiogenomics.study.errors import StudyError
from radiogenomics.study.settings import Label, Privacy, Settings
from radiogenomics.study.study import Study
from radiogenomics.study.values import build

PLANES = np.indices(SHAPE)[0]


def at(z, **tags):
    """Change one slice of a series."""

    def change(made, index):
        for tag, value in tags.items():
            if index == z:
                setattr(made, tag, value)

    return change


def without(*tags, only=None):
    """Take header entries away."""

    def change(made, index):
        for tag in tags:
            if only is None or index == only:
                delattr(made, tag)

    return change


def cut(path, left):
    """Leave the first `left` bytes of a file (negative: all but so many)."""
    path.write_bytes(path.read_bytes()[:left])


def swapped(path, old, new):
    """Replace bytes of a file."""
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def patched(path, position, layout, value):
    """Replace a number of a binary header."""
    content = bytearray(path.read_bytes())
    struct.pack_into(layout, content, position, value)
    path.write_bytes(content)


def first(case):
    """The file of the first slice."""
    return sorted(case.ct.iterdir())[0]


def voxel(value):
    """A CT with one voxel that is no number."""
    ct = volume().astype(np.float32)
    ct[1, 2, 3] = value
    return ct


def as_ct(case, name, content):
    case.ct = case.written(name, content)


def _grown(nifti):
    """A header that tells of 2000 × 2000 × 2000 voxels."""
    return nifti[:42] + struct.pack("<3h", 2000, 2000, 2000) + nifti[48:]


def replaced(path, pattern, new):
    path.write_bytes(re.sub(pattern, new, path.read_bytes(), count=1))


def zipped(case):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("ct.nii", "not an image " * 500)
    as_ct(case, "ct.nii.gz", stream.getvalue())


def four_dimensional(case, volumes=2):
    case.ct = case.folder / "4d.nii.gz"
    sitk.WriteImage(sitk.JoinSeries([corpus.image(volume(i)) for i in range(volumes)]), case.ct)


def empty_folder(case):
    case.ct = case.folder / "nothing"
    case.ct.mkdir()


def doubled_size(case):
    case.series()
    corpus.save(corpus.ct_slice(volume()[3][:10], 3, ROOT + "3"), case.ct / "other.dcm")


def seg(case, masks=None, label="", change=None, **more):
    case.mask = corpus.write_seg(
        case.folder / "seg.dcm", case.ct, masks or {"GTV": lesion()}, **more
    )
    case.label = label
    if change:
        corpus.edit(case.mask, change)


def rtstruct(case, *contours, label="", kind="CLOSED_PLANAR", change=None):
    rois = {"GTV": list(contours), "heart": [square(1, 4, 1)]}
    case.mask = corpus.write_rtstruct(case.folder / "rs.dcm", case.ct, rois, kind)
    case.label = label or "GTV"
    if change:
        corpus.edit(case.mask, change)


def extra(case, gone=(), **tags):
    """Put one more file into the series that is no slice of it."""
    made = corpus.ct_slice(volume()[0], 20, ROOT + "3")
    for tag, value in tags.items():
        setattr(made, tag, value)
    for tag in gone:
        delattr(made, tag)
    corpus.save(made, case.ct / "extra.dcm")


def far(made, z):
    corpus.move(made, (0, 0, 500))


def two_segs(case):
    folder = case.folder / "masks"
    folder.mkdir()
    for name in "ab":
        corpus.write_seg(folder / f"{name}.dcm", case.ct, {"GTV": lesion()})
    case.mask = folder


def no_places(made):
    for group in made.PerFrameFunctionalGroupsSequence:
        del group.PlanePositionSequence


OTHER = {"a": lesion(), "b": (PLANES == 7).astype(np.uint8)}
SAGITTAL = np.array([place(5, y, z) for y, z in ((3, 2), (9, 2), (9, 5), (3, 5))])
DICOM = "but is not, or is cut off"


def bare(case, left):
    """Files named as a PACS names them, the last slice cut to its first `left` bytes."""
    for i, path in enumerate(sorted(case.ct.glob("*.dcm"))):
        path.rename(path.with_name(f"IM{i:04d}"))
    cut(max(case.ct.iterdir(), key=lambda p: pydicom.dcmread(p).InstanceNumber), left)


def drifting(made, z):
    """Gaps of 2.4 mm, then of 2.6 mm: each near the usual one, their sum is not."""
    height = 100 + 2.4 * min(z, 20) + 2.6 * max(z - 20, 0)
    made.ImagePositionPatient = [-30, -20, height]


def detached(case, named, kind="mhd"):
    """A CT as a header that names the file of its voxels."""
    made = case.new_ct(name=f"a.{kind}")
    voxels = next(p for p in made.parent.iterdir() if p.name.startswith("a.") and p != made)
    swapped(made, voxels.name.encode(), named.encode())


def two_of_one_name(drawing):
    for one in drawing.SegmentSequence:
        one.SegmentLabel = "GTV"


def no_segment_of_frames(drawing):
    for group in drawing.PerFrameFunctionalGroupsSequence:
        del group.SegmentIdentificationSequence


SERIES = {
    "header cut off": (lambda c: cut(first(c), 300), DICOM, "Export it again"),
    "pixels cut off": (
        lambda c: cut(first(c), -500),
        "3_000.dcm",
        "cannot be read",
        "copy it again",
    ),
    "pixels gone": (
        lambda c: (c.series(hu=np.zeros((8, 64, 64), np.int16)), cut(first(c), 2000)),
        "3_000.dcm is cut off: 2000 bytes",
        "at least 8192 for 64 × 64 pixels",
    ),
    "text as .dcm": (lambda c: (c.ct / "n.dcm").write_text("hi\n" * 99), "n.dcm", DICOM),
    "jpg as .dcm": (lambda c: (c.ct / "n.dcm").write_bytes(b"\xff\xd8\xff\xe0JFIF" * 99), DICOM),
    "empty .dcm": (lambda c: (c.ct / "n.dcm").touch(), "n.dcm", DICOM),
    "a slice without a suffix, cut off": (lambda c: bare(c, 300), "IM0", DICOM),
    "a slice without a suffix, empty": (lambda c: bare(c, 0), "IM0", DICOM),
    "spacing that drifts": (
        lambda c: c.series(drifting, np.zeros((40, 10, 10), np.int16)),
        "mm from its position on an even grid: gaps run from 2.40 to 2.60 mm",
    ),
    "MR": (lambda c: c.series(Modality="MR"), "holds no CT series; DICOM found: MR", "axial CT"),
    "localizer only": (
        lambda c: c.series(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        "DICOM found: CT localizer",
        "Expected: an axial CT",
    ),
    "secondary captures of two kinds": (
        lambda c: c.series(
            lambda made, z: setattr(
                made, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.7" + ".2" * (z % 2)
            )
        ),
        "DICOM found: CT secondary capture.",
    ),
    "empty folder": (empty_folder, "nothing holds no CT series; DICOM found: none"),
    "two patients": (
        lambda c: corpus.write_ct(c.ct, series=ROOT + "8", PatientID="X"),
        "ct holds CT of more than one patient",
        "Sort the export",
    ),
    "two patients in one series": (
        lambda c: c.series(at(3, PatientID="X")),
        "more than one patient",
    ),
    "tilted gantry": (
        lambda c: c.series(
            lambda made, z: setattr(
                made, "ImagePositionPatient", [-30, -20 + 0.5 * z, 100 + 2.5 * z]
            )
        ),
        "gantry is tilted by 11.3°",
        "dcm2niix",
    ),
    "missing slice": (
        lambda c: c.series(skip=[3]),
        "slices 3 and 4 lie 5.00 mm apart",
        "InstanceNumber 3 and 5",
        "Export all slices",
    ),
    "doubled slice": (
        lambda c: c.series(at(4, ImagePositionPatient=place(0, 0, 3))),
        "two slices are at the same position (InstanceNumber 4 and 5)",
        "export one",
    ),
    "slice at the place of another": (
        lambda c: c.series(at(3, ImagePositionPatient=[-30, -20, 105])),
        "two slices are at the same position",
    ),
    "multi-frame": (lambda c: c.series(at(0, NumberOfFrames=4)), "3_000.dcm is a multi-frame file"),
    "slices of two sizes": (doubled_size, "slices differ in Rows (10 to 20)", "one geometry"),
    "slices of two directions": (
        lambda c: c.series(at(3, ImageOrientationPatient=[0, 1, 0, -1, 0, 0])),
        "slices differ in ImageOrientationPatient",
    ),
    "no position": (
        lambda c: c.series(without("ImagePositionPatient", only=2)),
        "3_010.dcm has no ImagePositionPatient",
        "Export the original",
    ),
    "half a position": (
        lambda c: c.series(at(2, ImagePositionPatient=[0, 0])),
        "3_010.dcm has ImagePositionPatient [0",
        "3 numbers of position",
    ),
    "pixel spacing 0": (lambda c: c.series(PixelSpacing=[0, 0]), "has PixelSpacing [0", "above 0"),
    "thickness in words": (
        lambda c: [swapped(f, b"2.5 ", b"abc ") for f in c.ct.iterdir()],
        "3_000.dcm: SliceThickness in its header cannot be read",
    ),
    "colour": (
        lambda c: c.series(SamplesPerPixel=3, PhotometricInterpretation="RGB"),
        "3 values per pixel, like a colour image",
        "not screenshots",
    ),
    "one slice": (lambda c: c.series(hu=volume()[:1]), "holds one slice", "Export all slices"),
    "one file": (lambda c: setattr(c, "ct", first(c)), "is one slice", "name the folder"),
}

IMAGES = {
    "4D": (four_dimensional, "4d.nii.gz is 4D", "Expected: one 3D volume"),
    "RGB": (
        lambda c: c.new_ct(np.zeros((*SHAPE, 3), np.uint8), vector=True),
        "3 values per voxel",
    ),
    "2D": (lambda c: c.new_ct(np.zeros((20, 24), np.uint8), "p.png"), "p.png is 2D"),
    "NIfTI pixdim 0": (
        lambda c: patched(c.new_ct(name="a.nii"), 80, "<f", 0),
        "spacing (0, 0.8, 2.5)",
    ),
    "NIfTI pixdim -0.7": (
        lambda c: patched(c.new_ct(name="a.nii"), 80, "<f", -0.7),
        "a.nii: voxel spacing (-0.7, 0.8, 2.5)",
        "flipped axis",
    ),
    "NIfTI pixdim NaN": (lambda c: patched(c.new_ct(name="a.nii"), 88, "<f", np.nan), "nan) mm"),
    "NIfTI offset NaN": (
        lambda c: patched(c.new_ct(name="a.nii"), 108, "<f", np.nan),
        "not a NIfTI file",
    ),
    "MetaImage spacing -0.7": (
        lambda c: swapped(c.new_ct(name="a.mha"), b"Spacing = 0", b"Spacing = -0"),
        "a.mha: voxel spacing (-0.7, 0.8, 2.5)",
        "Expected: above 0",
    ),
    "MetaImage spacing x": (
        lambda c: swapped(c.new_ct(name="a.mha"), b"Spacing = 0", b"Spacing = x"),
        "a.mha: voxel spacing (nan",
    ),
    "NRRD direction 0": (
        lambda c: swapped(c.new_ct(name="a.nrrd"), b"s: (0.69999999999999996", b"s: (0"),
        "a.nrrd: voxel spacing (0, 0.8, 2.5)",
    ),
    "NRRD direction none": (
        lambda c: swapped(c.new_ct(name="a.nrrd"), b"(0,0,2.5)", b"none"),
        "a.nrrd: voxel spacing (0.7, 0.8, nan)",
    ),
    "zip as .nii.gz": (zipped, "ct.nii.gz is a zip archive", "Unpack it first"),
    "gzip cut off": (
        lambda c: cut(c.new_ct(), 3000),
        "ct2.nii.gz cannot be read",
        "damaged or cut off",
    ),
    "NIfTI cut off": (
        lambda c: cut(c.new_ct(name="a.nii"), -100),
        "100 bytes of the voxels are missing",
    ),
    "gzip of NIfTI cut off": (
        lambda c: as_ct(c, "z.nii.gz", gzip.compress(c.new_ct(name="a.nii").read_bytes()[:-64])),
        "64 bytes of the voxels",
    ),
    "NIfTI that unpacks to more than it tells": (
        lambda c: as_ct(
            c, "z.nii.gz", gzip.compress(c.new_ct(name="a.nii").read_bytes() + bytes(80 << 20), 1)
        ),
        "z.nii.gz unpacks to more than 64 MB beyond what its header tells of",
    ),
    "NIfTI of more voxels than any CT": (
        lambda c: as_ct(c, "z.nii.gz", gzip.compress(_grown(c.new_ct(name="a.nii").read_bytes()))),
        "z.nii.gz: 2000 × 2000 × 2000 voxels in the header",
        "at most 1,000,000,000",
    ),
    "MetaImage of more voxels than any CT": (
        lambda c: replaced(c.new_ct(name="a.mha"), rb"DimSize = .*", b"DimSize = 2000 2000 2000"),
        "a.mha: 2000 × 2000 × 2000 voxels",
    ),
    "NRRD of more voxels than any CT": (
        lambda c: replaced(c.new_ct(name="a.nrrd"), rb"sizes: .*", b"sizes: 2000 2000 2000"),
        "a.nrrd: 2000 × 2000 × 2000 voxels",
    ),
    "NRRD cut off": (lambda c: cut(c.new_ct(name="a.nrrd"), -100), "a.nrrd cannot be read"),
    "MetaImage cut off": (lambda c: cut(c.new_ct(name="a.mha"), -100), "a.mha cannot be read"),
    "text as .nii": (
        lambda c: as_ct(c, "t.nii", b"patient,age\n" * 99),
        "t.nii is not a NIfTI file",
    ),
    "text as .nii.gz": (
        lambda c: as_ct(c, "t.nii.gz", gzip.compress(b"text " * 99)),
        "not a NIfTI file",
    ),
    "zeros as .nii": (lambda c: as_ct(c, "t.nii", bytes(999)), "t.nii is not a NIfTI file"),
    "DICOM as .nii": (
        lambda c: as_ct(c, "d.nii", first(c).read_bytes()),
        "d.nii is not a NIfTI file",
    ),
    "text as .nrrd": (lambda c: as_ct(c, "t.nrrd", b"hello\n" * 9), "t.nrrd cannot be read"),
    "empty file": (
        lambda c: as_ct(c, "e.nii.gz", b""),
        "e.nii.gz cannot be read",
        "no whole header",
    ),
    "voxels in another folder": (
        lambda c: detached(c, "../secret/a.raw"),
        "a.mhd names 'a.raw', in another folder",
        "Expected: one file beside it",
    ),
    "voxels not there": (
        lambda c: detached(c, "b.raw", "nhdr"),
        "a.nhdr names 'b.raw'",
        "not there",
    ),
    "file not there": (lambda c: setattr(c, "ct", c.folder / "x.nii"), "x.nii is not there"),
}
IMAGES |= {
    f"{value} in .{kind}": (
        lambda c, v=value, k=kind: c.new_ct(voxel(v), f"b.{k}"),
        f"b.{kind}: 1 voxels are not finite numbers",
    )
    for value in (np.nan, np.inf, -np.inf)
    for kind in ("nii", "nii.gz", "nrrd", "mha")
}


def of_nobody_known(drawing):
    """Another PatientID, and no word on what the outline was drawn on."""
    drawing.PatientID = "X"
    del drawing.ReferencedSeriesSequence


MASKS = {
    "empty": (lambda c: c.new_mask(0 * lesion()), "The mask is empty: draw the lesion"),
    "label 255": (lambda c: c.new_mask(255 * lesion()), "labels 0, 255", "set mask_label = 255"),
    "labels 2 and 3": (
        lambda c: c.new_mask(lesion() * (2 + (PLANES == 3)).astype(np.uint8)),
        "labels 0, 2, 3. Expected: 1",
        "set mask_label",
    ),
    "label 0 wanted": (lambda c: setattr(c, "label", "0"), "labels 0, 1. Expected: 0"),
    "label in words": (lambda c: setattr(c, "label", "tumour"), "labels 0, 1. Expected: tumour"),
    "fractions": (lambda c: c.new_mask(lesion() * np.float32(0.7)), "0.7", "choose a threshold"),
    "fractions up to 1": (
        lambda c: c.new_mask(lesion() * np.where(PLANES == 3, 1, 0.5)),
        "0, 0.5, 1",
        "Fractions are not labels",
    ),
    "NaN outside": (lambda c: c.new_mask(np.where(lesion(), 1, np.nan)), "voxels are not finite"),
    "the CT itself": (
        lambda c: c.new_mask(volume()),
        "holds the labels -894, -888",
        "Draw the lesion",
    ),
    "far away": (
        lambda c: c.new_mask(origin=(500, 0, 0)),
        "does not lie inside the CT",
        "mask 24×20×8 voxels",
        "; CT 24×20×8 voxels of 0.7×0.8×2.5 mm from (-30.0",
    ),
    "half outside": (
        lambda c: c.new_mask(origin=(ORIGIN[0] + 8, *ORIGIN[1:])),
        "does not lie inside",
    ),
    "smaller than a voxel": (
        lambda c: c.new_mask(
            np.pad(np.ones((1, 1, 1), np.uint8), 1),
            spacing=(0.1, 0.1, 0.1),
            origin=place(9.3, 9.3, 3.3),
        ),
        "does not lie",
    ),
    "x and y swapped": (
        lambda c: c.new_mask(lesion().transpose(0, 2, 1)),
        "has its axes swapped",
        "mask 20×24×8",
        "CT 24×20×8",
        "Save the mask with the CT's header",
    ),
    "x and z swapped": (lambda c: c.new_mask(lesion().transpose(2, 1, 0)), "has its axes swapped"),
    "RGB": (
        lambda c: c.new_mask(np.ones((*SHAPE, 3), np.uint8), vector=True),
        "3 values per voxel",
    ),
    "DICOM CT": (lambda c: setattr(c, "mask", first(c)), "3_000.dcm is DICOM CT", "SEG, RTSTRUCT"),
    "CT folder": (
        lambda c: setattr(c, "mask", c.ct),
        "ct holds 0 SEG or RTSTRUCT files",
        "Name the file",
    ),
    "SEG of another series": (
        lambda c: (seg(c), c.series(far, series=ROOT + "77", FrameOfReferenceUID=ROOT + "78")),
        "none of them the one that the mask refers to",
        "Export that series",
    ),
    "SEG without that segment": (
        lambda c: seg(c, OTHER, "liver"),
        "1 'a', 2 'b'. Expected: segment 'liver'",
    ),
    "SEG, no segment named": (
        lambda c: seg(c, OTHER),
        "1 'a', 2 'b'. Expected: one segment",
        "mask_label",
    ),
    "SEG with nothing drawn": (
        lambda c: seg(c, {"a": 0 * lesion()}),
        "segment 1 is empty",
        "Draw it",
    ),
    "SEG, second empty": (
        lambda c: seg(c, {"a": lesion(), "b": 0 * lesion()}, "b"),
        "segment 2 is empty",
    ),
    "SEG cut off": (lambda c: (seg(c), cut(c.mask, -30)), "seg.dcm ends too early", "Copy"),
    "SEG header only": (lambda c: (seg(c), cut(c.mask, 1500)), "seg.dcm has no SegmentSequence"),
    "SEG without places": (
        lambda c: seg(c, change=no_places),
        "a frame has no ImagePositionPatient",
    ),
    "SEG, a place too few": (
        lambda c: seg(c, change=lambda s: s.PerFrameFunctionalGroupsSequence.pop()),
        "seg.dcm holds 4 frames and the positions of 3",
    ),
    "SEG outside": (
        lambda c: (seg(c), c.series(skip=[0, 1, 2, 3])),
        "does not lie inside the CT",
        "SEG frame of 24×20 pixels at voxel (0, 0, -1)",
        "CT 24×20×4 voxels",
    ),
    "SEG of another person": (
        lambda c: seg(c, change=of_nobody_known),
        "seg.dcm has another PatientID than the CT and names no series",
        "Check whose it is",
    ),
    "two segments of one name": (
        lambda c: seg(c, OTHER, "GTV", two_of_one_name),
        "holds 1 'GTV', 2 'GTV'. Expected: one segment 'GTV', or its number",
    ),
    "two segments, frames of neither": (
        lambda c: seg(c, OTHER, "b", no_segment_of_frames),
        "holds 2 segments and does not say which of its frames",
        "Export that segment alone",
    ),
    "two SEG": (two_segs, "masks holds 2 SEG or RTSTRUCT files. Expected: one"),
    "RTSTRUCT without contours": (lambda c: rtstruct(c), "ROI 1 'GTV' has 0 contours", "Draw them"),
    "RTSTRUCT of points": (
        lambda c: rtstruct(c, square(3, 4, 2), kind="POINT"),
        "none of them closed",
    ),
    "RTSTRUCT of lines": (lambda c: rtstruct(c, square(3, 9, 2)[:2]), "none of them closed"),
    "RTSTRUCT without that ROI": (
        lambda c: rtstruct(c, label="lung"),
        "1 'GTV', 2 'heart'. Expected: ROI 'lung'",
    ),
    "RTSTRUCT sagittal": (
        lambda c: rtstruct(c, SAGITTAL),
        "1 of 1 contours are not parallel",
        "axial",
    ),
    "RTSTRUCT outside": (
        lambda c: rtstruct(c, square(3, 9, 122)),
        "4 of 4 contour points, which span (-27.9, -17.6, 405.0)",
        "CT 24×20×8 voxels of 0.7×0.8×2.5 mm from (-30.0, -20.0, 100.0)",
    ),
    "RTSTRUCT between centres": (
        lambda c: rtstruct(c, square(3.2, 3.4, 2)),
        "enclose no voxel's centre",
    ),
    "RTSTRUCT cut off": (
        lambda c: (rtstruct(c, square(3, 9, 2), square(3, 9, 3)), cut(c.mask, -300)),
        "rs.dcm ends too early",
    ),
    "RTSTRUCT of x and y": (lambda c: rtstruct(c, square(3, 9, 2)[:, :2]), "does not have x, y, z"),
    "RTSTRUCT of another series": (
        lambda c: (
            rtstruct(c, square(3, 9, 2)),
            c.series(far, series=ROOT + "77", FrameOfReferenceUID=ROOT + "78"),
        ),
        "none of them the one that the mask refers to",
    ),
}


def refused(tmp_path, spoil, *says):
    case = corpus.good_case(tmp_path)
    spoil(case)
    with pytest.raises(StudyError) as fault:
        scans.read_scan(case.ct, case.mask, case.label)
    message = str(fault.value)
    assert [part for part in says if part not in message] == [], message
    assert not any(secret in message for secret in (str(tmp_path), corpus.PATIENT_ID, ROOT))


@pytest.mark.parametrize("name", SERIES)
def test_bad_series_is_refused(tmp_path, name):
    refused(tmp_path, *SERIES[name])


@pytest.mark.parametrize("name", IMAGES)
def test_bad_image_file_is_refused(tmp_path, name):
    refused(tmp_path, *IMAGES[name])


@pytest.mark.parametrize("name", MASKS)
def test_bad_mask_is_refused(tmp_path, name):
    refused(tmp_path, *MASKS[name])


def flipped(case):
    """The lesion on the CT's grid with x and y turned round: an honest other grid."""
    turned = sitk.Flip(corpus.image(lesion()), (True, True, False))
    case.mask = case.folder / "turned.nii.gz"
    sitk.WriteImage(turned, case.mask)


def near(case):
    case.new_mask(lesion()[1:7, 2:16, 4:20], origin=place(4, 2, 1))


def big_endian(case):
    """A NIfTI file as a big-endian machine writes it: every number's bytes turned round."""
    content = case.new_ct(name="little.nii").read_bytes()
    layout = ("i", "10s18sihss", "8h", "3f4h", "8f", "3fh2s", "4f2i", "80s24s", "2h6f12f16s4s")
    header = struct.unpack("<" + "".join(layout), content[:348])
    voxels = np.frombuffer(content[352:], "<i2").astype(">i2").tobytes()
    big = struct.pack(">" + "".join(layout), *header) + content[348:352] + voxels
    as_ct(case, "big.nii", big)


def other_intercept(made, z):
    """Half of the slices are stored as HU, the others as HU + 1024."""
    if z < 4:
        stored = made.pixel_array.astype(np.int32) - 1024
        made.RescaleIntercept, made.PixelRepresentation = 0, 1
        made.set_pixel_data(stored.astype(np.int16), "MONOCHROME2", 16)


ODD = {
    "no suffix": (lambda c: [f.rename(f.with_suffix("")) for f in c.ct.glob("*.dcm")], ""),
    "other files in the folder": (lambda c: (c.ct / "notes.txt").write_text("hello"), ""),
    "4D of one volume": (lambda c: four_dimensional(c, 1), ""),
    "label 255 named": (lambda c: (c.new_mask(255 * lesion()), setattr(c, "label", "255")), ""),
    "label as 1.0": (lambda c: setattr(c, "label", "1.0"), ""),
    "label 1 as 255 × 0.003921569": (
        lambda c: c.new_mask(lesion() * np.float32(255 * 0.003921569)),
        "",
    ),
    "copied slice": (
        lambda c: (c.ct / "copy.dcm").write_bytes(first(c).read_bytes()),
        "left out of the series: copies of slices (1)",
    ),
    "SEG whose series has another UID": (
        lambda c: (seg(c), c.series(series=ROOT + "77")),
        "the outline names another series or modality in the CT's frame of reference",
    ),
    "SEG whose series and frame of reference have other UIDs": (
        lambda c: (seg(c), c.series(series=ROOT + "77", FrameOfReferenceUID=ROOT + "78")),
        "the outline names a series that is not there: it lies in this CT's slices",
    ),
    "a UID for every slice": (
        lambda c: c.series(lambda made, z: setattr(made, "SeriesInstanceUID", f"{ROOT}9.{z}")),
        "every slice has a SeriesInstanceUID of its own: read as one series",
    ),
    "dose report in the series": (
        lambda c: extra(
            c,
            ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"],
            SOPClassUID="1.2.840.10008.5.1.4.1.1.7",
        ),  # fmt: skip
        "left out of the series: files that are no slices (1), of them secondary captures (1): a "
        "name may stand in the picture",
    ),
    "localizer in the series": (
        lambda c: extra(
            c,
            ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        ),  # fmt: skip
        "left out of the series: files that are no slices (1)",
    ),
    "no Modality": (lambda c: c.series(without("Modality")), ""),
    "mask on a smaller grid": (near, "mask copied from another grid"),
    "mask with axes turned round": (flipped, ""),
    "big-endian NIfTI": (big_endian, ""),
    "MetaImage with its voxels beside it": (lambda c: c.new_ct(name="a.mhd"), ""),
    "hidden files of macOS": (lambda c: (c.ct / "._3_000.dcm").write_bytes(b"Mac OS X" * 9), ""),
    "slices of two rescale intercepts": (lambda c: c.series(other_intercept), ""),
    "number of a segment before a name": (
        lambda c: seg(c, {"2": OTHER["b"], "GTV": lesion()}, "2"),
        "",
    ),
    "floats": (lambda c: c.new_ct(volume().astype(np.float64), "f.nrrd"), ""),
    "SEG of another PatientID on this CT": (
        lambda c: seg(c, change=lambda s: setattr(s, "PatientID", "X")),
        "the outline has another PatientID than the CT it refers to",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_but_good_input_is_read(tmp_path, name):
    build, note = ODD[name]
    case = corpus.good_case(tmp_path)
    build(case)
    scan = scans.read_scan(case.ct, case.mask, case.label)
    assert (sitk.GetArrayFromImage(scan.ct) == volume()).all()
    assert (sitk.GetArrayFromImage(scan.mask) == lesion()).all()
    assert ", ".join(scan.notes) == note


@pytest.fixture
def study(tmp_path):
    corpus.write_files(tmp_path)
    return Study(tmp_path, tmp_path / "reports", Settings(workers=1))


def written(study, table, **how):
    """Write a table as cohort.csv, or text, or bytes, as they are."""
    if isinstance(table, pd.DataFrame):
        table.to_csv(study.cohort_csv, index=False, **how)
    elif isinstance(table, str):
        study.cohort_csv.write_text(table, encoding="utf-8")
    else:
        study.cohort_csv.write_bytes(table)


GOOD = corpus.cohort_table()
HEAD = GOOD.to_csv(index=False)

TABLES = {
    "no file": (None, "is not there. Expected: one row per patient"),
    "a name that reads as missing": (
        corpus.with_cell(3, "patient", "NA"),
        "row 5: patient is 'NA', which other programs read as missing",
    ),
    "empty file": (b"", "cohort.csv is not a table", "a header and one row per patient"),
    "blank lines": (b"\n\n", "cohort.csv is not a table"),
    "UTF-16": (HEAD.encode("utf-16"), "cohort.csv is not UTF-8 (byte 0)", "Save As, CSV UTF-8"),
    "Latin-1": (HEAD.replace("P03", "Jürgen").encode("latin-1"), "is not UTF-8 (byte"),
    "a row too long": (HEAD.replace("P01,", "P01,x,", 1), "cohort.csv is not a table", "line 3"),
    "column twice": (HEAD.replace("cea", "sex", 1), "has column sex twice", "Remove one"),
    "column twice in capitals": (HEAD.replace("cea", "Sex", 1), "has column sex twice"),
    "no column": (
        GOOD.drop(columns=["smoking", "mask"]),
        "has no column mask, smoking",
        "Found: p",
    ),
    "one name twice": (
        corpus.with_cell(1, "patient", "P00"),
        "patient P00 appears more",
    ),
    "one name twice but for a space": (
        corpus.with_cell(1, "patient", "P00 "),
        "rows 2, 3: patient",
    ),
    "no name": (corpus.with_cell(3, "patient", " "), "row 5: patient is empty", "a pseudonym"),
    "formula": (corpus.with_cell(3, "cea", "=HYPERLINK(1)"), "row 5: cea is '=HYPERLINK(1)'"),
    "formula with @": (corpus.with_cell(3, "age", "@SUM(1)"), "would run as a formula"),
    "a column that is a formula": (GOOD.rename(columns={"cea": "=cea"}), "would run as a formula"),
    "formula with +": (corpus.with_cell(3, "patient", "+cmd|' /C calc'!A0"), "Replace the cell"),
    "cohort against hospital": (
        GOOD.assign(cohort="test"),
        "patient P00: cohort is 'test'",
        "train",
    ),
    "labels yes": (GOOD.assign(label="yes"), "row 2, patient P00: label is 'yes'", "Recode"),
    "sexes in another code": (GOOD.assign(sex="x7"), "no value of sex can be read. Recode"),
    "hospitals unknown": (GOOD.assign(hospital="C"), "hospital is 'C'. Expected: one of A, B"),
}


@pytest.mark.parametrize("name", TABLES)
def test_bad_table_is_refused(study, name):
    table, *says = TABLES[name]
    if table is not None:
        written(study, table)
    with pytest.raises(StudyError) as fault:
        reading.read_cohort(study)
    assert [part for part in says if part not in str(fault.value)] == [], str(fault.value)


CELLS = {
    "smoking code": (3, "smoking", "yes", "row 5, patient P03: smoking is 'yes'. Expected: one of"),
    "sex code": (3, "sex", "x", "sex is 'x'. Expected: one of female, male, or nothing"),
    "label Mutant": (2, "label", "Mutant", "label is 'Mutant'. Expected: 0 (wild-type) or 1"),
    "label yes": (2, "label", "yes", "row 4, patient P02: label is 'yes'"),
    "label 2": (2, "label", "2", "name the positive value in study.toml [label]"),
    "age in words": (0, "age", "6o", "row 2, patient P00: age is '6o'. Expected: a number"),
    "age inf": (0, "age", "inf", "age is 'inf'. Expected: a number such as 61"),
    "age with a comma": (0, "age", "60,5", "age is '60,5'. Expected: a number"),
    "hospital": (5, "hospital", "C", "hospital is 'C'. Expected: one of A, B (study.toml"),
    "hospital missing": (5, "hospital", "", "hospital is ''. Expected: one of A, B"),
    "path up": (1, "ct", "../x.nii", "ct is '../x.nii'. Expected: a path inside the study folder"),
    "path up on Windows": (1, "mask", "..\\x.nii", "mask is '../x.nii'. Expected: a path inside"),
    "path up in the middle": (1, "ct", "scans/../../x.nii", "Expected: a path inside"),
    "absolute path": (1, "ct", "/etc/passwd", "ct is '/etc/passwd'. Expected: a path inside"),
    "drive": (1, "ct", "C:\\scans\\1.nii", "ct is 'C:/scans/1.nii'. Expected: a path inside"),
    "share": (1, "mask", "\\\\host\\scans\\1.nii", "Expected: a path inside the study folder"),
}


@pytest.mark.parametrize("name", CELLS)
def test_bad_cell_excludes_its_patient_alone(study, name):
    row, column, value, says = CELLS[name]
    written(study, corpus.with_cell(row, column, value))
    left, out, flow = eligibility.exclude(study, reading.read_cohort(study))
    (gone,) = out.itertuples()
    assert gone.patient == f"P{row:02d}" and gone.step == "table" and says in gone.reason
    count = flow.set_index(["step", "reason"]).n
    included = count["included", "train"] + count["included", "test"]
    assert count["found", "in cohort.csv"] == 12 == len(left) + count["table"].sum()
    assert len(left) == included == 11


EXCEL = GOOD.to_csv(index=False, sep=";", decimal=",").replace("60.5", "60,5")
READ = {
    "semicolons and decimal commas": EXCEL,
    "BOM": HEAD.encode("utf-8-sig"),
    "Windows line ends": HEAD.replace("\n", "\r\n"),
    "spaces around": HEAD.replace(",", " , "),
    "capitals in headers": HEAD.replace("patient,hospital", "Patient,HOSPITAL", 1),
    "capitals in codes": HEAD.replace("female", "Female").replace("never", "NEVER"),
    "empty columns behind": HEAD.replace("\n", ",,\n"),
    "backslashes in paths": HEAD.replace("scans/", "scans\\"),
    "BOM, semicolons, Windows": ("\ufeff" + EXCEL).replace("\n", "\r\n"),
}


@pytest.mark.parametrize("name", READ)
def test_odd_but_good_table_is_read_as_the_plain_one(study, name):
    written(study, HEAD)
    plain = reading.read_cohort(study)
    written(study, READ[name])
    pd.testing.assert_frame_equal(reading.read_cohort(study), plain)
    assert (plain.fault == "").all() and plain.age.tolist() == [60.5] * 12


GENE = Label(column="egfr", positive=("Mutant",))
CALLS = ["Mutant", "mutant", "Wild-type", "equivocal", "unknown", *["Wild-type", "Mutant"] * 4]


def test_a_third_value_of_the_label_is_no_wild_type(tmp_path):
    corpus.write_files(tmp_path)
    table = GOOD.drop(columns="label").assign(egfr=CALLS[: len(GOOD)])
    study = Study(tmp_path, tmp_path / "reports", Settings(workers=1, label=GENE))
    written(study, table)
    with pytest.raises(StudyError, match=r"egfr holds 'Wild-type' \(\d\), 'equivocal' \(1\)"):
        reading.read_cohort(study)
    named = dataclasses.replace(GENE, negative=("wild-type",))
    study = Study(tmp_path, tmp_path / "reports", Settings(workers=1, label=named))
    read = reading.read_cohort(study)
    assert read.label.isna().tolist() == [v in ("unknown", "equivocal") for v in table.egfr]
    assert read.fault[3].startswith(
        "row 5, patient P03: egfr is 'equivocal'. Expected: one of wild"
    )
    assert (read.label[read.label.notna()] == 1).tolist() == [
        v.lower() == "mutant" for v in table.egfr if v not in ("unknown", "equivocal")
    ]


CLASSES = ["L858R", "ex19del", "wild-type", "VUS", "not tested", "KRAS", *["L858R", "none"] * 3]


@pytest.mark.parametrize(
    ("chosen", "ones", "zeros"),
    [
        ({"positive": ["L858R", "EX19DEL"], "negative": ["wild-type", "none", "KRAS"]},
         {"L858R", "ex19del"}, {"wild-type", "none", "KRAS"}),
        ({"positive": [], "negative": ["wild-type", "none"], "missing": ["VUS", "not tested"]},
         {"L858R", "ex19del", "KRAS"}, {"wild-type", "none"}),
        ({"positive": "KRAS", "negative": ["L858R", "ex19del", "wild-type", "none"]},
         {"KRAS"}, {"L858R", "ex19del", "wild-type", "none"}),
    ],
)  # fmt: skip
def test_several_values_count_as_1_or_all_that_are_not_0(tmp_path, chosen, ones, zeros):
    """Values that count as neither leave their patients out, with a label that is missing."""
    corpus.write_files(tmp_path)
    label = build(Label, {"column": "egfr"} | chosen, "study.toml [label]")
    study = Study(tmp_path, tmp_path / "reports", Settings(workers=1, label=label))
    written(study, GOOD.drop(columns="label").assign(egfr=CLASSES))
    read = reading.read_cohort(study)
    assert read.label.tolist() == pytest.approx(
        [1 if c in ones else 0 if c in zeros else np.nan for c in CLASSES], nan_ok=True
    )


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"positive": ["L858R", "ex19del"]},
         ["besides 'L858R' or 'ex19del'. Expected: two classes", 'negative = ["none", "wild-type"',
          "against the rest"]),
        ({"positive": []}, ["names no positive values"]),
        ({"positive": ["L858R", "VUS"], "negative": ["vus", "none"]}, ["vus is both positive and"]),
        ({"positive": ["not tested"]}, ["not tested is both positive and missing"]),
    ],
)  # fmt: skip
def test_labels_that_leave_open_what_counts_are_refused_with_the_way_out(tmp_path, chosen, says):
    corpus.write_files(tmp_path)
    label = build(Label, {"column": "egfr"} | chosen, "study.toml [label]")
    study = Study(tmp_path, tmp_path / "reports", Settings(workers=1, label=label))
    written(study, GOOD.drop(columns="label").assign(egfr=CLASSES))
    with pytest.raises(StudyError) as fault:
        reading.read_cohort(study)
    assert [part for part in says if part not in str(fault.value)] == [], str(fault.value)


def test_numbers_of_a_label_are_compared_as_numbers(study):
    written(study, GOOD.assign(label=GOOD.label.astype(float).astype(str)))
    assert reading.read_cohort(study).label.tolist() == GOOD.label.astype(int).tolist()


def test_a_header_is_hashed_with_its_voxels(tmp_path):
    """Two patients' MetaImage headers are alike; a mask drawn anew changes its voxels alone."""
    for name, seed in (("a", 0), ("b", 1)):
        (tmp_path / name).mkdir()
        corpus.write_image(tmp_path / name / "ct.mhd", volume(seed))
    first, second = (tmp_path / name / "ct.mhd" for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert content_hash(first) != content_hash(second)
    stamp = cohort_included._stamp(str(first))
    (tmp_path / "a" / "ct.raw").write_bytes((tmp_path / "b" / "ct.raw").read_bytes())
    assert (
        content_hash(first) == content_hash(second) and cohort_included._stamp(str(first)) != stamp
    )


def test_mixed_labels_are_excluded_one_by_one(study):
    table = GOOD.assign(label=["0", "1", "yes", "Mutant", *GOOD.label[4:]])
    written(study, table)
    left, out, _ = eligibility.exclude(study, reading.read_cohort(study))
    assert out.patient.tolist() == ["P02", "P03"] and len(left) == 10


def image_rows(folder, *patients):
    """A DICOM CT with its mask for each (name, PatientID), as rows of the cohort."""
    rows = []
    for n, (name, patient_id) in enumerate(patients):
        ct = corpus.write_ct(
            folder / name, volume(n), series=f"{ROOT}{n + 3}", PatientID=patient_id
        )
        mask = corpus.write_image(folder / f"{name}.nii.gz", lesion())
        rows.append((name, "train" if n else "test", str(ct), str(mask), ""))
    return pd.DataFrame(rows, columns=["patient", "cohort", "ct", "mask", "mask_label"])


def test_hospital_number_as_name_stops_unless_declared_a_pseudonym(tmp_path):
    rows = image_rows(tmp_path, ("P1", "H-1"), ("H-2", "H-2"), ("P3", "H-3"))
    study = Study(tmp_path, tmp_path / "reports", Settings(workers=1))
    with pytest.raises(StudyError, match="1 names in column patient are the PatientID") as fault:
        inspection.refuse_patient_ids(study, rows)
    assert "patient_is_pseudonym = true" in str(fault.value) and "H-2" not in str(fault.value)
    declared = Settings(workers=1, privacy=Privacy(patient_is_pseudonym=True))
    inspection.refuse_patient_ids(Study(tmp_path, tmp_path / "reports", declared), rows)


def test_hospital_numbers_are_refused_whatever_becomes_of_the_images(tmp_path):
    rows = image_rows(tmp_path, ("H-1", "H-1"), ("h-2", "H-2"))
    for path in rows["mask"]:
        Path(path).unlink()
    study = Study(tmp_path, tmp_path / "reports", Settings(workers=1))
    with pytest.raises(StudyError, match="2 names in column patient are the PatientID"):
        inspection.refuse_patient_ids(study, rows)


@pytest.mark.parametrize("name", ["871234", "00-871-234", "weissenfels ottokar"])
def test_hospital_numbers_and_names_are_known_in_other_spelling(tmp_path, name):
    rows = image_rows(tmp_path, (name, "00871234"))
    for path in (tmp_path / name).glob("*.dcm"):
        corpus.edit(path, lambda made: setattr(made, "PatientName", "Weissenfels^Ottokar"))
    study = Study(tmp_path, tmp_path / "reports", Settings(workers=1))
    with pytest.raises(StudyError, match="1 names in column patient are the PatientID"):
        inspection.refuse_patient_ids(study, rows)


def test_one_person_in_two_rows_stops(tmp_path):
    rows = image_rows(tmp_path, ("P1", "H-1"), ("P2", "H-2"), ("P3", "H-1"), ("P4", "H-4"))
    study = Study(tmp_path, tmp_path / "reports", Settings(workers=1))
    twins = inspection.inspect_cohort(study, rows)[3]
    assert "P1 (test), P3 (train) are one person" in twins[0]
    with pytest.raises(StudyError, match=r"P1 \(test\), P3 \(train\) are one person"):
        eligibility.require_both(study, rows, pd.DataFrame(), twins)


def test_bad_images_are_failures_and_the_batch_goes_on(tmp_path):
    rows = image_rows(tmp_path, ("P1", "H-1"), ("P2", "H-2"), ("P3", "H-3"))
    cut(first(corpus.Case(tmp_path, tmp_path / "P2", tmp_path)), 200)
    study = Study(tmp_path, tmp_path / "reports", Settings(workers=1))
    masks, acquisition, failures, _ = inspection.inspect_cohort(study, rows)
    assert masks.patient.tolist() == acquisition.patient.tolist() == ["P1", "P3"]
    assert failures.patient.tolist() == ["P2"] and DICOM in failures.reason[0]


def test_second_reader_is_looked_at_and_excludes_nobody(tmp_path):
    rows = image_rows(tmp_path, ("P1", "H-1"), ("P2", "H-2"), ("P3", "H-3"))
    half = corpus.write_image(tmp_path / "half.nii.gz", lesion() * (PLANES == 3))
    empty = corpus.write_image(tmp_path / "empty.nii.gz", 0 * lesion())
    rows["mask_2"], rows["mask_2_hash"] = [str(half), str(empty), ""], ["a", "b", ""]
    study = Study(tmp_path, tmp_path / "reports", Settings(workers=1))
    masks, acquisition, failures, _ = inspection.inspect_cohort(study, rows)
    volume_mm3 = (lesion() * (PLANES == 3)).sum() * 0.7 * 0.8 * 2.5
    found = masks.second_mask
    assert found[0] == f"{volume_mm3:.1f} mm³" and "is empty" in found[1] and pd.isna(found[2])
    out = failures.assign(step="images")
    table = inspection.check_table(rows, out, masks, acquisition)
    assert table.state.tolist() == ["used"] * 3 and table.second_mask[0] == found[0]


def test_ct_without_rescale_is_refused_where_it_has_no_air(tmp_path):
    case = corpus.good_case(tmp_path)
    case.series(without("RescaleSlope", "RescaleIntercept"), volume() + 1024)
    with pytest.raises(StudyError, match="no RescaleSlope and RescaleIntercept, and no value is"):
        scans.read_scan(case.ct, case.mask)
