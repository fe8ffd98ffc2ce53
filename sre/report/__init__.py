"""The report of an experiment: report.tsv, report.md and a self-contained report.html."""
