"""The report's figures, a kind each file: inline SVG without display or network; same input, same bytes."""
