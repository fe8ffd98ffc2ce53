# make .venv: the environment; make demo: recipe mini to its report; make test: the tests. Each works alone.
PYTHON ?= python3

.venv: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev,demo]'
	touch .venv

demo: .venv
	.venv/bin/snakemake -j8 --quiet rules
	@cat exp/mini/report.md
	@echo "report: $(CURDIR)/exp/mini/report.html"

test: .venv
	.venv/bin/python -m pytest -q

.PHONY: demo test
