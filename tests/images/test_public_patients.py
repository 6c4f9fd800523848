"""Public patients, not shipped: the same voxels and lesion as DICOM with RTSTRUCT and as NIfTI.

Clone https://github.com/theibsi/data_sets (IBSI's validation cohort, ibsi_validation/, 51 CTs of
soft-tissue sarcoma) and https://github.com/neurolabusc/dcm_qa_ct (CDs with DICOMDIR, In/) into one
folder and name it in the environment variable PUBLIC_IMAGES.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from radiogenomics import cli
from radiogenomics.images import scans

PUBLIC = Path(os.environ.get("PUBLIC_IMAGES", "public images are not here"))
VALIDATION, CD = PUBLIC / "data_sets/ibsi_validation", PUBLIC / "dcm_qa_ct/In/Philips"
TIES = {"STS_019": 2}  # voxels on an outline's edge


@pytest.mark.skipif(not VALIDATION.is_dir(), reason="PUBLIC_IMAGES has no theibsi/data_sets")
def test_ibsi_validation_patients_are_the_same_as_dicom_and_nifti():
    looked_at = 0
    for nifti in sorted((VALIDATION / "nifti").glob("*/CT_image.nii.gz")):
        dicom = VALIDATION / "dicom" / nifti.parent.name / "CT"
        other = nifti.parent / "CT_mask.nii.gz"
        if not other.exists() or nifti.parent.name in ("STS_009", "STS_013", "STS_020", "STS_049"):
            continue  # lesions above 1 litre, which are refused
        pair = [scans.read_scan(dicom / "image", dicom / "mask"), scans.read_scan(nifti, other)]
        hu, lesion = ([sitk.GetArrayFromImage(getattr(s, name)) for s in pair]
                      for name in ("ct", "mask"))  # fmt: skip
        assert np.array_equal(*hu), nifti.parent.name
        assert (lesion[0] != lesion[1]).sum() == TIES.get(nifti.parent.name, 0), nifti.parent.name
        looked_at += 1
    assert looked_at > 0


@pytest.mark.skipif(not CD.is_dir(), reason="PUBLIC_IMAGES has no neurolabusc/dcm_qa_ct")
def test_a_real_cd_with_dicomdir_is_one_patient(tmp_path, capsys):
    shutil.copytree(CD, tmp_path / "study" / "P1")
    cli.main(["new", str(tmp_path / "study")])
    said = capsys.readouterr().out
    assert "P1: CT P1; no mask chosen: none; 5 CT series; series 202: 140 × 1 mm" in said
