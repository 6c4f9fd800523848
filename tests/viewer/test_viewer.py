"""The slice viewer's description of a case: what is encoded comes back, and it stays small."""

import base64
import dataclasses
import io
import json
import re
import zlib
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import SimpleITK as sitk
from radiogenomics.maps import figures
from radiogenomics.maps.case import Case, scene_of_case
from radiogenomics.report import pages
from radiogenomics.study.errors import StudyError
from radiogenomics.viewer import packed, page, smaller, viewer
from radiogenomics.viewer.scene import start_of
from skimage import io as pictures


def scene(shape=(6, 9, 11), seed=0, **change):
    """A small case of which every voxel is different from its neighbours."""
    rng = np.random.default_rng(seed)
    lesion = np.zeros(shape, bool)
    lesion[2:4, 3:7, 4:9] = True
    lesion[0, 0, 0] = lesion[-1, -1, -1] = True
    hu = rng.integers(-1024, 3072, shape).astype(np.int16)
    return viewer.Scene(hu, lesion, **{"overlay": rng.random(shape)} | change)


def content(html):
    """Read the data that a static viewer carries."""
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.S)[1])


def decoded(described, packed):
    """Undo `pack` voxel by voxel: HU, overlay (or None), masks."""
    shape, size = tuple(described["shape"]), int(np.prod(described["shape"]))
    stream = io.BytesIO(zlib.decompress(packed))

    def values():
        low, high = (np.frombuffer(stream.read(size), np.uint8).astype(int) for _ in range(2))
        folded, out = (low + 256 * high).reshape(shape), np.zeros(shape, int)
        for z, y, x in np.ndindex(shape):
            near = [out[z, y, x - 1]] if x else []
            near += [out[z, y - 1, x]] if y else []
            rest = folded[z, y, x]
            out[z, y, x] = (sum(near) // len(near) if near else 0) + (
                -(rest + 1) // 2 if rest % 2 else rest // 2
            )
        return out

    hu = described["low"] + described["step"] * values()
    overlay = None
    if described["overlay"]:
        low, high = described["overlay"]["range"]
        overlay = low + values() / 100 * (high - low)
    bits = [np.frombuffer(stream.read(-(-size // 8)), np.uint8) for _ in described["outlines"]]
    masks = [np.unpackbits(one)[:size].reshape(shape).astype(bool) for one in bits]
    assert not stream.read()
    return hu, overlay, masks


@pytest.mark.parametrize("seed", range(3))
def test_what_is_encoded_comes_back(seed):
    case = dataclasses.replace(scene(seed=seed), second=scene().lesion[::-1])
    told = content(viewer.static_html(case))
    hu, overlay, masks = decoded(told, base64.b64decode(told["packed"]))
    assert np.abs(hu - case.hu).max() <= told["step"] / 2 and told["step"] == 4
    assert np.abs(overlay - case.overlay).max() <= 0.005 + 1e-9
    assert np.array_equal(masks[0], case.lesion) and np.array_equal(masks[1], case.second)


def test_padding_far_below_air_does_not_fold_over():
    case = scene()
    hu = case.hu.copy()
    hu[0, 0, :3], hu[0, 0, 3:6] = -32768, 32767
    live = viewer.SliceViewer(dataclasses.replace(case, hu=hu))
    found, _, _ = decoded(live.scene, live.packed)
    assert np.array_equal(found, np.clip(hu, *packed.STORED_HU))


def test_an_overlay_keeps_its_range_and_unit():
    doses = scene().overlay * 90 - 20
    case = scene(overlay=doses, overlay_name="change", overlay_unit="Gy", overlay_range=(-20, 70))
    told = content(viewer.static_html(case))
    _, overlay, _ = decoded(told, base64.b64decode(told["packed"]))
    assert np.abs(overlay - doses).max() <= 0.45 + 1e-9
    assert told["overlay"] == {"name": "change", "unit": "Gy", "range": [-20, 70]}
    assert f"change: {doses.min():.3g} to {doses.max():.3g} Gy." in told["caption"]


def test_the_live_twin_holds_every_hu():
    case = scene()
    live = viewer.SliceViewer(case)
    hu, _, masks = decoded(live.scene, live.packed)
    assert np.array_equal(hu, case.hu) and np.array_equal(masks[0], case.lesion)
    assert "export default" in live._esm


def test_it_opens_at_the_peak_of_the_overlay():
    hu, lesion = np.zeros((6, 7, 8), np.int16), np.zeros((6, 7, 8), bool)
    lesion[2:4, 2:4, 2:4] = True
    plain = viewer.Scene(hu, lesion, "P", (1.0, 1.0, 1.0))
    assert start_of(plain) == [2, 2, 2]
    heat = np.zeros(hu.shape)
    assert start_of(dataclasses.replace(plain, overlay=heat)) == [2, 2, 2]
    heat[5, 1, 7] = 0.9
    assert start_of(dataclasses.replace(plain, overlay=heat)) == [5, 1, 7]
    drop = dataclasses.replace(plain, overlay=heat - 0.3, overlay_range=(-1.0, 1.0))
    assert start_of(drop) == [5, 1, 7]


def test_a_large_case_is_cut_to_the_lesion_and_says_so():
    rng = np.random.default_rng(1)
    lesion = np.zeros((120, 130, 140), bool)
    lesion[50:70, 60:75, 80:90] = True
    hu = (rng.normal(-600, 60, lesion.shape)).astype(np.int16)
    case = viewer.Scene(hu, lesion, "P1", origin_mm=(10.0, 20.0, 30.0))
    html = viewer.static_html(case)
    told = content(html)
    assert len(html.encode()) <= page.LIMIT <= 350_000
    margin = int(re.search(r"Cut to the lesion and (\d+) mm around it", told["caption"])[1])
    assert told["shape"] == [20 + 2 * margin, 15 + 2 * margin, 10 + 2 * margin]
    assert told["origin"] == [10 + 50 - margin, 20 + 60 - margin, 30 + 80 - margin]
    assert "HU in steps of 4" in told["caption"]


def test_a_large_lesion_gets_larger_voxels_in_the_same_place():
    rng = np.random.default_rng(1)
    lesion = np.zeros((70, 200, 200), bool)
    lesion[5:65, 10:190, 10:190] = True
    hu = (rng.normal(-600, 60, lesion.shape) + 5 * np.arange(200)).astype(np.int16)
    case = viewer.Scene(hu, lesion, spacing_mm=(2.5, 0.7, 0.7), origin_mm=(0.0, 0.0, 0.0))
    told = content(viewer.static_html(case))
    spacing, origin = np.array(told["spacing"]), np.array(told["origin"])
    voxel = " × ".join(f"{mm:.3g}" for mm in spacing[::-1])
    assert f"Averaged to voxels of {voxel} mm" in told["caption"] and spacing[2] > 1
    assert np.allclose(origin, (spacing - case.spacing_mm) / 2)
    larger = smaller.with_larger_voxels(case, 1.5)
    assert np.allclose(larger.hu[3, 5, 7], hu[3, 10:12, 14:16].mean())


def test_eight_of_the_largest_cases_make_a_report_below_5_mb(tmp_path):
    rng = np.random.default_rng(1)
    lesion = np.zeros((70, 70, 70), bool)
    lesion[20:50, 20:50, 20:50] = True
    hu = rng.normal(-600, 90, lesion.shape).astype(np.int16)
    case = viewer.Scene(hu, lesion)
    html = viewer.static_html(case)
    assert len(html) > 0.7 * page.LIMIT
    output = nbformat.v4.new_output("display_data", data={"text/html": html})
    cells = [nbformat.v4.new_code_cell("viewer.show(scene)", outputs=[output]) for _ in range(8)]
    heat = rng.random((63,) * 3)
    drawn = Case(rng.normal(-600, 90, heat.shape), heat > 0.5, heat, None)
    figure = figures.gallery({f"P{i}": drawn for i in range(8)})
    data = {"application/vnd.plotly.v1+json": json.loads(figure.to_json())}
    cells[-1].outputs.append(nbformat.v4.new_output("display_data", data=data))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "eight.ipynb")
    report = pages.export_html(tmp_path / "eight.ipynb", tmp_path / "eight.html")
    assert 8 * len(html) < report.stat().st_size < 4.8e6  # 0.2 MB for the rest


def test_a_case_that_cannot_be_kept_small_is_refused(monkeypatch):
    monkeypatch.setattr(page, "LIMIT", 20_000)
    rng = np.random.default_rng(1)
    case = viewer.Scene(rng.integers(-1000, 3000, (60,) * 3), np.ones((60,) * 3, bool), "P7")
    with pytest.raises(StudyError, match="P7: a lesion of 60 × 60 × 60 mm does not fit"):
        viewer.static_html(case)


def test_outlines_far_apart_still_get_a_viewer():
    """As of nodules in both lungs, or of a stray voxel in the whole CT."""
    rng = np.random.default_rng(1)
    lesion = np.zeros((60, 200, 225), bool)
    lesion[2:5, 20:23, 20:23] = lesion[55, 195, 220] = True
    hu = rng.normal(-600, 60, lesion.shape).astype(np.int16)
    case = viewer.Scene(hu, lesion, spacing_mm=(5.0, 1.6, 1.6))
    html = viewer.static_html(case)
    assert len(html) <= page.LIMIT and "Averaged to voxels of" in html
    far = dataclasses.replace(case, lesion=lesion & (np.arange(225) > 200))
    assert smaller.with_larger_voxels(far, 6.0).lesion.sum() == 1


def test_faults_are_named():
    good = scene(title="P3")
    for change, words in (
        ({"overlay": good.overlay * 3}, "Grad-CAM runs from .* Expected: 0 to 1"),
        ({"overlay_range": (0, 0.5)}, "Expected: 0 to 0.5, its overlay_range"),
        ({"overlay_range": (1, 1)}, "Expected: 1 to 1"),
        ({"overlay": good.overlay[1:]}, "overlay has shape"),
        ({"lesion": good.lesion & False}, "no voxel"),
        ({"overlay": np.full(good.hu.shape, np.nan)}, "runs from nan"),
    ):
        with pytest.raises(StudyError, match=f"P3: .*{words}"):
            dataclasses.replace(good, **change)


def test_titles_stay_text():
    html = viewer.static_html(scene(title="</script><b>P&1</b>"))
    assert html.count("</script>") == 2 and "<b>" not in html
    assert content(html)["title"] == "</script><b>P&1</b>"


def test_a_picture_and_words_stand_where_scripts_do_not_run():
    case = dataclasses.replace(scene(synthetic=True), spacing_mm=(5.0, 1.0, 2.0))
    html = viewer.static_html(case)
    data, words = re.search(r'src="data:image/png;base64,([^"]+)".*?alt="([^"]+)"', html).groups()
    picture = pictures.imread(io.BytesIO(base64.b64decode(data)))
    z = start_of(case)[0]
    assert picture.shape == (9, 11, 3) and 'width="88" height="36"' in html
    assert tuple(picture[3, 4]) == viewer.OUTLINE and case.lesion[z, 3, 4]
    outside = np.clip((case.hu[z, 1, 1] + 1350) / 1500 * 255, 0, 255)
    assert abs(int(picture[1, 1, 0]) - outside) <= 1
    assert "Simulated patient, not evidence" in words and "mL" in words
    assert "trust this notebook" in html


def test_images_keep_their_place_and_turn_to_lps():
    rng = np.random.default_rng(0)
    ct = sitk.GetImageFromArray(rng.integers(-1000, 400, (20, 30, 40)).astype(np.int16))
    ct.SetSpacing([0.5, 0.6, 2.0])
    ct.SetOrigin([10.0, -20.0, 300.0])
    ct.SetDirection([-1, 0, 0, 0, -1, 0, 0, 0, 1])
    drawn = np.zeros((20, 30, 40), np.uint8)
    drawn[10, 14, 17] = 1
    mask = sitk.GetImageFromArray(drawn)
    mask.CopyInformation(ct)
    made = viewer.scene_of_images(ct, mask, "P", False, around_mm=4)
    point = ct.TransformIndexToPhysicalPoint((17, 14, 10))
    where = np.argwhere(made.lesion)[0]
    assert np.allclose((made.origin() + where * made.spacing_mm)[::-1], point)
    assert made.hu[tuple(where)] == ct[17, 14, 10]
    away = where + (1, 2, -3)
    index = ct.TransformPhysicalPointToIndex(
        (made.origin() + away * made.spacing_mm)[::-1].tolist()
    )
    assert made.hu[tuple(away)] == ct[index]


def test_a_case_on_a_tilted_grid_counts_from_the_lesions_centre():
    one = scene()
    case = SimpleNamespace(hu=one.hu, lesion=one.lesion.astype(np.uint8), heat=one.overlay)
    case.origin_mm = None
    made = scene_of_case(case, "P001", True)
    centre = np.argwhere(made.lesion).mean(axis=0)
    assert np.allclose(made.origin() + centre, 0) and made.synthetic
    assert "from the lesion's centre" in content(viewer.static_html(made))["caption"]


def test_without_a_front_end_the_static_twin_is_shown(monkeypatch):
    shown = []
    monkeypatch.setattr(viewer, "display", lambda what, **_: shown.append(what))
    monkeypatch.setenv(viewer.HEADLESS, "1")
    viewer.show(scene())
    monkeypatch.delenv(viewer.HEADLESS)
    viewer.show(scene())
    assert "startStatic();" in shown[0]["text/html"] and "mL" in shown[0]["text/plain"]
    assert isinstance(shown[1], viewer.SliceViewer)


def test_the_script_asks_nothing_of_a_network():
    for text in (page.SCRIPT, page.STYLE):
        assert not re.search(r"https?:|fetch\(|XMLHttp|Worker|import\(|url\(|</script", text)
