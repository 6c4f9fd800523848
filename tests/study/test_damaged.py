"""What the workbook wrote and somebody spoiled is named, with the remedy, and never a traceback."""

import pytest
from radiogenomics.cohort import included, seal
from radiogenomics.models import predictions
from radiogenomics.radiomics import features
from radiogenomics.study import tables
from radiogenomics.study.errors import DamagedFile
from radiogenomics.study.settings import Settings
from radiogenomics.study.study import Study

READ = {
    "manifest.json": lambda study: study.manifest(),
    "models/fitted.json": lambda study: study.fitted_with(),
    "predictions.csv": predictions.read_scores,
    "tables/metrics.csv": lambda study: study.table(tables.METRICS),
    "tables/features.parquet": features.load_features,
    "derived/included/included.csv": included.read_included,
    "test_set.jsonl": seal.openings,
}
SPOILED = {"empty": b"", "cut off": b'{"a": 1, "b', "bytes": bytes(range(128, 256)) * 3}


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("name", READ)
def test_a_damaged_file_is_named_with_its_remedy(tmp_path, name, how):
    study = Study(tmp_path, tmp_path, Settings())
    path = study.included_csv if "included" in name else tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(SPOILED[how])
    if (name, how) in {("test_set.jsonl", "empty")}:
        assert READ[name](study) == []
        return
    with pytest.raises(DamagedFile, match=rf"{path.name}.* is damaged.*Expected.*(Delete|Bring)"):
        READ[name](study)


@pytest.mark.parametrize("content", ["[]", "3", '{"notebooks": 3}', '{"notebooks": {"01": 3}}'])
def test_a_manifest_of_another_form_is_damaged(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DamagedFile, match="manifest.json is damaged"):
        Study(tmp_path, tmp_path, Settings()).manifest()
