"""SEG and RTSTRUCT land on the CT's grid as drawn; SEG as highdicom reads it; the IBSI patient."""

import logging
from pathlib import Path

import corpus
import highdicom as hd
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from corpus import ORIGIN, ROOT, SHAPE, SPACING, item, lesion, square
from radiogenomics.images import scans
from radiogenomics.images.grids import same_grid
from radiogenomics.study.errors import StudyError
from radiomics.featureextractor import RadiomicsFeatureExtractor

SECOND = np.zeros(SHAPE, np.uint8)
SECOND[1:3, 1:4, 17:22] = 1


@pytest.fixture
def ct(tmp_path):
    return corpus.write_ct(tmp_path / "ct")


def read(ct, mask, label=""):
    return sitk.GetArrayFromImage(scans.read_scan(ct, mask, label).mask)


@pytest.fixture
def two(tmp_path, ct):
    """A SEG of two segments that lie on some slices each."""
    return corpus.write_seg(tmp_path / "seg.dcm", ct, {"Lesion": lesion(), "Node": SECOND})


@pytest.mark.parametrize(
    ("label", "drawn"),
    [("1", lesion()), ("2", SECOND), ("Lesion", lesion()), ("Node", SECOND), ("node", SECOND)],
)
def test_segment_is_taken_by_number_or_name(ct, two, label, drawn):
    assert (read(ct, two, label) == drawn).all()


def test_sparse_frames_lie_where_highdicom_puts_them(ct, two):
    """highdicom's own reading of its file, at the source images in their order."""
    uids = [s.SOPInstanceUID for s in corpus.slices(ct)]
    seg = hd.seg.segread(two)
    assert seg.NumberOfFrames == 4 + 2
    own = seg.get_pixels_by_source_instance(
        uids, ignore_spatial_locations=True, segment_numbers=[1, 2]
    )
    for number in (1, 2):
        assert (read(ct, two, str(number)) == own[..., number - 1]).all()


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_every_kind_of_segmentation_is_read(tmp_path, ct, kind):
    masks = {"Lesion": lesion().astype(float) if kind == "FRACTIONAL" else lesion()}
    seg = corpus.write_seg(tmp_path / "seg.dcm", ct, masks, kind)
    assert (read(ct, seg) == lesion()).all()


def test_fractions_count_from_one_half_up(tmp_path, ct):
    fractions = lesion() * np.where(np.indices(SHAPE)[0] == 3, 0.4, 0.6)
    seg = corpus.write_seg(tmp_path / "seg.dcm", ct, {"Lesion": fractions}, "FRACTIONAL")
    assert (read(ct, seg) == (fractions > 0.5)).all()


def test_labelmap_of_two_segments_keeps_them_apart(tmp_path, ct):
    seg = corpus.write_seg(tmp_path / "s.dcm", ct, {"a": lesion(), "b": SECOND}, "LABELMAP")
    assert (read(ct, seg, "b") == SECOND).all() and (read(ct, seg, "1") == lesion()).all()


def each_frame_tells_all(made):
    """What stands once for all frames stands in every frame instead."""
    shared = made.SharedFunctionalGroupsSequence[0]
    for name in (
        "PlaneOrientationSequence",
        "PixelMeasuresSequence",
        "SegmentIdentificationSequence",
    ):
        for group in made.PerFrameFunctionalGroupsSequence:
            setattr(group, name, shared[name].value)
    made.SharedFunctionalGroupsSequence = [item()]


def no_shared_groups(made):
    each_frame_tells_all(made)
    del made.SharedFunctionalGroupsSequence


def no_segment_of_a_frame(made):
    """One segment alone: the writer left its number out."""
    del made.SharedFunctionalGroupsSequence[0].SegmentIdentificationSequence


def slice_named_twice(made):
    """As 3D Slicer's first writer did (highdicom's issue 370)."""
    named = made.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    named.append(named[0])


def nothing_referenced(made):
    del made.ReferencedSeriesSequence
    for group in made.PerFrameFunctionalGroupsSequence:
        group.pop("DerivationImageSequence", None)


def frames_backwards(made):
    pixels = made.pixel_array[::-1]
    made.PixelData = np.packbits(pixels.ravel(), bitorder="little").tobytes()
    made.PerFrameFunctionalGroupsSequence = made.PerFrameFunctionalGroupsSequence[::-1]


WRITERS = (each_frame_tells_all, no_shared_groups, no_segment_of_a_frame, slice_named_twice,
           nothing_referenced, frames_backwards)  # fmt: skip


@pytest.mark.parametrize("writer", WRITERS)
def test_other_writers_layouts_are_read(tmp_path, ct, writer):
    seg = corpus.write_seg(tmp_path / "seg.dcm", ct, {"Lesion": lesion()})
    assert (read(ct, corpus.edit(seg, writer)) == lesion()).all()


def test_frames_without_orientation_are_refused(tmp_path, ct):
    def nowhere(made):
        for group in (
            made.SharedFunctionalGroupsSequence[0],
            *made.PerFrameFunctionalGroupsSequence,
        ):
            group.pop("PlaneOrientationSequence", None)

    seg = corpus.write_seg(tmp_path / "seg.dcm", ct, {"Lesion": lesion()})
    with pytest.raises(StudyError, match="seg.dcm: a frame has no ImageOrientationPatient"):
        read(ct, corpus.edit(seg, nowhere))


def test_seg_of_another_grid_is_taken_over(tmp_path, ct):
    """Drawn on a finer reconstruction: every voxel of the CT holds 2 × 2 of the SEG's."""
    half = [s / 2 for s in SPACING[:2]]
    corner = [o - s / 4 for o, s in zip(ORIGIN[:2], SPACING[:2], strict=True)]

    def finer(made, z):
        made.PixelSpacing = half[::-1]
        made.ImagePositionPatient = [*corner, ORIGIN[2] + 2.5 * z]

    fine = corpus.write_ct(tmp_path / "fine", np.zeros((8, 40, 48), np.int16), finer)
    drawn = lesion().repeat(2, axis=1).repeat(2, axis=2)
    seg = corpus.write_seg(tmp_path / "seg.dcm", fine, {"Lesion": drawn})
    scan = scans.read_scan(ct, seg)
    assert (sitk.GetArrayFromImage(scan.mask) == lesion()).all()
    assert scan.notes == ("SEG drawn on another grid", "mask copied from another grid")


def test_referenced_series_is_found_among_several_in_one_folder(tmp_path, ct, two):
    corpus.write_ct(ct, corpus.volume(1), series=ROOT + "9", SliceThickness=1)
    scan = scans.read_scan(ct, two, "Node")
    assert (sitk.GetArrayFromImage(scan.ct) == corpus.volume()).all()
    assert (sitk.GetArrayFromImage(scan.mask) == SECOND).all()


def test_drawing_in_the_folder_of_the_ct_is_found(tmp_path, ct):
    corpus.write_seg(ct / "seg.dcm", ct, {"Lesion": lesion()})
    assert (read(ct, ct) == lesion()).all()


def rtstruct(tmp_path, ct, *contours, label="GTV", kind="CLOSED_PLANAR"):
    rois = {"Lung": [square(0.5, 18.5, 4)], "GTV": list(contours)}
    path = corpus.write_rtstruct(tmp_path / "rs.dcm", ct, rois, kind)
    return scans.read_scan(ct, path, label)


def drawn(scan):
    return sitk.GetArrayFromImage(scan.mask)


def expected(*boxes):
    mask = np.zeros(SHAPE, np.uint8)
    for box in boxes:
        mask[box] ^= 1
    return mask


def test_voxels_are_inside_where_their_centre_is(tmp_path, ct):
    scan = rtstruct(tmp_path, ct, square(3.5, 9.5, 2), square(3.6, 9.4, 3))
    assert (drawn(scan) == expected(np.s_[2:4, 4:10, 4:10])).all() and scan.notes == ()


@pytest.mark.parametrize("kind", ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"])
def test_contour_in_a_contour_is_a_hole(tmp_path, ct, kind):
    scan = rtstruct(tmp_path, ct, square(3.5, 12.5, 2), square(6.5, 9.5, 2), kind=kind)
    assert (drawn(scan) == expected(np.s_[2, 4:13, 4:13], np.s_[2, 7:10, 7:10])).all()


def test_an_edge_on_voxel_centres_is_inside_all_round(tmp_path, ct):
    scan = rtstruct(tmp_path, ct, *(square(3, 9, z) for z in (2, 3)))
    assert (drawn(scan) == expected(np.s_[2:4, 3:10, 3:10])).all()


def test_contours_half_way_between_slices_all_go_up(tmp_path, ct):
    scan = rtstruct(tmp_path, ct, *(square(3.5, 9.5, z + 0.5) for z in (1, 2, 3, 4)))
    assert (drawn(scan) == expected(np.s_[2:6, 4:10, 4:10])).all()
    assert "4 of 4 contour heights lie between slices" in scan.notes[0]


def test_a_contour_stored_twice_counts_once_and_a_hole_may_lie_a_little_off(tmp_path, ct):
    twice = rtstruct(tmp_path, ct, square(3.5, 9.5, 2), square(3.5, 9.5, 2))
    assert (drawn(twice) == expected(np.s_[2, 4:10, 4:10])).all()
    holed = rtstruct(tmp_path, ct, square(3.5, 12.5, 2), square(6.5, 9.5, 2.02))
    assert (drawn(holed) == expected(np.s_[2, 4:13, 4:13], np.s_[2, 7:10, 7:10])).all()


def test_open_contours_are_told(tmp_path, ct):
    rois = {"GTV": [square(3.5, 9.5, 2), square(3.5, 9.5, 3)]}
    path = corpus.write_rtstruct(tmp_path / "rs.dcm", ct, rois)

    def open_one(made):
        made.ROIContourSequence[0].ContourSequence[1].ContourGeometricType = "OPEN_PLANAR"

    scan = scans.read_scan(ct, corpus.edit(path, open_one))
    assert scan.notes == ("1 open contours left out: they enclose nothing",)


def test_coordinates_of_another_frame_without_a_reference_are_refused(tmp_path, ct):
    path = corpus.write_rtstruct(tmp_path / "rs.dcm", ct, {"GTV": [square(3.5, 9.5, 2)]})

    def elsewhere(made):
        frame = made.ReferencedFrameOfReferenceSequence[0]
        frame.RTReferencedStudySequence = []
        frame.FrameOfReferenceUID = "1.2.3.4"

    with pytest.raises(StudyError, match="another frame of reference"):
        scans.read_scan(ct, corpus.edit(path, elsewhere))


def test_two_contours_in_one_slice_are_two_parts(tmp_path, ct):
    scan = rtstruct(tmp_path, ct, square(1.5, 4.5, 2), square(9.5, 13.5, 2))
    assert (drawn(scan) == expected(np.s_[2, 2:5, 2:5], np.s_[2, 10:14, 10:14])).all()


def test_keyhole_contour_has_its_hole(tmp_path, ct):
    """Outer and inner ring in one contour, joined by a channel of no width."""
    outer, inner = square(3.5, 12.5, 2), square(6.5, 9.5, 2)[::-1]
    ring = np.concatenate([outer, outer[:1], inner[-1:], inner[:-1], inner[-1:], outer[:1]])
    scan = rtstruct(tmp_path, ct, ring)
    assert (drawn(scan) == expected(np.s_[2, 4:13, 4:13], np.s_[2, 7:10, 7:10])).all()


def test_contours_between_slices_go_to_the_nearer_one_and_are_noted(tmp_path, ct):
    scan = rtstruct(tmp_path, ct, square(3.5, 9.5, 2.3), square(3.5, 9.5, 2.8), square(3.5, 9.5, 4))
    assert (drawn(scan) == expected(np.s_[2:5, 4:10, 4:10])).all()
    assert scan.notes == ("2 of 3 contour heights lie between slices",)


def test_roi_is_taken_by_name_or_number(tmp_path, ct):
    lung = expected(np.s_[4, 1:19, 1:19])
    for label in ("Lung", "lung", "1"):
        assert (drawn(rtstruct(tmp_path, ct, square(3.5, 9.5, 2), label=label)) == lung).all()


def test_points_among_the_contours_are_passed_over(tmp_path, ct):
    scan = rtstruct(tmp_path, ct, square(3.5, 9.5, 2), square(15, 16, 5)[:1])
    assert (drawn(scan) == expected(np.s_[2, 4:10, 4:10])).all()


def test_oblique_ct_carries_both_kinds_of_outline(tmp_path):
    """The CT turned by 20° about z, then by 30° about x."""
    turn, tilt = np.radians(20), np.radians(30)
    about_z = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]
    )
    axes = about_x @ about_z

    def change(made, z):
        made.ImageOrientationPatient = [float(f"{v:.10f}") for v in axes[:, :2].T.ravel()]
        made.ImagePositionPatient = [float(f"{v:.8f}") for v in ORIGIN + axes @ [0, 0, 2.5 * z]]

    ct = corpus.write_ct(tmp_path / "ct", None, change)
    seg = corpus.write_seg(tmp_path / "seg.dcm", ct, {"Lesion": lesion()})
    assert (read(ct, seg) == lesion()).all()
    contours = [(square(3.5, 9.5, z) - ORIGIN) @ axes.T + ORIGIN for z in (2, 3)]
    assert (drawn(rtstruct(tmp_path, ct, *contours)) == expected(np.s_[2:4, 4:10, 4:10])).all()


def test_every_cut_of_an_rtstruct_is_refused(tmp_path, ct):
    """pydicom reads it up to its end: contours would be missing without a word."""
    contours = {"GTV": [square(3.5, 9.5, z) for z in (2, 3)]}
    whole = corpus.write_rtstruct(tmp_path / "whole.dcm", ct, contours).read_bytes()
    path = tmp_path / "cut.dcm"
    for length in range(400, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(StudyError):
            scans.read_scan(ct, path)


IBSI = Path(__file__).parents[3] / "shared" / "data" / "ibsi"
CHEST, DIGITAL = IBSI / "ibsi_1_ct_radiomics_phantom", IBSI / "ibsi_1_digital_phantom"
ibsi = pytest.mark.skipif(
    not IBSI.is_dir(), reason="the IBSI phantoms may not be shipped (CC BY-NC)"
)


@pytest.fixture(scope="module")
def chest():
    """The lung cancer patient, as DICOM with RTSTRUCT and as NIfTI with a voxel mask."""
    return (
        scans.read_scan(CHEST / "dicom/image", CHEST / "dicom/mask", "GTV-1"),
        scans.read_scan(CHEST / "nifti/image/phantom.nii.gz", CHEST / "nifti/mask/mask.nii.gz"),
    )


@ibsi
def test_ibsi_patient_is_the_same_as_dicom_and_nifti(chest):
    masks = [sitk.GetArrayFromImage(scan.mask) > 0 for scan in chest]
    dice = 2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum())
    assert dice >= 0.98 and masks[0].sum() == 125256  # int_mask_vox_count_init_roi
    hu = [sitk.GetArrayFromImage(scan.ct) for scan in chest]
    assert (hu[0] == hu[1]).all() and same_grid(chest[0].ct, chest[1].ct)


def config_c(scan):
    """IBSI's configuration C (Zwanenburg 2020): 2 mm, grids aligned by their centres.

    Trilinear image rounded to whole HU, trilinear mask from one half up. PyRadiomics' own
    resampling aligns the grids by their corners instead, so it is left out here.
    """
    size, spacing = (np.array(getattr(scan.ct, f"Get{n}")()) for n in ("Size", "Spacing"))
    fine = np.ceil(np.round(size * spacing / 2, 6))
    first = (size - 1) / 2 - (fine - 1) / 2 * 2 / spacing
    grid = sitk.ResampleImageFilter()
    grid.SetSize(fine.astype(int).tolist())
    grid.SetOutputSpacing([2.0] * 3)
    grid.SetOutputDirection(scan.ct.GetDirection())
    grid.SetOutputOrigin(scan.ct.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    grid.SetInterpolator(sitk.sitkLinear)
    ct, mask = (grid.Execute(sitk.Cast(i, sitk.sitkFloat64)) for i in (scan.ct, scan.mask))
    return sitk.Round(ct), mask >= 0.5 - 1e-6  # many voxels lie at one half


def original(ct, mask, **settings):
    """PyRadiomics' original features, without their prefix."""
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    made = RadiomicsFeatureExtractor(additionalInfo=False, **settings)
    found = made.execute(ct, mask)
    return {name.removeprefix("original_"): float(v) for name, v in found.items()}


def compared(found, reference):
    """One row a feature that both define: PyRadiomics' value, IBSI's, its tolerance."""
    names = pd.read_csv(Path(__file__).parents[1] / "reference" / "ibsi_names.csv")
    table = pd.read_csv(IBSI / "ibsi_1_reference_values" / reference, sep=";").set_index("tag")
    tags = [next(t for t in (n, f"{n}_3D_avg", f"{n}_3D") if t in table.index) for n in names.ibsi]
    values = table.loc[tags].reset_index(drop=True).set_axis(["reference", "tolerance"], axis=1)
    rows = names.join(values).assign(found=[found[n] for n in names.pyradiomics])
    rows["found"] -= 3.0 * (rows.pyradiomics == "firstorder_Kurtosis")  # IBSI's is the excess
    rounded = rows.found.map(lambda v: float(f"{v:.3g}"))
    near = (rows.found - rows.reference).abs() <= rows.tolerance
    return rows.assign(agrees=near | (rounded == rows.reference)).set_index("pyradiomics")


@ibsi
@pytest.mark.parametrize("route", [0, 1])
def test_ibsi_features_of_the_patient_are_within_tolerance(chest, route):
    """All but what depends on the number of a grey level.

    IBSI counts the bins of 25 HU from -1000 HU, PyRadiomics from the lesion's minimum: the same
    bins with lower numbers (from 1 instead of 3).
    """
    ct, mask = config_c(chest[route])
    table = compared(original(ct, mask, binWidth=25, resegmentRange=[-1000, 400]),
                     "ibsi_1_chest_config_c.csv")  # fmt: skip
    numbered = table.index.str.contains("GrayLevel(?:Run|Zone)?Emphasis") | table.index.isin(
        ["glcm_JointAverage", "glcm_SumAverage", "glcm_Autocorrelation", "ngtdm_Busyness",
         "gldm_LowGrayLevelEmphasis", "gldm_HighGrayLevelEmphasis"]
    )  # fmt: skip
    assert table.agrees[~numbered].all(), table[~numbered & ~table.agrees]
    assert (~numbered).sum() == 80


@ibsi
def test_ibsi_features_of_the_digital_phantom_are_within_tolerance():
    """All but two axes: PyRadiomics divides the covariance by n, IBSI by n - 1 (74 voxels)."""
    scan = scans.read_scan(
        DIGITAL / "nifti/image/phantom.nii.gz", DIGITAL / "nifti/mask/mask.nii.gz"
    )
    found = original(scan.ct, scan.mask, binWidth=1)
    for axis in ("Major", "Minor", "Least"):
        found[f"shape_{axis}AxisLength"] *= np.sqrt(74 / 73)
    table = compared(found, "ibsi_1_dig_phantom.csv")
    assert table.agrees.all(), table[~table.agrees]
    assert len(table) == 102


def test_an_outline_on_the_pet_is_taken_in_the_cts_frame_of_reference(tmp_path, ct):
    """Its frame names the CT among two; where it lies says it when the frame is gone."""
    outline = corpus.write_rtstruct(
        tmp_path / "rt.dcm", ct, {"GTV": [square(6.5, 13.5, z) for z in range(2, 6)]}
    )
    away = {"series": ROOT + "8", "FrameOfReferenceUID": ROOT + "9"}
    corpus.write_ct(ct, None, lambda made, z: corpus.move(made, (0, 0, 300)), **away)

    def on_the_pet(made):
        frame = made.ReferencedFrameOfReferenceSequence[0]
        frame.FrameOfReferenceUID = ROOT + "2"
        study = frame.RTReferencedStudySequence[0]
        study.RTReferencedSeriesSequence[0].SeriesInstanceUID = ROOT + "50"

    corpus.edit(outline, on_the_pet)
    scan = scans.read_scan(ct, outline, "GTV")
    assert "in the CT's frame of reference" in scan.notes[0]

    def without_frame(made):
        made.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = ROOT + "51"

    corpus.edit(outline, without_frame)
    again = scans.read_scan(ct, outline, "GTV")
    assert "lies in this CT's slices" in again.notes[0]
    masks = [sitk.GetArrayFromImage(s.mask) for s in (scan, again)]
    assert (masks[0] == masks[1]).all() and masks[0].any()


def test_contours_that_cross_are_united_and_inner_ones_are_holes(tmp_path, ct):
    """Numbers of voxels by hand: squares of 8 × 8 and 6 × 6 pixels, a hole of 2 × 2."""
    cross = [square(2.5, 10.5, 3), square(7.5, 13.5, 3)]
    hole = [square(2.5, 10.5, 4), square(4.5, 6.5, 4)]
    outline = corpus.write_rtstruct(tmp_path / "rt.dcm", ct, {"GTV": cross + hole})
    scan = scans.read_scan(ct, outline)
    drawn = sitk.GetArrayFromImage(scan.mask)
    assert drawn[3].sum() == 64 + 36 - 9 and drawn[4].sum() == 64 - 4
    assert "contours cross at 1 heights: united" in scan.notes


def test_xor_contours_take_every_overlap_out(tmp_path, ct):
    cross = [square(2.5, 10.5, 3), square(7.5, 13.5, 3)]
    kind = "CLOSEDPLANAR_XOR"
    outline = corpus.write_rtstruct(tmp_path / "rt.dcm", ct, {"GTV": cross}, kind)
    assert sitk.GetArrayFromImage(scans.read_scan(ct, outline).mask).sum() == 64 + 36 - 18


def test_several_rois_segments_and_values_are_united(tmp_path, ct, two):
    rois = {"GTV-1": [square(2.5, 6.5, 3)], "GTV-2": [square(8.5, 12.5, 4)], "A+B": []}
    rois["A+B"] = [square(2.5, 4.5, 2)]
    outline = corpus.write_rtstruct(tmp_path / "rt.dcm", ct, rois)
    assert read(ct, outline, "GTV-1+GTV-2").sum() == 32
    assert read(ct, outline, "1 + 2").sum() == 32
    assert read(ct, outline, "A+B").sum() == 4  # the exact name goes before a union
    assert (read(ct, two, "Lesion+Node") == np.maximum(lesion(), SECOND)).all()
    values = corpus.write_image(tmp_path / "values.nii.gz", lesion() * 2 + SECOND * 5)
    both = ((lesion() * 2 + SECOND * 5) > 0).sum()
    assert read(ct, values, "2+5+7" if (lesion() & SECOND).any() else "2+5").sum() == both


def test_contours_just_beyond_the_ct_are_cut_off_there(tmp_path, ct):
    outline = corpus.write_rtstruct(tmp_path / "rt.dcm", ct, {"GTV": [square(-2.5, 4.5, 3)]})
    scan = scans.read_scan(ct, outline)
    assert sitk.GetArrayFromImage(scan.mask).sum() == 25
    assert "beyond the CT: cut off there" in scan.notes[0]


def test_frames_with_an_origin_of_their_own_lie_where_they_say(tmp_path, ct):
    """A SEG on its own grid whose upper frames begin two pixels further to the left."""
    seg = corpus.write_seg(tmp_path / "seg.dcm", ct, {"Lesion": lesion()})
    plain = sitk.GetArrayFromImage(scans.read_scan(ct, seg).mask)

    def off_grid(made):
        for group in made.PerFrameFunctionalGroupsSequence:
            place = group.PlanePositionSequence[0]
            x, y, z = map(float, place.ImagePositionPatient)
            upper = z > ORIGIN[2] + 3.5 * SPACING[2]
            place.ImagePositionPatient = [x + (0.3 + 2 * upper) * 0.7, y + 0.3 * 0.8, z]

    corpus.edit(seg, off_grid)
    moved = sitk.GetArrayFromImage(scans.read_scan(ct, seg).mask)
    for z, drawn in enumerate(plain):
        assert (moved[z] == np.roll(drawn, 2 * (z > 3), axis=1)).all()
