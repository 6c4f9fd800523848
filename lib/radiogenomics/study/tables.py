"""Every table of a run, declared once: docs/tables.md is printed from here.

`Study.save_table` checks against it; other parts name a table by it.
"""

from radiogenomics.study.contract import (
    COHORT,
    COMPARISON,
    INTERNAL,
    MAPS,
    PAPER_AUDIT,
    PREPROCESSING,
    SELECTION,
    TRAINING,
    Table,
    declared,
)

# ---- 01 cohort
FLOW = declared(COHORT, "flow.csv", "a step from cohort.csv to the two cohorts", """
    step: found, each exclusion, included, label
    reason: of the exclusion; the cohort, or the label
    n
""")  # fmt: skip
EXCLUSIONS = declared(COHORT, "exclusions.csv", "a patient left out", """
    patient
    step: table, eligibility, clinical data, files, images, preprocessing or radiomics
    reason: why, with what to do
""")  # fmt: skip
MASKS = declared(COHORT, "masks.csv", "a patient with images", """
    patient
    labels: values, segments or ROIs that the mask's file holds; box: there is none, but a box
    voxels: of the lesion
    volume_mm3: of the lesion, mm³
    components: separate parts; voxels that touch at a corner are one
    slices: with outline
    empty_slices_between: slices without outline between those with one
    touches_border: True where the lesion reaches the CT's edge
    mean_hu, min_hu, max_hu: HU in the lesion
    air_share: share of the lesion's voxels below -900 HU
    lung_near: share of lung within 30 mm of the lesion
    flags: what a reader should look at
    notes: what was chosen or copied
    second_mask?: the second reader's outline: its volume, or why it cannot be used
""")  # fmt: skip
ACQUISITION = declared(COHORT, "acquisition.csv", "a CT", """
    patient
    cohort
    size: voxels x×y×z
    pixel_x_mm, pixel_y_mm: pixel size, mm
    slice_mm: distance of slices, mm
    orientation: of the file's axes, such as LPS
    ct_min, ct_max: lowest and highest HU
    scanner?, kernel?: of the DICOM header, else of cohort.csv
    thickness_mm?: slice thickness, mm, likewise
    vendor?, kvp?, mas?, contrast?, phase?, body_part?, rescale?, burned_in?: of the DICOM header
    gap_mm?: distance of slices less their thickness, mm
    uneven_mm?: largest difference of slice distances, mm
""")  # fmt: skip
CHECK = declared(COHORT, "check.csv", "a patient of cohort.csv", """
    patient
    cohort
    state: used or excluded
    step, reason: as in exclusions.csv
    ...: the columns of masks.csv and acquisition.csv
""")  # fmt: skip
_CHARACTERISTICS = """
    characteristic: a clinical variable; the first row counts the patients
    level: its category, or mean ± SD
    all: both groups together, n (%) or mean ± SD
    method: of the test
    p: as printed
    p_value: as computed
    smd: standardised mean difference
    missing: patients without a value
    ...: one column a group, n (%) or mean ± SD
"""
TABLE1 = declared(COHORT, "table1.csv", "a level, by label", _CHARACTERISTICS)
TABLE1_COHORTS = declared(COHORT, "table1_cohorts.csv", "a level, by cohort", _CHARACTERISTICS)
INTERVAL = declared(COHORT, "interval.csv", "a cohort: days from CT to biopsy or surgery", """
    cohort
    n: patients of whom it is known
    q1, median, q3, longest: days
    not_known: patients of whom it is not
""")  # fmt: skip

# ---- 02 preprocessing
VOLUMES = declared(PREPROCESSING, "volumes.csv", "a patient", """
    patient
    cohort
    mean: of the network's input, 0 to 1
    share_zero: share of the input that is 0: outside the lesion, or at the window's low end
""")  # fmt: skip

# ---- 03 radiomics
FEATURES = declared(SELECTION, "features.parquet", "a patient", """
    patient
    ...: every feature, by PyRadiomics' name
""")  # fmt: skip
READERS = declared(SELECTION, "readers.csv", "a patient with a second reader's outline", """
    patient
    dice: of the two outlines
    volume_1_mm3, volume_2_mm3: of the first and the second outline, mm³
    reason: why it was not used
""")  # fmt: skip
ICC = declared(SELECTION, "icc.csv", "a feature", """
    feature: PyRadiomics' name
    icc: ICC(2,1), absolute agreement of two readers
    ci_low, ci_high
    n
""")  # fmt: skip
PERTURBATION = declared(SELECTION, "perturbation.csv", "a feature and small error", """
    feature: PyRadiomics' name
    change: of the outline, its place or the CT's noise
    icc: ICC(2,1), absolute agreement with the feature before the change
    ci_low, ci_high
    n: training patients who could be measured after it
""")  # fmt: skip
_STEPS = """
    step: its name
    rule: what it keeps
    kept, dropped: features
    fell_back: True where no feature passed and the best was kept
"""
SELECTION_STEPS = declared(SELECTION, "selection_steps.csv", "a step of the selection", _STEPS)
LASSO_PATH = declared(SELECTION, "lasso_path.csv", "a lambda and feature", """
    lambda: weight of the penalty
    feature: PyRadiomics' name
    coefficient: of the z-scored feature
""")  # fmt: skip
LASSO_DEVIANCE = declared(SELECTION, "lasso_deviance.csv", "a lambda", """
    lambda: weight of the penalty
    deviance: of held-out patients, mean over folds
    se: its standard error
""")  # fmt: skip
SIGNATURE = declared(SELECTION, "signature.csv", "a selected feature", """
    feature, image_type, feature_class: PyRadiomics' names
    mann_whitney_p: of the first step
    lasso_coefficient: at lambda.min, of the z-scored feature
    univariate_p: likelihood ratio test
    q1_wild_type, median_wild_type, q3_wild_type: quartiles in patients with label 0
    q1_mutant, median_mutant, q3_mutant: quartiles in patients with label 1
    icc: of two readers, where there are two
""")  # fmt: skip
STABILITY = declared(SELECTION, "stability.csv", "a feature chosen at least once", """
    feature: PyRadiomics' name
    frequency: share of resamples that chose it
    chosen: True where the study's own signature has it
""")  # fmt: skip
SELECTION_OPTIMISM = declared(SELECTION, "selection_optimism.csv", "a model", """
    model
    naive_auc: mean over folds, features selected once on all training patients
    nested_auc: mean over folds, features selected within each fold
    optimism: their difference
""")  # fmt: skip
IMPORTANCE = declared(SELECTION, "importance.csv", "a further classifier and feature", """
    model
    feature: PyRadiomics' name
    importance: fall of the AUC where it is permuted, out of fold, mean over folds
    folds: whose selection chose it
""")  # fmt: skip
EMBEDDINGS = declared(SELECTION, "embeddings.parquet", "a patient", """
    patient
    ...: every column of the table of `[features]` in study.toml
""")  # fmt: skip
EMBEDDING_STEPS = declared(SELECTION, "embedding_steps.csv", "a step of their selection", _STEPS)
EMBEDDING_SIGNATURE = declared(SELECTION, "embedding_signature.csv", "a selected column", """
    feature: the column's name
    mann_whitney_p: of the first step
    lasso_coefficient: at lambda.min, of the z-scored feature
    univariate_p: likelihood ratio test
""")  # fmt: skip

# ---- 04 cnn
CNN_LAYERS = declared(TRAINING, "cnn_layers.csv", "a layer", """
    layer, kind, output_shape: of Keras
    parameters: moving statistics of batch norm counted
    trainable: parameters that training changes
""")  # fmt: skip
CNN_HISTORY = declared(TRAINING, "cnn_history.csv", "an epoch of an attempt", """
    training: final, or the fold left out
    network: from 1, of those that are averaged
    attempt: from 1; a training that finds nothing starts again
    epoch: from 1
    loss, accuracy: of the patients it is fitted to
    val_loss, val_accuracy: of the patients held out to choose the epoch
""")  # fmt: skip
CNN_TRAININGS = declared(TRAINING, "cnn_trainings.csv", "a network of a training", """
    training: final, or the fold left out
    network: from 1, of those that are averaged
    attempt: that is kept
    attempts: that were made
    best_epoch: with the lowest validation loss
    val_loss, val_accuracy: of that epoch
    to_beat: entropy of the fitted patients' labels, the loss of knowing their share alone
    learned: whether the loss is lower
    lowest?, highest?: scores of the fold's patients
""")  # fmt: skip
CNN_ROBUSTNESS = declared(TRAINING, "cnn_robustness.csv", "a test patient and change", """
    patient
    change: of the outline, or of the position
    score, changed, difference: before and after the change
    reason: why there is no changed score
""")  # fmt: skip

# ---- 05 comparison
METRICS = declared(COMPARISON, "metrics.csv", "a model, kind of scores, threshold, measure and "
                   "method of interval", """
    model
    cohort
    scores
    threshold_rule: declared ([plan]), half (0.5), youden, sensitivity_90; empty: none is needed
    metric: the measure
    value: of the measure
    ci_low, ci_high, ci_method
    resamples: of the bootstrap
    resampling: how the bootstrap drew patients
    n
    events
""")  # fmt: skip
THRESHOLDS = declared(COMPARISON, "thresholds.csv", "a model and rule", """
    model
    scores: the training scores it was chosen on
    rule: declared ([plan]), half (0.5), youden, sensitivity_90
    threshold: scores from here on count as positive
""")  # fmt: skip
CONFUSION = declared(COMPARISON, "confusion.csv", "a model, kind of scores and threshold", """
    model
    cohort
    scores
    threshold_rule, threshold: as in thresholds.csv
    tp, fp, fn, tn: true and false positives, false and true negatives
""")  # fmt: skip
ROC = declared(COMPARISON, "roc.csv", "a corner of a ROC curve", """
    model
    cohort
    scores
    fpr, tpr: false and true positive rate
    threshold: of the corner
    tpr_low, tpr_high: band of the true positive rate
    ci_method
""")  # fmt: skip
CALIBRATION = declared(COMPARISON, "calibration.csv", "a point of a calibration curve", """
    model
    cohort
    curve: smooth, or groups of about equal size
    predicted: probability
    observed: share of patients with label 1
    ci_low, ci_high, ci_method
    n
    events
    recalibrated: True after the recalibration
""")  # fmt: skip
RECALIBRATION = declared(COMPARISON, "recalibration.csv", "a model, cohort and measure", """
    model
    cohort
    intercept, slope: fitted on out-of-fold training scores
    recalibrated: False before, True after
    metric, value: external calibration
    ci_low, ci_high, ci_method
    n
    events
    reason: why none can be fitted
""")  # fmt: skip
RECALIBRATED = declared(COMPARISON, "recalibrated.csv", "a test patient and model", """
    patient
    cohort
    label
    model
    score: after recalibration
    before: as the model gave it
""")  # fmt: skip
DECISION_CURVE = declared(COMPARISON, "decision_curve.csv", "a model and threshold", """
    cohort
    scores
    model: all and none too: treat everybody, nobody
    threshold: probability from which one would act
    net_benefit: per patient
    ci_low, ci_high, ci_method
    resamples: of the bootstrap
    n
    events
""")  # fmt: skip
DECISION_BEST = declared(COMPARISON, "decision_best.csv", "a cohort's range of thresholds", """
    model: the primary model
    cohort
    reference: the model it is judged against, beside treating all and none
    from, to: where the simultaneous lower limits of its differences to each are above 0
    thresholds: their number, 0 where there is no such range
    of: thresholds in the declared range
""")  # fmt: skip
FOLDS = declared(COMPARISON, "folds.csv", "a model and fold", """
    model
    fold: its number, or pooled
    auc: of out-of-fold scores
    n
    events
""")  # fmt: skip
DELONG = declared(COMPARISON, "delong.csv", "a pair of models", """
    cohort
    scores
    model_a, model_b: the pair
    auc_a, auc_b: their AUCs
    z, p: of DeLong's test, two-sided
    p_holm: corrected for all pairs
""")  # fmt: skip
DIFFERENCES = declared(COMPARISON, "differences.csv", "a cohort, pair of models and measure", """
    cohort
    model_a, model_b: the pair
    measure: auc, auc_noninferiority, sensitivity, specificity, net_benefit_at_T, brier; _mid_p
    value: of a less that of b
    ci_low, ci_high, ci_method
    p: two-sided; McNemar's exact p or, of _mid_p, mid-p; one-sided, that a is worse by the margin
    p_holm: of the declared comparison as it is; else Holm over the cohort's pairs and measure
    primary: True: the pair and the measure of [plan]
""")  # fmt: skip
AT_PREVALENCE = declared(COMPARISON, "at_prevalence.csv", "a cohort, model and measure", """
    cohort
    model
    threshold: the model's cut-off
    prevalence: [plan] prevalence
    metric: ppv, npv, net_benefit (at the cut-off as threshold probability)
    value: by the sensitivity and specificity of the cohort; the scores stay as they are
    ci_low, ci_high, ci_method
""")  # fmt: skip
LESIONS = declared(COMPARISON, "lesions.csv", "a cohort, model and measure of lesions", """
    cohort
    model
    patients, lesions, events: their numbers, and of lesions with label 1
    metric: auc; sensitivity, specificity, ppv, npv at the cut-off
    threshold: the cut-off
    value: of lesions
    se: of the AUC, Obuchowski's
    ci_low, ci_high, ci_method: patients drawn with all their lesions
""")  # fmt: skip
LESION_PAIRS = declared(COMPARISON, "lesion_pairs.csv", "a cohort and pair of models", """
    cohort
    model_a, model_b: the pair
    auc_a, auc_b: their AUCs
    value, se: the difference and its standard error, Obuchowski's
    ci_low, ci_high, ci_method
    p, p_holm: of the difference, and corrected for the cohort's pairs
""")  # fmt: skip
PERMUTATIONS = declared(COMPARISON, "permutations.csv", "a cohort, model and permutation", """
    cohort
    model
    permutation: its number; 0: the labels as they are
    auc: of the model that was fitted to these training labels, in this cohort
""")  # fmt: skip
CONTROL_SCORES = declared(COMPARISON, "control_scores.csv", "a test patient, control and model", """
    patient
    cohort
    control: what was done to the images
    model
    score: on them
""")  # fmt: skip
VERDICT = declared(COMPARISON, "verdict.csv", "a cohort, question, model and control", """
    cohort
    question: chance, training labels, voxels, volume, acquisition or hospital
    model
    control: what the model is set beside
    auc: of the model
    auc_control: of the control; of permutations their median
    difference: of the two AUCs
    ci_low, ci_high: paired interval (DeLong); against 0.5, the AUC's own
    p: of the difference; of permutations, one-sided
    verdict: yes, no or undecided (the interval holds both 0 and the margin)
    n
    reason
""")  # fmt: skip
SUBGROUPS = declared(COMPARISON, "subgroups.csv", "a model and group of a test cohort", """
    model
    cohort
    variable, group: sex: female
    n
    events
    auc: of the group
    ci_low, ci_high, ci_method
    threshold: of sensitivity and specificity
    sensitivity, sensitivity_low, sensitivity_high: with Wilson's interval
    specificity, specificity_low, specificity_high: with Wilson's interval
    o_over_e, o_over_e_low, o_over_e_high: observed over expected events, with interval
    calibration_in_the_large: intercept with slope 1
    calibration_in_the_large_low, calibration_in_the_large_high: its interval
    calibration_ci_method: method of both intervals; none in flagged groups
    flag: few events or non-events
    p_heterogeneity: Cochran's Q of the AUCs' logits, flagged groups left out
    p_interaction: Rao's score test of score × group, flagged groups left out
    p_heterogeneity_holm, p_interaction_holm: corrected for the model's variables
""")  # fmt: skip
POOLED = declared(COMPARISON, "pooled.csv", "a model, over three external cohorts or more", """
    model
    cohorts: external test cohorts in which the AUC has a variance
    n
    events
    auc: mean, random effects on the logit scale
    ci_low, ci_high, ci_method
    prediction_low, prediction_high: where a further cohort's AUC would lie
    tau: spread between cohorts of the AUC's logit
""")  # fmt: skip
HOSPITALS = declared(COMPARISON, "hospitals.csv", "a hospital left out and model, or pooled", """
    hospital: whose patients no model was fitted to; pooled
    model
    n
    events
    auc: of models fitted to all other hospitals
    ci_low, ci_high, ci_method: pooled, Hartung-Knapp's
    prediction_low, prediction_high: pooled, where a new hospital's AUC would lie
    tau: pooled, spread between hospitals of the AUC's logit
    o_over_e, o_over_e_low, o_over_e_high: observed over expected events, with Wald's interval
    calibration_slope, calibration_slope_low, calibration_slope_high: with Wald's interval
    reason
""")  # fmt: skip
BASELINES = declared(COMPARISON, "baselines.csv", "a baseline, cohort and model", """
    baseline: Prevalence, Volume or Acquisition
    cohort
    auc, ci_low, ci_high, ci_method: of the baseline
    model
    auc_model: its AUC
    z, p, p_holm: of DeLong's test of the model against the baseline
    reason: why the baseline is left out
    n
    events
    fitted_on: train, or the test cohort by cross-validation
""")  # fmt: skip
ASSOCIATION = declared(COMPARISON, "acquisition_association.csv", "a cohort and variable", """
    cohort
    variable: scanner, kernel or thickness
    method, p: of the test against the label
    p_holm: corrected for all rows
""")  # fmt: skip
WARNINGS = declared(COMPARISON, "warnings.csv", "a warning, printed in red", """
    where: what it is about
    warning: its sentence
""")  # fmt: skip
SAMPLE_SIZE = declared(COMPARISON, "sample_size.csv", "a stage, cohort, model and criterion", """
    stage: development, or validation (external; of the primary model)
    cohort
    model
    criterion: shrinkage, optimism, overall_risk; o_over_e, calibration_slope, auc, net_benefit; all
    minimum: patients that the criterion asks for, from declared values (Riley 2019, 2021)
    patients: that there are
    enough: whether these are as many
    obtained: patients of the rarer label per candidate parameter
    parameters: candidates, those that selection dropped included
    expected_r2, prevalence: that were taken; the cohort's prevalence where none is declared
    note: whether the criteria apply to the model
    reason: why there is no minimum
""")  # fmt: skip
PAPER_VS_RUN = declared(COMPARISON, "paper_vs_run.csv", "a number that the paper prints", """
    model
    cohort
    metric: auc, sensitivity, specificity, accuracy, or delong_p
    published, published_low, published_high: in print
    value, ci_low, ci_high: of this run
    n
    difference: this run less print
    against: the other model of a DeLong test
    published_p: as printed
    warning: why an in-sample p is not valid
""")  # fmt: skip

PUBLISHED = declared(COMPARISON, "published.csv", "an AUC in print, or of this run", """
    source: who published it, or `this run`
    validation: external, internal, random split, cross-validated, mixed or not stated
    model
    patients: as published; of this run those of the cohort
    auc: area under the ROC curve
    ci_low, ci_high
""")  # fmt: skip

# ---- 06 Grad-CAM
_SHARES = "inside_lesion, inside_random, lesion_share_of_box, peak_in_lesion, peak_random"
GRADCAM = declared(MAPS, "gradcam.csv", "a test patient", f"""
    patient
    label
    {_SHARES}: share of the map, or its peak, in the lesion; random maps'; the lesion's of its box
    planted, planted_random, planted_share_of_lesion: the same of the planted part (built-in cohort)
    peak_planted, peak_planted_random: whether the peak within the lesion lies in that part
    zero_map, constant_map: True where the map is empty
    score: of the CNN
""")  # fmt: skip
GRADCAM_SIMILARITY = declared(MAPS, "gradcam_similarity.csv", "a test patient and comparison", """
    patient
    comparison: with which other map
    ssim, spearman: similarity of the two maps, 1: the same
    other: whether the other map is a map, zero, constant, or none is made (no layer in 3D)
""")  # fmt: skip
GRADCAM_OCCLUSION = declared(MAPS, "gradcam_occlusion.csv", "a test patient", """
    patient
    spearman, spearman_random: of map and drop of the logit over cubes; random maps'
    cubes: number of cubes with lesion
    planted, planted_share_of_lesion: share of the drops, and of the lesion, in the planted part
""")  # fmt: skip
GRADCAM_CHECKS = declared(MAPS, "gradcam_checks.csv", "a check of the maps", """
    check: its name
    value, reference: mean over patients; of random maps, or what chance would give
    n
    p: Wilcoxon's signed-rank test; empty where so few patients cannot reach 0.05 after Holm
    p_holm: corrected for the checks of one section
    layer: whose maps; empty: the network has no layer of which one can be made
""")  # fmt: skip
GRADCAM_OUTCOME = declared(MAPS, "gradcam_outcome.csv", "one of the four checks of the maps", """
    check: its number and name
    outcome: passed, failed or not decided
    why: the numbers that say so
""")  # fmt: skip

# ---- 08 paper audit: no patient of the study is in them
AUDIT_TABLE1 = declared(PAPER_AUDIT, "audit_table1.csv", "a characteristic", """
    characteristic: of the paper's Table 1
    printed: its p
    reproduced_by: the tests that give it
    chi_square?, yates?, fisher?, welch?, student?, anova?: p of each test
""", of_patients=False)  # fmt: skip
AUDIT_PROPORTIONS = declared(PAPER_AUDIT, "audit_proportions.csv", "a printed proportion", """
    model
    cohort
    metric: sensitivity, specificity or accuracy
    printed: the proportion
    n
    counts: numbers of patients that give this proportion
    nearest: the nearest proportion that is possible
    attainable: whether any number of patients gives it
""", of_patients=False)  # fmt: skip
AUDIT_CONSISTENCY = declared(PAPER_AUDIT, "audit_consistency.csv", "a model and cohort", """
    model
    cohort
    consistent: whether sensitivity, specificity and accuracy are consistent
    implied_accuracy: from sensitivity and specificity
    accuracy: in print
    accuracy_is_sensitivity: True where both are printed equal
    auc: in print
    two_point_auc: of hard labels: mean of sensitivity and specificity
""", of_patients=False)  # fmt: skip
AUDIT_INTERVALS = declared(PAPER_AUDIT, "audit_intervals.csv", "a printed AUC", """
    model
    cohort
    auc, auc_low, auc_high: in print
    binomial: the proportion whose exact interval is the printed one
    width, width_95: of the printed interval, and that of 95%
    level: confidence that the printed width has
""", of_patients=False)  # fmt: skip

# ---- 09 internal validation
REPEATS = declared(INTERNAL, "repeats.csv", "a patient, model and repeat", """
    model
    repeat: of the cross-validation; 1: that of notebooks 03 and 04
    fold: that the patient was in
    patient
    score: of the model fitted without this fold
""")  # fmt: skip
INTERNAL_RESULTS = declared(INTERNAL, "internal.csv", "a model and measure", """
    model
    metric: auc, sensitivity, specificity, or a measure of calibration
    threshold_rule: half: 0.5; declared: of [plan]; empty for measures without one
    threshold: from which a score says 1
    value: mean over folds and repeats
    ci_low, ci_high
    ci_method: placements-logit-t, exact, wilson or none
    n
    events
    repeats: cross-validations
    fitted_on: patients that a model was fitted to, on average
    reason
""")  # fmt: skip
INTERNAL_DIFFERENCES = declared(INTERNAL, "internal_differences.csv", "a pair of models", """
    model_a, model_b: the pair
    value: AUC of a less that of b, mean over the folds and repeats that both have
    ci_low, ci_high
    ci_method: placements-t, or none
    repeats: that both have
    primary: True for the primary model and the reference
""")  # fmt: skip

# ---- checklists, by every run
_ITEMS = """
    item, label: of the checklist
    state: met, met (stated by the author), missing, for the author, not applicable
    evidence: files and values that show it
    where: page and section
    weight?: METRICS'
"""
CHECKLIST_TRIPOD_AI = declared(None, "checklist_tripod_ai.csv", "an item of TRIPOD+AI", _ITEMS)
CHECKLIST_CLEAR = declared(None, "checklist_clear.csv", "an item of CLEAR", _ITEMS)
CHECKLIST_METRICS = declared(None, "checklist_metrics.csv", "an item of METRICS", _ITEMS)

EVERY = tuple(table for table in list(globals().values()) if isinstance(table, Table))
