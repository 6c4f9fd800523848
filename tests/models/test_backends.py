"""The network on another backend of Keras: built, trained, saved and scored, to the same numbers.

Where JAX or torch are installed: `uv run --with jax pytest -m slow tests/models/test_backends.py`.
"""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from radiogenomics.models import network
from radiogenomics.study.settings import CNN

SHAPE = (16, 32, 32)
CODE = """
import json, sys
from pathlib import Path
import numpy as np
from radiogenomics.models import cnn_training, devices, network
from radiogenomics.study.settings import CNN
folder = Path(sys.argv[1])
volumes = np.load(folder / "volumes.npy")
scores = network.score(network.load(folder / "network.keras"), volumes)
settings = CNN(epochs=2, patience=9, attempts=1, augmentation=("flips",))
labels = np.arange(len(volumes)) % 2
training = cnn_training.train(volumes, labels, settings, 1, folder / "trained")
network.save(training.model, folder / "saved.keras")
print(json.dumps({
    "backend": devices.VERSIONS[1], "device": devices.device(), "scores": scores.tolist(),
    "history": training.kept[0].history.to_dict("list"),
    "trained": network.score(training.model, volumes).tolist(),
    "again": bool(np.array_equal(network.score(network.load(folder / "saved.keras"), volumes),
                                 network.score(training.model, volumes))),
}))
"""


def on(backend, folder):
    """What `CODE` found with a backend."""
    environment = os.environ | {"KERAS_BACKEND": backend}
    command = [sys.executable, "-c", CODE, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_the_same_weights_give_the_same_scores_and_training_goes_the_same_way(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    volumes = np.random.default_rng(5).random((12, *SHAPE, 1), np.float32)
    np.save(tmp_path / "volumes.npy", volumes)
    model = network.build(SHAPE, CNN(), 3)
    network.freshen(model, volumes, 4)
    network.save(model, tmp_path / "network.keras")
    found = on(backend, tmp_path)
    assert found["backend"] == backend and found["again"]
    assert found["device"].startswith(("CPU", "GPU"))
    assert found["scores"] == pytest.approx(network.score(model, volumes), abs=1e-5)
    history = found["history"]
    assert history["epoch"] == [1, 2] and np.isfinite(history["val_loss"]).all()
    assert (tmp_path / "trained" / "network_1_attempt_1" / "epoch_0002.keras").exists()
    saved = network.score(network.load(tmp_path / "saved.keras"), volumes)
    assert found["trained"] == pytest.approx(saved, abs=1e-5)


TRAINS = """
import os, sys
if hasattr(os, "sched_setaffinity") and sys.argv[1] == "one":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from pathlib import Path
import numpy as np
from radiogenomics.models import cnn_training, network
from radiogenomics.study.settings import CNN
x, y = np.random.default_rng(1).random((16, 16, 32, 32, 1), np.float32), np.arange(16) % 2
found = cnn_training.train(x, y, CNN(epochs=2, attempts=1), 3, Path(sys.argv[2]))
print(network.score(found.model, x).tobytes().hex())
"""


@pytest.mark.slow
def test_the_number_of_cores_changes_no_digit(tmp_path):
    """A training computes in as many threads wherever it runs."""
    scores = [
        subprocess.run([sys.executable, "-c", TRAINS, cores, str(tmp_path / cores)],
                       capture_output=True, text=True, check=True).stdout
        for cores in ("one", "all")
    ]  # fmt: skip
    assert len(scores[0]) > 100 and scores[0] == scores[1]
