"""What the Snakefile needs beside the recipe: its terminal, its paths, and what Snakemake remembers."""
