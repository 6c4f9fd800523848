"""Show a CT and its lesion with itkwidgets: `uv run --extra itk docs/itk_lab.py CT MASK`.

itkwidgets 1.0a55 asks public servers for its viewer, which a hospital may block. This script
downloads the same files as npm packages (54 MB), only because you run it and only the first
time, compares them with the SHA-512 below, keeps them in your cache folder, and has JupyterLab
serve them. The images stay on this machine. Close JupyterLab with Ctrl+C.

CT and MASK are whatever the workbook reads: NIfTI, NRRD, MetaImage, a DICOM folder; the mask may
be a DICOM SEG or RTSTRUCT. Further arguments go to JupyterLab. The registry is npm's public one,
or that of the environment variable npm_config_registry.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

import nbformat
import platformdirs

REGISTRY = "https://registry.npmjs.org"
CACHE = platformdirs.user_cache_path("radiogenomics") / "itk"
PACKAGES = {  # name@version: integrity as the registry states it
    "vue@2.6.10": "ImThpeNU9HbdZL3utgMCq0oiMzAkt1mcgy3/E6zWC/G6AaQoeuFdsl9nDhTDU3X1R6FK7nsIUuRACVcjI+A2GQ==",  # noqa: E501
    "vue-js-modal@1.3.35": "DKtxUCW/oprM/ndn9h/cnVgsmqjQ/ARy5rH4q/11Pas04og2td+sltl91H/rlwXTwJIqWyt+lJizK5o4ErjWIQ==",  # noqa: E501
    "imjoy-core@0.14.5": "G0ybhLq57vOSM+4DhJ7A/3WSjJdbzk+WoEqg4+c5clkRhLOYY5VfI6oJ4MI664ZsVVgIinswsEJWbHAWQOBxFg==",  # noqa: E501
    "imjoy-rpc@0.5.9": "wjK01PPTboNh4nas2nlxB8PXpSToR6vOFnjBeIJ4LiMU5pRi7VIcTSsvO0WQapxyiFkA1fkm2s9HsZ2D2mHj0Q==",  # noqa: E501
    "itk-vtk-viewer@14.51.0": "i1H0PfekLdCfL45lZ96aWCoh4thzxeexiGJ3NYC9euF1WefXW0P1JijBLIJfrDBvp5fhjncj/EEnIW1auBh+zw==",  # noqa: E501
    "itk-viewer-bootstrap-ui@0.30.0": "JfXAeCEgllRblolFwB4HaPQp+AyPzUt8s3g74LVnWLkvOyng4p24aO2Sjsk6ZIkWyZjdfZWAtvrdScKh/RPkKw==",  # noqa: E501
}
VIEWER = "itk-vtk-viewer@14.51.0/dist/"
MENUS = "itk-viewer-bootstrap-ui@0.30.0/dist/bootstrapUIMachineOptions.js.es.js"
LOCAL = {  # what the files ask for, and where it lies below the served packages
    "https://cdn.jsdelivr.net/npm/imjoy-core@${version}/": "imjoy-core@0.14.5/",
    "https://cdn.jsdelivr.net/npm/": "",
    "https://lib.imjoy.io/": "imjoy-core@0.14.5/dist/",
    "https://imjoy-team.github.io/vue-js-modal/": "vue-js-modal@1.3.35/dist/",
    "https://kitware.github.io/itk-vtk-viewer/app/": VIEWER,
    "https://imjoy-team.github.io/": "not-served/",  # other languages' kernels
    "https://imjoy.io/static/img/": "not-served/",  # a menu's icon
}
WINDOWS = "@oeway/vue-window@2.4.1-a/lib/index.js"  # not on npm; no window of it is used here
NO_WINDOWS = "window.VueWindow = window['vue-window'] = { install() {} };\n"
EXTENSION = Path("share/jupyter/labextensions/imjoy-jupyterlab-extension")
CELL = """import itkwidgets
import numpy as np
from ngff_zarr import to_ngff_image
from radiogenomics import viewer
from radiogenomics.images.scans import read_scan

itkwidgets.viewer.ITK_VIEWER_SRC = {viewer!r}
itkwidgets._initialization_params.PYDATA_SPHINX_HREF = {menus!r}
scan = read_scan({ct!r}, {mask!r})
scene = viewer.scene_of_images(scan.ct, scan.mask, "", False, around_mm={around_mm})
place = {{"scale": dict(zip("zyx", map(float, scene.spacing_mm))),
         "translation": dict(zip("zyx", map(float, scene.origin())))}}
ct = to_ngff_image(scene.hu.astype(np.int16), dims=("z", "y", "x"), **place)
lesion = to_ngff_image(scene.lesion.astype(np.uint8), dims=("z", "y", "x"), **place)
look = {{"cmap": "Grayscale", "color_range": [-1000, 400], "rotate": False}}
itkwidgets.view(ct{lesion}, **look)"""


def main(arguments: list[str] | None = None) -> None:
    """Serve the notebook of a CT and its lesion until JupyterLab is closed."""
    asked, further = _parser().parse_known_args(arguments)
    port = asked.port or _free_port()
    with tempfile.TemporaryDirectory() as folder:
        place, origin = Path(folder), f"http://127.0.0.1:{port}/static/npm/"
        for package in PACKAGES:
            unpack(download(package), place / "static" / "npm" / package, origin)
        _write(place / "static" / "npm" / WINDOWS, NO_WINDOWS.encode())
        patched_extension(place / "labextensions" / EXTENSION.name, origin)
        write_notebook(place / "notebooks", asked, origin)
        serve(_command(place, port, further))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("ct", type=Path, help="image file or DICOM folder")
    parser.add_argument("mask", type=Path, help="image file, DICOM SEG or RTSTRUCT")
    parser.add_argument("--around", type=float, default=60.0, help="mm shown around the lesion")
    parser.add_argument("--without-lesion", action="store_true", help="show the CT alone")
    parser.add_argument("--port", type=int, help="JupyterLab's; a free one if not given")
    return parser


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def download(package: str) -> Path:
    """Return the package's tarball in the cache folder, downloaded if it is not there."""
    name, version = package.split("@")
    file = CACHE / f"{name}-{version}.tgz"
    if not file.exists():
        registry = os.environ.get("npm_config_registry", REGISTRY).rstrip("/")  # noqa: SIM112
        address = f"{registry}/{name}/-/{file.name}"
        print(f"Downloading {address}", flush=True)
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                content = answer.read()
        except OSError as fault:
            raise SystemExit(f"{address} cannot be downloaded ({fault}).") from None
        _check(content, package)
        _write(file.with_suffix(".part"), content).replace(file)
    _check(file.read_bytes(), package)
    return file


def _check(content: bytes, package: str) -> None:
    """Stop where a tarball is not the one that was tested."""
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != PACKAGES[package]:
        raise SystemExit(
            f"{package} has another SHA-512 than the package tested. Delete {CACHE} and try again; "
            "if it differs again, do not use it."
        )


def _write(file: Path, content: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def unpack(tarball: Path, folder: Path, origin: str) -> None:
    """Write a package's built files, addresses of public servers replaced by `origin`."""
    with tarfile.open(tarball) as archive:
        for member in archive:
            name = member.name.removeprefix("package/")
            if member.isfile() and name.startswith("dist/") and ".." not in name:
                _write(folder / name, local(name, archive.extractfile(member).read(), origin))


def local(name: str, content: bytes, origin: str) -> bytes:
    """Return a file's content, addresses of public servers replaced by `origin`."""
    if name.endswith((".js", ".html")):
        for public, place in LOCAL.items():
            content = content.replace(public.encode(), f"{origin}{place}".encode())
    return content


def patched_extension(folder: Path, origin: str) -> None:
    """Write a copy of JupyterLab's extension for itkwidgets that asks `origin` for its files."""
    shutil.copytree(Path(sys.prefix) / EXTENSION, folder)
    for file in folder.rglob("*.js"):
        file.write_bytes(local(file.name, file.read_bytes(), origin))


def write_notebook(folder: Path, asked: argparse.Namespace, origin: str) -> None:
    """Write the notebook that shows the CT and its lesion."""
    cell = CELL.format(
        viewer=f"{origin}{VIEWER}index.html", menus=origin + MENUS, ct=str(asked.ct.resolve()),
        mask=str(asked.mask.resolve()), around_mm=asked.around,
        lesion="" if asked.without_lesion else ", label_image=lesion, label_blend=0.8",
    )  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [nbformat.v4.new_code_cell(cell)]
    folder.mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "itk.ipynb")


def serve(command: list[str]) -> None:
    """Run JupyterLab until it ends; what ends this script ends JupyterLab first."""
    with subprocess.Popen(command) as server:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches JupyterLab, which asks
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        server.wait()


def _command(place: Path, port: int, further: list[str]) -> list[str]:
    return [
        sys.executable, "-m", "jupyterlab", str(place / "notebooks" / "itk.ipynb"),
        "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0", "--ServerApp.base_url=/",
        f"--ServerApp.extra_static_paths={place / 'static'}",
        f"--LabApp.extra_labextensions_path={place / 'labextensions'}", *further,
    ]  # fmt: skip


if __name__ == "__main__":
    main()
