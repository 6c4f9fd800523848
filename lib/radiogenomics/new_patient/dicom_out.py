"""A prediction where radiologists work: the outline as SEG, the map as parametric map, a report.

The files are for the archive that the CT came from: they carry its patient, study and frame of
reference. They are marked as research.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from radiogenomics.images.grids import Grid
from radiogenomics.images.scans import Scan
from radiogenomics.report.manifest import versions
from radiogenomics.study.errors import UsageError

NAME = "EGFR-CT study workbook"
RESEARCH = "Research only, no medical device"
SCHEME = "99EGFRCT"  # of codes that no dictionary has
SEGMENT, MAP, REPORT = "outline_seg.dcm", "gradcam_map.dcm", "prediction_sr.dcm"
NUMBERS = {SEGMENT: 9001, MAP: 9002, REPORT: 9003}  # series numbers, away from a scanner's
LONGEST = 64  # letters of a code's meaning


def write_dicom(
    scan: Scan, content: dict[str, Any], heat: sitk.Image | None, out: Path
) -> list[Path]:
    """Write the results of one patient into a folder; return the files.

    Args:
        scan: of a DICOM series.
        content: prediction.json.
        heat: the map on the CT's grid, 0 to 1; None: no parametric map.
        out: a folder, which then holds what identifies the patient.

    Raises:
        UsageError: the CT is no DICOM series.
    """
    if not scan.files:
        raise UsageError(
            "the CT is no DICOM series. Expected: a DICOM folder for --dicom, whose patient and "
            "study the results carry."
        )
    sources = [pydicom.dcmread(path, stop_before_pixels=True) for path in scan.files]
    outline = segmentation(scan, sources)
    made = {SEGMENT: outline, REPORT: report(scan, content, outline, sources)}
    if heat is not None:
        made[MAP] = parametric_map(heat, scan, sources)
        made[MAP].Laterality = ""  # which the standard asks for, and the CT may not know
    out.mkdir(parents=True, exist_ok=True)
    for name, dataset in made.items():
        dataset.SeriesDescription = f"{RESEARCH}: {name.removesuffix('.dcm')}"[:LONGEST]
        dataset.save_as(out / name)
    return [out / name for name in made]


def volume_of(image: sitk.Image, grid: Grid, sources: list[pydicom.Dataset]) -> hd.Volume:
    """Return an image on the CT's own grid as highdicom has it: (slice, row, column), mm, LPS."""
    moved = grid.resampled(sitk.Cast(image, sitk.sitkFloat32))
    axes = np.array(grid.direction).reshape(3, 3) * np.array(grid.spacing)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes[:, ::-1], grid.origin
    frame = str(sources[0].FrameOfReferenceUID)
    return hd.Volume(sitk.GetArrayFromImage(moved), affine, "PATIENT", frame)


def _about(name: str) -> dict[str, Any]:
    return {
        "series_instance_uid": hd.UID(),
        "series_number": NUMBERS[name],
        "sop_instance_uid": hd.UID(),
        "instance_number": 1,
        "manufacturer": NAME,
    }


def _device() -> dict[str, str]:
    version = str(versions()["radiogenomics"])
    return {
        "manufacturer_model_name": NAME,
        "software_versions": version,
        "device_serial_number": version,
    }


def segmentation(scan: Scan, sources: list[pydicom.Dataset]) -> hd.seg.Segmentation:
    """Return the outline that was read, as a binary SEG on the CT's slices."""
    volume = volume_of(scan.mask, scan.file_grid, sources)
    described = hd.seg.SegmentDescription(
        1, "Lesion", codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Lesion,
        hd.seg.SegmentAlgorithmTypeValues.MANUAL, tracking_uid=hd.UID(), tracking_id="Lesion",
    )  # fmt: skip
    return hd.seg.Segmentation(
        sources, volume.with_array((volume.array >= 0.5).astype(np.uint8)),
        hd.seg.SegmentationTypeValues.BINARY, [described], **_about(SEGMENT), **_device(),
        content_label="RESEARCH", content_description=RESEARCH,
    )  # fmt: skip


def parametric_map(
    heat: sitk.Image, scan: Scan, sources: list[pydicom.Dataset]
) -> hd.pm.ParametricMap:
    """Return a Grad-CAM map, 0 to 1, as a parametric map of floats on the CT's slices."""
    meaning = hd.sr.CodedConcept("GRADCAM", SCHEME, "Grad-CAM, share of its highest value")
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="GRADCAM", lut_explanation="Grad-CAM of the network, 0 to 1",
        unit=codes.UCUM.NoUnits, value_range=[0.0, 1.0], slope=1, intercept=0,
        quantity_definition=meaning,
    )  # fmt: skip
    return hd.pm.ParametricMap(
        sources, volume_of(heat, scan.file_grid, sources), **_about(MAP), **_device(),
        contains_recognizable_visual_features=False, real_world_value_mappings=[mapping],
        voi_lut_transformations=[hd.VOILUTTransformation(window_center=0.5, window_width=1.0)],
        content_label="RESEARCH", content_description=RESEARCH,
    )  # fmt: skip


def report(
    scan: Scan, content: dict[str, Any], outline: hd.seg.Segmentation,
    sources: list[pydicom.Dataset],
) -> hd.sr.Comprehensive3DSR:  # fmt: skip
    """Return probabilities, signature features and volume as a structured report (TID 1500)."""
    device = hd.sr.ObserverContext(
        codes.DCM.Device,
        hd.sr.DeviceObserverIdentifyingAttributes(
            generate_uid(entropy_srcs=[NAME]), name=NAME, model_name=NAME
        ),
    )
    algorithm = hd.sr.AlgorithmIdentification(NAME, str(versions()["radiogenomics"]))
    voxels = int(sitk.GetArrayViewFromImage(scan.mask).sum())
    volume = voxels * float(np.prod(scan.mask.GetSpacing()))
    measured = [hd.sr.Measurement(codes.SCT.Volume, volume, codes.UCUM.CubicMillimeter)]
    measured += _values("P", _probabilities(content), algorithm)
    measured += _values("F", content["signature"], algorithm)
    segment = outline.SegmentSequence[0]
    group = hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        hd.sr.TrackingIdentifier(segment.TrackingUID, "Lesion"),
        referenced_segment=hd.sr.ReferencedSegment(
            outline.SOPClassUID, outline.SOPInstanceUID, 1,
            source_series=hd.sr.SourceSeriesForSegmentation(sources[0].SeriesInstanceUID),
        ),
        finding_type=codes.SCT.Lesion, measurements=measured,
        qualitative_evaluations=[_evaluation(*pair) for pair in _judgements(content)],
    )  # fmt: skip
    held = hd.sr.MeasurementReport(
        hd.sr.ObservationContext(observer_device_context=device),
        codes.LN.CTUnspecifiedBodyRegion,
        [group], title=codes.DCM.ImagingMeasurementReport,
    )  # fmt: skip
    return hd.sr.Comprehensive3DSR([outline, *sources], held, **_about(REPORT))


def _probabilities(content: dict[str, Any]) -> dict[str, float]:
    return {
        f"Probability of {content['label']} by {model}": value
        for model, value in content["probability"].items()
    }


def _values(
    kind: str, values: dict[str, float], algorithm: hd.sr.AlgorithmIdentification
) -> list[hd.sr.Measurement]:
    return [
        hd.sr.Measurement(
            hd.sr.CodedConcept(f"{kind}{number:04d}", SCHEME, name[:LONGEST]), value,
            codes.UCUM.NoUnits, algorithm_id=algorithm,
        )
        for number, (name, value) in enumerate(values.items(), start=1)
    ]  # fmt: skip


def _judgements(content: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return code, name and value of what the report says in words."""
    applicable = "applicable" if content["applicable"] else "not applicable"
    kept = [("USE", "Intended use", RESEARCH), ("APPLICABLE", "Applicability", applicable)]
    if content["models_from_synthetic_data"]:
        kept.append(("SYNTHETIC", "Models' patients", "simulated: no number applies"))
    return kept


def _evaluation(code: str, name: str, value: str) -> hd.sr.QualitativeEvaluation:
    said = hd.sr.CodedConcept(f"{code[:12]}_V", SCHEME, value[:LONGEST])
    return hd.sr.QualitativeEvaluation(hd.sr.CodedConcept(code, SCHEME, name), said)
