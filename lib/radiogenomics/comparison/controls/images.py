"""Where the information is: the models on images from which a part of it was taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd

from radiogenomics.cohort.included import split
from radiogenomics.comparison import refitted
from radiogenomics.images.changes import REGIONS, Change, filled, redrawn, shuffled
from radiogenomics.models import classifiers
from radiogenomics.radiomics import agreement, signature
from radiogenomics.study import design, tables
from radiogenomics.study.settings import NETWORK, RADIOMICS
from radiogenomics.study.study import Study

SHAPE = "original_shape_"  # how the 14 features of the outline alone begin
AGAIN = ", trained again"  # of a network that was trained on changed images too
Progress = Callable[[int, int], None]


def changes_of(study: Study) -> list[Change]:
    """Return the changes: shuffled voxels; with `checks = "full"` redrawn ones too."""
    seed = study.settings.seed
    made = [shuffled(where, seed) for where in REGIONS]
    if study.settings.evaluation.checks == "full":
        made += [redrawn(where, seed) for where in REGIONS]
    return made


def control_scores(
    study: Study, patients: pd.DataFrame, progress: Progress = lambda done, total: None
) -> pd.DataFrame:
    """Return control_scores.csv: test scores of the models on changed images.

    The models on the signature are selected and fitted again, on the changed images of training
    patients: is the information there? The trained network reads the changed images of test
    patients: does it use it? With `checks = "full"` the network is trained again, too.

    Args:
        study: settings, features, the trained network.
        patients: training and test patients; labels of the latter are not used.
        progress: called with (changes done, changes in all).

    Returns:
        patient, cohort, control, model, score. Patients of whom nothing can be measured after a
        change are missing; a network that sees nothing outside the outline has no control there.
    """
    train, test = split(patients)
    parts = [*_on_signature(study, train, test, progress), *_by_network(study, train, test)]
    return tables.CONTROL_SCORES.frame(pd.concat(parts).to_dict("records") if parts else ())


def _rows(patients: pd.DataFrame, control: str, model: str, scores) -> pd.DataFrame:  # noqa: ANN001
    row = {"control": control, "model": model, "score": scores}
    return patients[["patient", "cohort"]].assign(**row)


def _on_signature(
    study: Study, train: pd.DataFrame, test: pd.DataFrame, progress: Progress
) -> Iterator[pd.DataFrame]:
    if RADIOMICS not in design.parts(study.settings) or not study.has(tables.FEATURES):
        return
    from radiogenomics.radiomics.features import extract_cohort, load_features  # a second

    features = load_features(study)
    steps = refitted.chain(study, train).steps[:-4]  # filters by repeated measurements
    columns = agreement.fitted(steps, features.loc[train.patient])
    outline = [name for name in columns if name.startswith(SHAPE)]
    if outline:
        yield from _fitted(study, train, test, features[outline], filled(0).name)
    changes = changes_of(study)
    for done, change in enumerate(changes):
        everyone = pd.concat([train, test])
        changed, _ = extract_cohort(
            study, everyone,
            lambda n, of, d=done: progress(d * of + n, len(changes) * of), change,
        )  # fmt: skip
        yield from _fitted(study, train, test, changed[columns], change.name)


def _fitted(
    study: Study, train: pd.DataFrame, test: pd.DataFrame, features: pd.DataFrame, control: str
) -> Iterator[pd.DataFrame]:
    """Yield the scores of each model after selection and fit on these features."""
    train, test = (side[side.patient.isin(features.index)] for side in (train, test))
    parts = (features.loc[side.patient] for side in (train, test))
    selector = signature.signature_pipeline(study.settings.radiomics, study.settings.seed)
    labels = train.label.to_numpy(int)
    models = classifiers.on_signature(study.settings)
    found = refitted.on_features(selector, study.settings.seed, labels, *parts, models)
    for model, scores in found.items():
        yield _rows(test, control, model, scores)


def _by_network(study: Study, train: pd.DataFrame, test: pd.DataFrame) -> Iterator[pd.DataFrame]:
    if NETWORK not in design.parts(study.settings) or not study.has(tables.CNN_TRAININGS):
        return
    from radiogenomics.images import volumes  # TensorFlow: seconds
    from radiogenomics.models import network

    model, batch = network.load_network(study), study.settings.cnn.batch
    masks = study.table(tables.MASKS).set_index("patient")
    median = float(masks.mean_hu.reindex(train.patient).median())
    full = study.settings.evaluation.checks == "full"
    image = study.settings.preprocessing
    seen = image.background == "box" or image.margin_mm > 0  # what lies outside the outline
    changes = [one for one in changes_of(study) if seen or one.where != "outside"]
    for change in [*changes, filled(median)]:
        lost = volumes.prepare(study, pd.concat([train, test]) if full else test, change=change)
        inside, new = (side[~side.patient.isin(lost.patient)] for side in (train, test))
        scores = network.score(model, volumes.load_volumes(study, new, change), batch)
        yield _rows(new, change.name, "CNN", scores)
        if full:
            again = refitted.network_scores(study, change.name, inside, new, change)
            yield _rows(new, change.name + AGAIN, "CNN", again)
