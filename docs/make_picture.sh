#!/bin/sh
# The picture of the report page in README.md: the top of recipe mini's page in Chromium, 1280 pixels wide.
# From the project's root, in .venv's environment:   sh docs/make_picture.sh
set -e
snakemake -j8
chromium --headless --no-sandbox --hide-scrollbars --window-size=1280,900 \
    --screenshot=docs/report.png "file://$PWD/exp/mini/report.html"
python -c "
from PIL import Image
path = 'docs/report.png'
Image.open(path).convert('RGB').quantize(32).save(path, optimize=True)
"
