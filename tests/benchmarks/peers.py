"""Other radiomics packages by their own documented calls: those that are installed.

    uv run --with flash-radiomics --with mirp --with numpyradiomics --with nyxus \\
        python tests/benchmarks/speed.py FOLDER radiomics

flash-radiomics computes PyRadiomics' features, of all image types; the others features of the
original image alone, of definitions of their own. fastrad (which needs torch with CUDA) and
pictologics (which needs Python 3.12) are not measured.
"""

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from radiogenomics.study.settings import IMAGE_TYPES, Radiomics

SETTINGS = Radiomics()
CLASSES = "firstorder", "shape", "glcm", "gldm", "glrlm", "glszm", "ngtdm"  # PyRadiomics'
Features = dict[str, float]


def flash_radiomics(ct: sitk.Image, mask: sitk.Image) -> Features:
    """Return PyRadiomics' features by flash-radiomics on the CPU."""
    from flash_radiomics.featureextractor import RadiomicsFeatureExtractor

    with tempfile.TemporaryDirectory() as folder:
        made = RadiomicsFeatureExtractor(
            binWidth=SETTINGS.bin_width, label=1, additionalInfo=False, correctMask=False,
            backend="cpu", hdf5OutputDirectory=folder,
        )  # fmt: skip
        made.disableAllImageTypes()
        made.disableAllFeatures()
        for name in CLASSES:
            made.enableFeatureClassByName(name)
        for name in IMAGE_TYPES:
            sigma = {"sigma": list(SETTINGS.log_sigma_mm)} if name == "LoG" else {}
            made.enableImageTypeByName(name, customArgs=sigma)
        found = made.execute(ct, mask, label=1)
    return {name: float(np.squeeze(value)) for name, value in found.items() if np.size(value) == 1}


def mirp(ct: sitk.Image, mask: sitk.Image) -> Features:
    """Return mirp's features of the image."""
    import mirp

    image, inside = (sitk.GetArrayFromImage(x) for x in (ct, mask))
    found = mirp.extract_features(
        image=image, mask=inside, base_discretisation_method="fixed_bin_size",
        base_discretisation_bin_width=SETTINGS.bin_width,
        resegmentation_intensity_range=[-1024.0, 3071.0],
    )  # fmt: skip
    return found[0].select_dtypes("number").iloc[0].to_dict()


def numpyradiomics(ct: sitk.Image, mask: sitk.Image) -> Features:
    """Return numpyradiomics' features of the image."""
    import numpyradiomics as peer

    image, inside = (sitk.GetArrayFromImage(x) for x in (ct, mask))
    found = dict(peer.firstorder(image, inside, binWidth=SETTINGS.bin_width))
    found |= peer.shape(inside, ct.GetSpacing()[::-1])
    return found | peer.texture(image, inside, binWidth=SETTINGS.bin_width)


def nyxus(ct: sitk.Image, mask: sitk.Image) -> Features:
    """Return nyxus' 3D features of the image, which it reads from a file."""
    from nyxus import Nyxus3D

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("ct.nii.gz", "mask.nii.gz")]
        for image, path in zip((ct, mask), paths, strict=True):
            sitk.WriteImage(image, str(path))
        made = Nyxus3D(["*3D_ALL*"], n_feature_calc_threads=1)
        table = made.featurize_files([str(paths[0])], [str(paths[1])], single_roi=False)
    return table.select_dtypes("number").iloc[0].to_dict()


PEERS = {
    "flash-radiomics": flash_radiomics, "mirp": mirp, "numpyradiomics": numpyradiomics,
    "nyxus": nyxus,
}  # fmt: skip


def installed() -> dict[str, Callable[[sitk.Image, sitk.Image], Features]]:
    """Return the packages that are there, by name."""
    return {n: call for n, call in PEERS.items() if importlib.util.find_spec(n.replace("-", "_"))}


def told(name: str, found: Features, ours: Features) -> str:
    """Return a package's name, how many features it gave and how many are not PyRadiomics'."""
    shared = [feature for feature in found if feature in ours]
    off = sum(not np.isclose(found[f], ours[f], rtol=1e-6, atol=1e-12) for f in shared)
    text = f"{name}, {len(found):,} features"
    return f"{text}, {off} of {len(shared):,} off by over 1e-6" if shared else f"{text} of its own"
