"""`workbook verify`: a reviewer sees which files are as the run wrote them."""

import pytest
from radiogenomics import cli
from radiogenomics.report.manifest import changed_since, seal_outputs
from radiogenomics.study.errors import StudyError


def test_every_change_is_seen(copied, capsys):
    seal_outputs(copied)
    assert cli.main(["verify", str(copied.reports)]) == 0
    assert "Every file of the run is as it was written." in capsys.readouterr().out
    assert not any(changed_since(copied.reports).values())
    changed = sorted(p for p in copied.reports.rglob("*") if p.is_file())[::7]
    changed = [p for p in changed if p.name != "manifest.json" and p.stat().st_size][:12]
    for path in changed:
        before = path.read_bytes()
        middle = len(before) // 2
        path.write_bytes(before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :])
        name = path.relative_to(copied.reports).as_posix()
        assert changed_since(copied.reports) == {"changed": [name], "missing": [], "new": []}
        path.write_bytes(before)
    (copied.tables / "metrics.csv").unlink()
    (copied.reports / "more.txt").write_text("came later")
    assert cli.main(["verify", str(copied.reports)]) == 1
    said = capsys.readouterr().out
    assert "missing: tables/metrics.csv" in said and "new: more.txt" in said
    assert "1 files are not as the run wrote them. 1 files came later." in said


@pytest.mark.parametrize("damage", ["", "[]", "{", "null", "{}"])
def test_a_damaged_manifest_is_named_with_a_remedy(copied, damage):
    copied.manifest_json.write_text(damage)
    with pytest.raises(StudyError, match="manifest.json of reports is not there, is damaged"):
        changed_since(copied.reports)
