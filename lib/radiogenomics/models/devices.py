"""Keras' backend: on which device it computes, and whether operations are deterministic.

TensorFlow is the default; with `KERAS_BACKEND` set to jax or torch everything but Grad-CAM runs.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from radiogenomics.study.errors import StudyError
from radiogenomics.study.files import with_extra

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default where AVX-512 is missing


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Mute file descriptor 2: TensorFlow's start-up lines ignore every log level."""
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


with _quiet():
    import keras

    BACKEND = keras.backend.backend()
    if BACKEND == "tensorflow":
        import tensorflow as tf

        GPUS = tf.config.list_physical_devices("GPU")  # says on the terminal when there is none

THREADS = 2  # of a CPU that compute one training: sums of another number have other last digits
VERSIONS = (keras.__version__, BACKEND, importlib.metadata.version(BACKEND))


def device(wanted: str = "auto") -> str:
    """Choose the device that training runs on, and return it in words.

    Raises:
        StudyError: `device = "gpu"` and the backend sees none.
    """
    if BACKEND != "tensorflow":
        return _of_another_backend(wanted)
    gpus = tf.config.list_physical_devices("GPU")
    if wanted == "gpu" and not gpus:
        raise StudyError(
            "device = 'gpu', but TensorFlow sees no GPU. Expected: an NVIDIA GPU and the GPU build "
            f"({with_extra('gpu', 'run --only 04')}). Or set device = 'auto'."
        )
    if gpus and wanted != "cpu":
        with contextlib.suppress(RuntimeError, ValueError):
            for gpu in gpus:
                tf.config.experimental.set_memory_growth(gpu, True)
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
        return f"GPU ({name})"
    with contextlib.suppress(RuntimeError):
        tf.config.set_visible_devices([], "GPU")
    use_threads()
    return f"CPU ({THREADS} threads)"


def _of_another_backend(wanted: str) -> str:
    gpus = [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]
    if (wanted == "gpu" and not gpus) or (wanted == "cpu" and gpus):
        raise StudyError(
            f"device = {wanted!r}, but {BACKEND} uses {'a GPU' if gpus else 'no GPU'}. Expected: "
            "device = 'auto'; what it uses is chosen where it is installed or by its own variables."
        )
    return f"GPU ({BACKEND})" if gpus else f"CPU ({os.cpu_count()} cores, {BACKEND})"


def use_threads() -> None:
    """Compute in `THREADS` threads, where this process has not begun to compute."""
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(1)


if BACKEND == "tensorflow" and not GPUS:
    use_threads()


def require(precision: str, deterministic: bool) -> None:
    """Set up what `[cnn] precision` and `deterministic` ask for.

    Raises:
        StudyError: this backend or device has it not.
    """
    on_cpu = device().startswith("CPU")
    if BACKEND == "tensorflow" and precision == "mixed_float16" and on_cpu:
        raise StudyError(
            "[cnn] precision = 'mixed_float16', which TensorFlow computes on a GPU alone; this is "
            "a CPU. Expected: 'float32', or 'bfloat16'."
        )
    if deterministic and BACKEND != "tensorflow":
        raise StudyError(
            f"[cnn] deterministic = true, but the backend is {BACKEND}. Expected: TensorFlow. "
            "Unset KERAS_BACKEND, or leave the setting out."
        )
    if deterministic:
        tf.config.experimental.enable_op_determinism()


@functools.lru_cache(maxsize=1)
def training_pass(model: keras.Model) -> Callable[[np.ndarray], Any]:
    """Return a function of a batch that runs a network as in training and changes no weight.

    It is compiled at its first call, with the momenta that batch norm has then.
    """
    if BACKEND != "tensorflow":
        return lambda batch: model(batch, training=True)
    return tf.function(lambda batch: model(batch, training=True), reduce_retracing=True)
