"""What Snakemake remembers of the files of a root moves with the root."""

from pathlib import Path

import pytest
from snakemake.persistence import MetadataRecord
from snakemake.persistence.file import FilePersistence

from sre.workflow.memory import keep_in


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch) -> None:
    """Snakemake's code is as it was after the test."""
    monkeypatch.setattr(FilePersistence, "_record_path", FilePersistence._record_path)
    monkeypatch.setattr(FilePersistence, "_usual_record_path", FilePersistence._record_path, raising=False)
    monkeypatch.chdir(tmp_path)


def params(name: str | Path) -> list[str] | None:
    record = FilePersistence()._read_record(str(name))
    return record.params if record else None


def remember(name: str | Path, said: str) -> None:
    FilePersistence()._write_record(str(name), MetadataRecord(params=[said], record_format_version=6))


@pytest.mark.parametrize("root", ["one", "{}/one"])
def test_a_moved_root_keeps_its_records(tmp_path: Path, root: str) -> None:
    root = root.format(tmp_path)
    keep_in(Path(root))
    deep = "d" * 200 + "/" + "e" * 200  # a long name has folders of its own
    for name in ("exp/final.pt", deep):
        remember(f"{root}/{name}", "lr 0.1")
    remember("elsewhere.txt", "other")
    Path("one").rename("two")
    for moved in ("two", tmp_path / "two"):
        keep_in(Path(moved))
        assert params(f"{moved}/exp/final.pt") == params(f"{moved}/{deep}") == ["lr 0.1"]
    assert params("elsewhere.txt") == ["other"]
    assert params("two/nothing") is None


def test_records_of_an_earlier_version_are_taken_along(tmp_path: Path) -> None:
    remember("one/final.pt", "old")
    keep_in(Path("one"))
    assert params("one/final.pt") == ["old"]
    Path("one").rename("two")
    keep_in(Path("two"))
    assert params("two/final.pt") == ["old"]
    remember("two/final.pt", "new")
    assert params("two/final.pt") == ["new"]


def test_the_working_directory_as_root(tmp_path: Path) -> None:
    """Then it is where Snakemake keeps them anyway."""
    remember("exp/final.pt", "lr 0.1")
    keep_in(Path("."))
    assert params("exp/final.pt") == ["lr 0.1"]
    assert len(list(Path(".snakemake/metadata").iterdir())) == 1
