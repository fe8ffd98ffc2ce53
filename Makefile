# make .venv: the environment; make demo: recipe mini to its report; make test: the tests; make fuzz: the property tests
# on fresh random examples, ROUNDS times as many. Each works alone.
PYTHON ?= python3
ROUNDS ?= 20

.venv: .venv/.installed

# the mark is made last, so that an installation that failed is done again
.venv/.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev,demo]'
	touch $@

demo: .venv
	.venv/bin/snakemake -j8
	@cat exp/mini/report.md
	@echo "report: $(CURDIR)/exp/mini/report.html"

test: .venv
	.venv/bin/python -m pytest -q

fuzz: .venv
	SRE_FUZZ=$(ROUNDS) .venv/bin/python -m pytest -q -m hypothesis

.PHONY: .venv demo test fuzz
