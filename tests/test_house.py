"""The rooms of the library: arrows point one way, and statistics stands alone."""

import ast
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[1] / "lib" / "radiogenomics"
ROOMS = (  # from the roof down: a room imports those below it alone
    "cli", "commands", "paper_audit", "new_patient", "report", "comparison", "maps", "radiomics",
    "models", "viewer", "cohort", "images", "statistics", "study",
)  # fmt: skip
FILES = sorted(p for p in LIBRARY.rglob("*.py") if p.parent != LIBRARY or p.stem != "__init__")


def _room(path):
    first = path.relative_to(LIBRARY).parts[0]
    return first.removesuffix(".py")


def _imported(path):
    """Return the modules of the package that a file imports, those inside its functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("radiogenomics"):
            names = [f"{node.module}.{one.name}" for one in node.names]
            found |= {name.split(".", 1)[1] for name in names}
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names if one.name.startswith("radiogenomics.")]
            found |= {name.split(".", 1)[1] for name in names}
    return found


def test_every_file_is_in_a_room_and_every_room_says_what_it_is_for():
    assert {_room(p) for p in FILES} == set(ROOMS)
    for room in [p for p in LIBRARY.iterdir() if (p / "__init__.py").exists()]:
        doc = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))
        assert doc and "TODO" not in doc, room.name


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(LIBRARY).as_posix())
def test_arrows_between_rooms_point_down(path):
    here = ROOMS.index(_room(path))
    above = {m for m in _imported(path) if ROOMS.index(m.split(".")[0]) < here}
    assert not above, f"{path.name} imports {sorted(above)}, which stand above it"


def test_statistics_imports_nothing_of_the_package():
    for path in (LIBRARY / "statistics").glob("*.py"):
        strangers = {m for m in _imported(path) if not m.startswith("statistics.")}
        assert not strangers, (path.name, strangers)


def test_no_two_files_import_each_other():
    """Follow the imports of every file: none comes back to where it began."""
    arrows = {}
    for path in FILES:
        names = {p.relative_to(LIBRARY).with_suffix("").as_posix().replace("/", ".") for p in FILES}
        here = path.relative_to(LIBRARY).with_suffix("").as_posix().replace("/", ".")
        asked = _imported(path)
        arrows[here] = {n for n in names if any(m == n or m.startswith(f"{n}.") for m in asked)}
    done, way = set(), []

    def walk(name):
        assert name not in way, f"circle: {' -> '.join([*way, name])}"
        if name in done:
            return
        way.append(name)
        for other in arrows[name]:
            walk(other)
        done.add(way.pop())

    for name in arrows:
        walk(name)
