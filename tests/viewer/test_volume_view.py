"""3D views: one sentence where no front end is or itkwidgets fails, never a traceback."""

import dataclasses
import sys

import numpy as np
import SimpleITK as sitk
from radiogenomics.study.progress import HEADLESS
from radiogenomics.viewer import viewer, volume_view

LESION = np.zeros((6, 8, 10), bool)
LESION[2:4, 3:5, 4:7] = True
SCENE = viewer.Scene(
    np.full(LESION.shape, -700, np.int16), LESION, "P1", (2.0, 1.0, 0.5), (1.0, 2.0, 3.0),
    overlay=LESION * 0.5,
)  # fmt: skip


def test_a_run_without_a_front_end_says_so(monkeypatch):
    shown = []
    monkeypatch.setenv(HEADLESS, "1")
    monkeypatch.setattr(volume_view, "display", shown.append)
    volume_view.show_volume(SCENE)
    assert [text.data for text in shown] == [volume_view.LIVE_ONLY]


def test_niivue_gets_every_array_in_its_place(tmp_path):
    volumes = volume_view._volumes(SCENE)
    assert [v["name"] for v in volumes] == ["hu.nii.gz", "lesion.nii.gz", "overlay.nii.gz"]
    for volume, array in zip(volumes, (SCENE.hu, SCENE.lesion, SCENE.overlay), strict=True):
        (tmp_path / volume["name"]).write_bytes(volume["data"])
        image = sitk.ReadImage(str(tmp_path / volume["name"]))
        assert np.allclose(sitk.GetArrayFromImage(image), array)
        assert np.allclose(image.GetSpacing(), (0.5, 1.0, 2.0))
        assert np.allclose(image.GetOrigin(), (3.0, 2.0, 1.0))


def test_the_maps_scale_is_its_range():
    scale = {}
    for ends in ((0.0, 1.0), (-4.0, 5.0)):
        volume = volume_view._volumes(dataclasses.replace(SCENE, overlay_range=ends))[2]
        scale[ends] = volume["cal_min"], volume["cal_max"]
    assert scale == {(0.0, 1.0): (0.2, 1.0), (-4.0, 5.0): (1.0, 5.0)}


def test_itkwidgets_that_fails_is_one_sentence(monkeypatch):
    shown = []
    monkeypatch.setitem(sys.modules, "itkwidgets", None)
    monkeypatch.setattr(volume_view, "display", shown.append)
    volume_view.show_itk(sitk.Image(4, 4, 4, sitk.sitkInt16))
    assert len(shown) == 1 and "see docs/three_d.md" in shown[0].data
