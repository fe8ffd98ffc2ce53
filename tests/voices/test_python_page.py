"""The examples of docs/python.md give what the page says, and `import sre` loads nothing heavy."""

import doctest
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from small_models import small_package, voice

import sre

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "numpy", "scipy", "pandas", "pyarrow", "soundfile", "safetensors"}


def test_examples_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_package().write(tmp_path / "model.sre")
    for name, pitch, seconds in (("a", 120, 1.5), ("b", 120, 1.7), ("c", 210, 1.6)):
        soundfile.write(tmp_path / f"{name}.wav", voice(pitch, seconds), 16000)
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/python.md").read_text(encoding="utf-8").replace("```", "")
    test = doctest.DocTestParser().get_doctest(text, {}, "python.md", "docs/python.md", 0)
    assert len(test.examples) > 25
    told: list[str] = []
    found = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append)
    assert found.failed == 0, "".join(told)


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, sre; dir(sre); print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & HEAVY == set()


def test_public_names_are_there_and_on_the_page() -> None:
    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    for name in sre.__all__:
        assert getattr(sre, name) is not None
        assert name == "__version__" or f"`{name}`" in page or f"sre.{name}" in page
    with pytest.raises(AttributeError, match="no attribute 'embed'"):
        sre.embed  # noqa: B018
