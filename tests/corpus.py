"""Builders of the inputs that the tests read: CT series, drawings, image files, a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import pandas as pd
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from radiogenomics.images.scans import read_pair

SPACING = (0.7, 0.8, 2.5)  # x, y, z in mm
ORIGIN = (-30.0, -20.0, 100.0)
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
ROOT = "1.2.826.0.1.3680043.10.543."  # under pydicom's root: no one's real UIDs
PATIENT_ID = "H-00871-K"
SHAPE = (8, 20, 24)
LESION = np.s_[2:6, 6:13, 8:16]


def volume(seed: int = 0) -> np.ndarray:
    """A CT (z, y, x) in HU: noise around lung, so that no slice is like another."""
    return np.random.default_rng(seed).normal(-700, 50, SHAPE).astype(np.int16)


def lesion() -> np.ndarray:
    """A lesion (z, y, x) of 4 × 7 × 8 voxels, a corner of it left out: no side is like another."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[LESION] = 1
    mask[2, 6:9, 8:11] = 0
    return mask


def ct_slice(hu: np.ndarray, z: int, series: str, step: float = SPACING[2]) -> FileDataset:
    """One slice with every header entry that the library reads; stored as HU + 1024."""
    made = FileDataset("", {}, preamble=b"\0" * 128)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = CTImageStorage, f"{series}.{z + 1}"
    made.StudyInstanceUID, made.FrameOfReferenceUID = ROOT + "1", ROOT + "2"
    made.SeriesInstanceUID, made.SeriesNumber = series, 1
    made.Modality, made.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.PatientID, made.PatientName = PATIENT_ID, "Weissenfels^Ottokar"
    made.PatientBirthDate, made.PatientSex, made.StudyID = "19510314", "M", "7"
    made.StudyDate, made.StudyTime = "20230228", "120000"
    made.AccessionNumber, made.ReferringPhysicianName = "A-1", ""
    made.InstanceNumber, made.SliceThickness = z + 1, step
    made.ImagePositionPatient = [*ORIGIN[:2], ORIGIN[2] + step * z]
    made.ImageOrientationPatient = list(AXIAL)
    made.PixelSpacing = [SPACING[1], SPACING[0]]
    made.Rows, made.Columns = hu.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 16, 15
    made.PixelRepresentation = 0
    made.RescaleSlope, made.RescaleIntercept = 1, -1024
    made.Manufacturer, made.ManufacturerModelName = "Example", "Scanner 1"
    made.ConvolutionKernel, made.KVP = "B30f", 120
    made.XRayTubeCurrent, made.ExposureTime = 200, 500
    made.set_pixel_data((hu + 1024).astype(np.uint16), "MONOCHROME2", 16)
    return made


def write_ct(
    folder: Path,
    hu: np.ndarray | None = None,
    change: Callable[[FileDataset, int], None] = lambda made, z: None,
    *,
    series: str = ROOT + "3",
    step: float = SPACING[2],
    skip: Iterable[int] = (),
    **tags: object,
) -> Path:
    """Write a CT (z, y, x) as a series, one file a slice, names not in the order of slices.

    `tags` go into every header; `change` mends one slice's; slices in `skip` are not written.
    """
    hu = volume() if hu is None else hu
    folder.mkdir(parents=True, exist_ok=True)
    for z in range(len(hu)):
        made = ct_slice(hu[z], z, series, step)
        for tag, value in tags.items():
            setattr(made, tag, value)
        change(made, z)
        if z not in skip:
            save(made, folder / f"{series.rpartition('.')[2]}_{(5 * z) % 101:03d}.dcm")
    return folder


def save(made: FileDataset, path: Path) -> Path:
    """Write a data set as its transfer syntax says."""
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    pydicom.dcmwrite(path, made, enforce_file_format=True)
    return path


def slices(folder: Path) -> list[pydicom.Dataset]:
    """The slices of the one series in a folder, from the feet up."""
    every = [pydicom.dcmread(path) for path in folder.glob("*.dcm")]
    return sorted(every, key=lambda s: s.InstanceNumber)


def move(made: FileDataset, way_mm: tuple[float, float, float]) -> None:
    """Move a slice by (x, y, z), mm."""
    made.ImagePositionPatient = [
        p + w for p, w in zip(made.ImagePositionPatient, way_mm, strict=True)
    ]


def edit(path: Path, change: Callable[[pydicom.Dataset], None]) -> Path:
    """Change one DICOM file."""
    made = pydicom.dcmread(path)
    change(made)
    made.save_as(path)
    return path


def write_seg(
    path: Path,
    folder: Path,
    masks: dict[str, np.ndarray],
    kind: str = "BINARY",
    **more: object,
) -> Path:
    """Write masks (z, y, x), named by their segment's label, on a CT series with highdicom."""
    code = hd.sr.CodedConcept("M-01000", "SRT", "Morphologically Abnormal Structure")
    segments = [
        hd.seg.SegmentDescription(
            number, label, code, code, hd.seg.SegmentAlgorithmTypeValues.MANUAL
        )
        for number, label in enumerate(masks, start=1)
    ]
    seg = hd.seg.Segmentation(
        source_images=slices(folder),
        pixel_array=np.stack(list(masks.values()), axis=-1),
        segmentation_type=kind,
        segment_descriptions=segments,
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Example",
        manufacturer_model_name="Writer",
        software_versions="1",
        device_serial_number="1",
        **more,
    )
    seg.save_as(path)
    return path


def square(low: float, high: float, z: float) -> np.ndarray:
    """A contour (n, 3) in mm: the square from `low` to `high` in index x and y, at index z."""
    corners = [(low, low), (high, low), (high, high), (low, high)]
    return np.array([place(x, y, z) for x, y in corners])


def place(x: float, y: float, z: float) -> list[float]:
    """The point (mm) of a voxel index of `write_ct`'s grid."""
    return [o + s * i for o, s, i in zip(ORIGIN, SPACING, (x, y, z), strict=True)]


def write_rtstruct(
    path: Path, folder: Path, rois: dict[str, list[np.ndarray]], kind: str = "CLOSED_PLANAR"
) -> Path:
    """Write contours (n, 3) in mm as RTSTRUCT of a CT series, one ROI a name."""
    source = slices(folder)[0]
    made = FileDataset("", {}, preamble=b"\0" * 128)
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", generate_uid()
    made.Modality, made.PatientID = "RTSTRUCT", source.PatientID
    made.SeriesInstanceUID = generate_uid()
    series = item(SeriesInstanceUID=source.SeriesInstanceUID)
    study = item(RTReferencedSeriesSequence=[series])
    made.ReferencedFrameOfReferenceSequence = [item(RTReferencedStudySequence=[study])]
    made.StructureSetROISequence = [
        item(ROINumber=n, ROIName=name) for n, name in enumerate(rois, start=1)
    ]
    made.ROIContourSequence = [
        item(ReferencedROINumber=n, ContourSequence=[_contour(c, kind) for c in contours])
        for n, contours in enumerate(rois.values(), start=1)
    ]
    return save(made, path)


def item(**tags: object) -> pydicom.Dataset:
    """A data set with these entries."""
    made = pydicom.Dataset()
    for tag, value in tags.items():
        setattr(made, tag, value)
    return made


def _contour(points: np.ndarray, kind: str) -> pydicom.Dataset:
    return item(
        ContourGeometricType=kind,
        NumberOfContourPoints=len(points),
        ContourData=[f"{v:.4f}" for v in points.ravel()],
    )


def image(
    array: np.ndarray,
    spacing: tuple[float, ...] = SPACING,
    origin: tuple[float, ...] = ORIGIN,
    vector: bool = False,
) -> sitk.Image:
    """An image of an array (z, y, x) on the grid of `write_ct`."""
    made = sitk.GetImageFromArray(array, isVector=vector)
    dimensions = made.GetDimension()
    made.SetSpacing([*spacing, 1.0][:dimensions])
    made.SetOrigin([*origin, 0.0][:dimensions])
    return made


def write_image(path: Path, array: np.ndarray, **grid: object) -> Path:
    """Write an array (z, y, x) in the format that the name says."""
    sitk.WriteImage(image(array, **grid), str(path))
    return path


@dataclass
class Case:
    """One patient's inputs, faultless until a test spoils them."""

    folder: Path
    ct: Path
    mask: Path
    label: str = ""

    def new_ct(self, array: np.ndarray | None = None, name: str = "ct2.nii.gz", **grid) -> Path:
        """Take an image file as CT."""
        self.ct = write_image(self.folder / name, volume() if array is None else array, **grid)
        return self.ct

    def new_mask(self, array: np.ndarray | None = None, name: str = "m2.nii.gz", **grid) -> Path:
        """Take another image file as mask."""
        self.mask = write_image(self.folder / name, lesion() if array is None else array, **grid)
        return self.mask

    def series(self, change=lambda made, z: None, hu=None, name: str = "series2", **more) -> Path:
        """Take another DICOM series as CT."""
        self.ct = write_ct(self.folder / name, hu, change, **more)
        return self.ct

    def written(self, name: str, content: bytes) -> Path:
        """Write a file of these bytes."""
        path = self.folder / name
        path.write_bytes(content)
        return path


def good_case(folder: Path) -> Case:
    """A DICOM CT series and its lesion as NIfTI."""
    ct = write_ct(folder / "ct")
    return Case(folder, ct, write_image(folder / "mask.nii.gz", lesion()))


def cohort_table(n: int = 12) -> pd.DataFrame:
    """A faultless table of text: hospitals A and B, labels in turn, files named but not made."""
    return pd.DataFrame(
        {
            "patient": [f"P{i:02d}" for i in range(n)],
            "hospital": ["A"] * (n - 4) + ["B"] * 4,
            "label": [str(i % 2) for i in range(n)],
            "age": "60.5",
            "sex": ["female", "male"] * (n // 2),
            "smoking": ["never", "former", "current"] * (n // 3),
            "cea": "normal",
            "ct": [f"scans/{i}.nii.gz" for i in range(n)],
            "mask": [f"scans/{i}_mask.nii.gz" for i in range(n)],
        }
    )


def write_files(folder: Path, n: int = 12) -> None:
    """Make the files that `cohort_table` names; no two are alike."""
    (folder / "scans").mkdir()
    for i in range(n):
        (folder / f"scans/{i}.nii.gz").write_bytes(bytes([i]))
        (folder / f"scans/{i}_mask.nii.gz").write_bytes(bytes([i, i]))


def with_cell(row: int, column: str, value: str) -> pd.DataFrame:
    """The faultless table with one cell changed."""
    table = cohort_table()
    table.loc[row, column] = value
    return table


def write_series(
    folder: Path, volume: np.ndarray, skip: int | None = None, uid: str = "1.2.3.4"
) -> Path:
    """Write a CT (z, y, x) as one DICOM series, slices 1.25 mm apart, without slice `skip`."""
    folder.mkdir(parents=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for z in range(len(volume)):
        if z == skip:
            continue
        one = image(volume[z : z + 1], (0.7, 0.7, 1.25), (0, 0, 1.25 * z))
        tags = {
            "0008|0060": "CT", "0020|000e": uid, "0008|0018": f"{uid}.{z + 1}",
            "0020|0032": f"0\\0\\{1.25 * z}", "0020|0037": "1\\0\\0\\0\\1\\0",
            "0020|0013": str(z + 1), "0028|1052": "0", "0028|1053": "1",
        }  # fmt: skip
        for tag, value in tags.items():
            one.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{(7 * z) % len(volume):03d}.dcm"))
        writer.Execute(one)
    return folder


def pair_of(ct: Path, mask: Path, label: str | int = "") -> tuple[sitk.Image, sitk.Image]:
    """CT and mask of two paths, as of a patient's row."""
    return read_pair({"ct": ct, "mask": mask, "mask_label": label})
