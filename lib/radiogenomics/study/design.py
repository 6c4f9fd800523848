"""The design of a study: which of its parts are run, and on whom its models are judged."""

from __future__ import annotations

from radiogenomics.study.contract import (
    COMPARISON,
    IN_SAMPLE,
    INTERNAL,
    MAPS,
    NEW_PATIENT,
    NOTEBOOKS,
    ON_SIGNATURE,
    PREPROCESSING,
    TRAINING,
    Notebook,
)
from radiogenomics.study.settings import CLINICAL, NETWORK, RADIOMICS, Settings

TEST, UNTESTED, IMAGES = "test", "untested", "images"  # tags of cells, beside the parts' own
WITHOUT_TEST = "there is no test cohort: notebook 09 judges the models by cross-validation"
WITH_TEST = "the study has a test cohort: notebook 05 judges the models"
WITHOUT_IMAGES = "the study has no images, so no example patient: workbook predict --cohort TABLE"
WITHOUT_NETWORK = "the study is run without the network (study.toml, parts)"


def parts(settings: Settings) -> tuple[str, ...]:
    """Return the parts that are run; the clinical models are none without a predictor."""
    return tuple(p for p in settings.parts if p != CLINICAL or settings.clinical.predictors)


def tested(settings: Settings) -> bool:
    """Return whether the study has a test cohort."""
    return len(settings.cohorts.sides) > 1


def imaged(settings: Settings) -> bool:
    """Return whether any part reads images."""
    return bool({RADIOMICS, NETWORK} & set(parts(settings)))


def stacked(settings: Settings) -> bool:
    """Return whether the study has the combined models, which read the network and the SVM.

    Without a test cohort they are left out: their inputs have seen the folds that would judge them.
    """
    return tested(settings) and {RADIOMICS, NETWORK} <= set(parts(settings))


def models(settings: Settings) -> frozenset[str]:
    """Return the names of the workbook's own models that this design fits."""
    there, names = parts(settings), set()
    names |= {"Clinical"} if CLINICAL in there else set()
    names |= {model.name for model in ON_SIGNATURE} if RADIOMICS in there else set()
    names |= {"CNN"} if NETWORK in there else set()
    return frozenset(names | ({"Com", IN_SAMPLE} if stacked(settings) else set()))


def absent(settings: Settings) -> frozenset[str]:
    """Return the tags of the notebooks' cells that have nothing to do in this design."""
    there = {*parts(settings), TEST if tested(settings) else UNTESTED}
    there |= {IMAGES} if imaged(settings) else set()
    return frozenset({CLINICAL, RADIOMICS, NETWORK, TEST, UNTESTED, IMAGES} - there)


def not_needed(settings: Settings, notebook: Notebook) -> str:
    """Return why a notebook has nothing to do in this design, "" where it has."""
    if notebook in (PREPROCESSING, TRAINING, MAPS) and NETWORK not in parts(settings):
        return WITHOUT_NETWORK
    if notebook in (COMPARISON, MAPS) and not tested(settings):
        return WITHOUT_TEST
    if notebook == NEW_PATIENT and not imaged(settings):
        return WITHOUT_IMAGES
    return WITH_TEST if notebook == INTERNAL and tested(settings) else ""


def needed(settings: Settings) -> list[Notebook]:
    """Return the notebooks that have something to do in this design, in their order."""
    return [notebook for notebook in NOTEBOOKS if not not_needed(settings, notebook)]
