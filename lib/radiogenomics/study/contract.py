"""What the parts agree on: names of models, cohorts and kinds of scores."""

from __future__ import annotations

KINDS = ("external", "in_sample", "out_of_fold")
COHORTS = {"external": "test", "in_sample": "train", "out_of_fold": "train"}

IN_SAMPLE = "Com_in_sample"  # the stack that explains the paper's combined model, never the best
RADIOMICS = ("LR", "SVM", "Bayes")
MODELS = ("Clinical", *RADIOMICS, "CNN", "Com", IN_SAMPLE)
COLUMNS = ["patient", "cohort", "label", "model", "score", "fold"]
