"""Checks that every text is translated, and that the .mo files say what the .po files say.

With --compile it writes the .mo files first.
"""

import re
import sys
from pathlib import Path

import polib

LOCALE = Path(__file__).resolve().parent.parent / "locale"


def main() -> int:
    catalogues = sorted(LOCALE.glob("*/LC_MESSAGES/*.po"))
    if "--compile" in sys.argv:
        for path in catalogues:
            polib.pofile(path).save_as_mofile(path.with_suffix(".mo"))
    found = [problem for path in catalogues for problem in problems(path)]
    print(*found or [f"{len(catalogues)} catalogues are translated and compiled"], sep="\n")
    return bool(found)


def problems(path: Path):
    po = polib.pofile(path)
    for entry in po:
        if not entry.obsolete and not entry.translated():
            yield f"{path}:{entry.linenum}: not translated: {entry.msgid!r}"
        elif not entry.obsolete and not keeps_placeholders(entry):
            yield f"{path}:{entry.linenum}: other placeholders than in {entry.msgid!r}"
    mo = path.with_suffix(".mo")
    translated = [entry for entry in po if entry.translated() and not entry.obsolete]
    if not mo.exists() or texts(polib.mofile(mo)) != texts(translated):
        yield f"{mo}: does not say what its .po says: run scripts/messages.py --compile"


def keeps_placeholders(entry) -> bool:
    wanted = placeholders(entry.msgid + entry.msgid_plural)
    given = entry.msgstr_plural.values() or [entry.msgstr]
    return all(placeholders(text) <= wanted for text in given) and (
        wanted <= placeholders("".join(given))
    )


def placeholders(text) -> set[str]:
    return set(re.findall(r"%\(\w+\)[sd]|{\w*}", text))


def texts(entries) -> dict:
    return {(entry.msgctxt, entry.msgid): entry.msgstr_plural or entry.msgstr for entry in entries}


if __name__ == "__main__":
    sys.exit(main())
