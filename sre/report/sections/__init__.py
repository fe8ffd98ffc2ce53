"""The sections of the report: a file each, whose `blocks(content)` returns what html.py and markdown.py write."""
