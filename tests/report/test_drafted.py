"""The drafted manuscript's files: numbers for citations and figures, Word, every warning."""

import re
from pathlib import Path

import pandas as pd
from docx import Document
from radiogenomics.report import drafted, manuscript
from radiogenomics.study import tables


def test_every_citation_is_in_the_bibliography_and_back():
    sentences = Path(manuscript.__file__).with_name("sentences.md").read_text(encoding="utf-8")
    cited = set(drafted.CITED.findall(sentences))
    assert cited == set(drafted.entries())
    for entry in drafted.entries().values():
        text = drafted.reference(entry)
        assert re.search(r"\. .+ (19|20)\d\d", text) and "{" not in text, text


def test_markdown_points_at_what_is_there(copied):
    text = drafted.as_markdown(manuscript.draft(copied), copied)
    assert "[@" not in text and "[#" not in text
    legends = re.findall(r"^Figure (\d+)\. ", text, re.M)
    assert legends == [str(n + 1) for n in range(len(drafted.figures(copied)))]
    assert set(re.findall(r"\(Figure (\d+)\)", text)) <= set(legends)
    assert "(Table 1)" in text and "(Table 2)" in text
    listed = re.findall(r"^(\d+)\. ", text.partition("## References")[2], re.M)
    assert set(re.findall(r"\[(\d+)\]", text)) == set(listed)
    for path in copied.figures.glob("roc_*.json"):
        path.unlink()
    assert len(drafted.figures(copied)) == len(legends) - 1
    assert "[#roc]" not in drafted.as_markdown(manuscript.draft(copied), copied)


def test_the_draft_says_every_warning(copied):
    rows = [("test cohort", "Few patients."), ("CNN", "1 of 4 trainings failed.")]
    pd.DataFrame(rows, columns=["where", "warning"]).to_csv(
        copied.tables / "warnings.csv", index=False
    )
    told = " ".join(one.text for one in manuscript.draft(copied)["Limitations"])
    assert told.startswith("Few patients. 1 of 4 trainings failed.")


def test_word_has_paragraphs_tables_and_references(copied):
    text = manuscript.draft(copied)
    drafted.save_docx(copied, text)
    document = Document(copied.reports / "manuscript.docx")
    words = [paragraph.text for paragraph in document.paragraphs]
    styles = {p.style.name for p in document.paragraphs}
    assert {"Heading 1", "Heading 2"} <= styles
    for section, rows in drafted.numbered(text, copied)[0].items():
        assert section in words
        for _, paragraph in drafted.by_heading(rows):
            assert paragraph in words
    in_text = set(drafted.IN_TEXT) & set(drafted.made(copied))
    assert len(document.tables) == len(in_text) >= 2
    models = copied.table(tables.METRICS).model.unique()
    cells = {cell.text for table in document.tables for row in table.rows for cell in row.cells}
    assert set(models) <= cells
    assert document.core_properties.author == ""
