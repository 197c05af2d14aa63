"""Follow the chain of an exported activity log of Koppel: python3 verify_export.py FILE [CHECK_VALUE]

FILE is the CSV or the JSON lines, named .csv or .jsonl. CHECK_VALUE, such as 128-9f3c…, is one that you noted
from the activity page: it proves that the file is of that log, and that nobody wrote the whole file anew.
Says what it found, and ends with 1 where something is wrong. Needs nothing but Python.
"""

import csv
import hashlib
import json
import sys

PERSONAL = ("actor_name", "subject_name", "details")
FACTS = ("environment", "at", "actor", "action", "organisation")
FACTS += ("subject_kind", "subject_ref", "request_id")
PLACE = {"number", "previous", "link"}
WHOLE = {*PLACE, *FACTS, *PERSONAL, *(f"{name}_proof" for name in PERSONAL)}
LEFT_OUT = {*PLACE, "digest"}  # of a line that the filter did not find


class Bent(Exception):
    """The first thing that is wrong, and where."""


def verify(path, check_value=""):
    """Say what the file proves; raises Bent."""
    values, given, missing, before = [], 0, 0, None
    is_table = path.endswith(".csv")
    for row, line in rows_of(path):
        try:
            follow(line, before, gaps_allowed=is_table)
        except (KeyError, TypeError, ValueError):
            raise Bent(f"Row {row} cannot be read.") from None
        except Bent as bent:
            raise Bent(f"Row {row}: {bent}") from None
        given += "digest" not in line
        missing += line["number"] - before["number"] - 1 if before else 0
        values.append(f"{line['number']}-{line['link']}")
        before = line
    if not values:
        raise Bent("The file holds no line.")
    if check_value and check_value not in values:
        raise Bent(f"No line has the check value {check_value}: the file is not of that log.")
    said = f"{given} lines are unbent. The last check value is {values[-1]}"
    if missing:
        said += f"\n{missing} lines are left out, so the file alone cannot tell that the rest is of one log."
    if not check_value:
        said += "\nWithout a check value that you noted, the whole file may have been written anew."
    return said


def follow(line, before, gaps_allowed):
    """Raise Bent where a line is not as its check value says, or does not follow the one before it."""
    number = line["number"]
    if set(line) not in (WHOLE, LEFT_OUT):
        raise ValueError
    if before and number <= before["number"]:
        raise Bent(f"line {number} stands after line {before['number']}.")
    if before and number > before["number"] + 1 and not gaps_allowed:
        raise Bent(f"line {before['number'] + 1} is missing.")
    if before and number == before["number"] + 1 and line["previous"] != before["link"]:
        raise Bent(f"line {number} does not follow line {before['number']}.")
    if line["link"] != sha256(f"{line['previous']}:{number}:{digest_of(line)}"):
        raise Bent(f"line {number} was changed.")


def digest_of(line):
    if "digest" in line:
        return line["digest"]
    said = {name: line[name] for name in FACTS}
    said.update((name, commitment(line[f"{name}_proof"], line[name])) for name in PERSONAL)
    return sha256(canonical(said))


def commitment(proof, value):
    """The proof is the salt of the value, or, when the value was erased, what the chain knows of it."""
    if len(proof) == 32:
        return sha256(canonical([proof, value]))
    if value:
        raise Bent("a value was erased, but stands there.")
    return proof


def rows_of(path):
    """The lines of the file, each with the number of its row."""
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        read = csv_line if path.endswith(".csv") else json_line
        rows = csv_rows(file) if path.endswith(".csv") else enumerate(file, 1)
        for row, content in rows:
            try:
                line = read(content)
            except (KeyError, TypeError, ValueError):
                raise Bent(f"Row {row} cannot be read.") from None
            yield row, line


def json_line(text):
    return json.loads(text)


def csv_rows(file):
    delimiter = ";" if ";" in file.readline() else ","
    file.seek(0)
    csv.field_size_limit(2**31 - 1)
    rows = csv.reader(file, delimiter=delimiter, strict=True)
    row, header = 1, next(rows)
    try:
        for row, cells in enumerate(rows, 2):  # noqa: B007 (the error below names it)
            yield row, (header, cells)
    except csv.Error:
        raise Bent(f"The row after row {row} cannot be read.") from None


def csv_line(row):
    header, cells = row
    if len(header) != len(cells):
        raise ValueError
    line = {name: original(cell) for name, cell in zip(header, cells)}  # noqa: B905 (Python 3.8)
    line["number"] = int(line["number"])
    line["details"] = json.loads(line["details"])
    return line


def original(cell):
    """Take off the apostrophe that keeps spreadsheet programs from computing."""
    return cell[1:] if cell.startswith("'") else cell


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def sha256(text):
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        print(verify(*sys.argv[1:]))
    except (Bent, OSError) as error:
        sys.exit(str(error))
