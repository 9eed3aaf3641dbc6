"""Makes licence-sans.ttf from two fonts of the distribution; README.md beside it says why.

usage: make.py DroidSansFallbackFull.ttf OpenSans-Regular.ttf licence-sans.ttf
"""

import os
import sys
import tempfile

from fontTools import merge, subset
from fontTools.ttLib import TTFont
from fontTools.ttLib.scaleUpem import scale_upem

TABLES_LEFT_OUT = ["GDEF", "GPOS", "GSUB", "vhea", "vmtx", "gasp", "kern", "DSIG", "cvt ", "fpgm", "prep"]
NAMES = {
    0: "Digitized data copyright Google Corporation 2006, 2010-2011",
    1: "Licence Sans",
    2: "Regular",
    3: "Licence Sans 1: subset of Droid Sans Fallback and Open Sans",
    4: "Licence Sans",
    5: "Version 1.0",
    6: "LicenceSans",
    13: "Licensed under the Apache License, Version 2.0",
    14: "http://www.apache.org/licenses/LICENSE-2.0",
}


def wanted():
    """ASCII and all of GB 2312: 6763 hanzi, punctuation, full-width forms."""
    # What the mapping in use today writes for three signs of GB 2312, and the zero of dates.
    found = set(range(0x20, 0x7F)) | set(map(ord, "·—～〇"))
    for row in range(0xA1, 0xF8):
        for cell in range(0xA1, 0xFF):
            try:
                found.add(ord(bytes([row, cell]).decode("gb2312")))
            except UnicodeDecodeError:
                pass
    return found


def cut(font, characters):
    options = subset.Options()
    options.hinting = False
    options.layout_features = []
    options.drop_tables += TABLES_LEFT_OUT
    options.notdef_outline = True
    options.recalc_timestamp = False
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters)
    subsetter.subset(font)
    return font


def main(hanzi_file, latin_file, out):
    hanzi, latin = TTFont(hanzi_file, recalcTimestamp=False), TTFont(latin_file, recalcTimestamp=False)
    here = wanted() & set(hanzi.getBestCmap())
    cut(hanzi, here)
    cut(latin, wanted() - here)
    scale_upem(latin, hanzi["head"].unitsPerEm)
    with tempfile.TemporaryDirectory() as folder:
        parts = [os.path.join(folder, name) for name in ("hanzi.ttf", "latin.ttf")]
        for font, part in zip((hanzi, latin), parts):
            font.save(part)
        made = merge.Merger().merge(parts)
    made["name"].names = []
    for number, text in NAMES.items():
        made["name"].setName(text, number, 3, 1, 0x409)
    made["post"].formatType = 3.0
    made["head"].created = made["head"].modified = 3_800_000_000
    made.recalcTimestamp = False
    made.save(out)
    print(len(made.getBestCmap()), "characters,", os.path.getsize(out), "bytes; not here:",
          "".join(map(chr, sorted(wanted() - set(made.getBestCmap())))))


main(*sys.argv[1:])
