# make .venv: the environment; make demo: recipe mini to its report; make test: the tests; make test-all: with the sweeps
# over all forms; make fuzz: the property tests on fresh random examples, ROUNDS times as many. Each works alone.
# WORKERS=N: so many processes of tests, a file each at a time (0: none beside pytest's own).
# make upgrade: the newest packages that setup.cfg allows become the pinned ones of constraints.txt.
PYTHON ?= python3
ROUNDS ?= 20
CONSTRAINTS ?= constraints.txt
WORKERS ?= 2
PARALLEL = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check

.venv: .venv/.installed

# the mark is made last, so that an installation that failed is done again
.venv/.installed: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; pinned = "$(CONSTRAINTS)"; \
	newest = ", or take the newest packages, untested: make .venv CONSTRAINTS=" if v > (3, 14) else ""; \
	sys.exit("error: Python %d.%d: the packages that constraints.txt pins exist for Python 3.11 to 3.14; name one of \
	these, e.g. make .venv PYTHON=python3.12%s" % (*v, newest) if v < (3, 11) or (v > (3, 14) and pinned) else None)'
	$(PYTHON) -m venv --clear .venv
	$(PIP) $(CONSTRAINTS:%=-c %) --upgrade setuptools
	$(PIP) $(CONSTRAINTS:%=-c %) --no-build-isolation -e '.[dev,demo]'
	touch $@

upgrade:
	$(PYTHON) -m venv --clear .venv-upgrade
	.venv-upgrade/bin/python -m pip install --quiet --disable-pip-version-check --upgrade setuptools
	.venv-upgrade/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[dev,demo]'
	(echo '# The packages that the tests have passed with; made by make upgrade.'; \
	.venv-upgrade/bin/python -m pip freeze --all --exclude-editable | sed -nE '/^pip==/d; s/^([^ ]+==[^+ ]+).*/\1/p') > constraints.new
	mv constraints.new constraints.txt
	rm -rf .venv-upgrade
	@echo 'constraints.txt is made anew; run make test before you commit it'

demo: .venv
	.venv/bin/snakemake -j8

test: .venv
	.venv/bin/python -m pytest -q $(PARALLEL)

test-all: .venv
	.venv/bin/python -m pytest -q $(PARALLEL) -m ''

fuzz: .venv
	SRE_FUZZ=$(ROUNDS) .venv/bin/python -m pytest -q -m hypothesis

.PHONY: .venv upgrade demo test test-all fuzz
