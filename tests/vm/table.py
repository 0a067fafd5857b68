#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""table.py [COLUMN=FILE...]: the table of docs/measured/attribution.md between its two marks, from the results of truth.py
(TRUTH_TABLE). Without arguments: build/vm/SUITE.tsv of "make check-vm", and build/vm/host.tsv if there is one."""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BEGIN, END = "<!-- made by tests/vm/table.py -->\n", "<!-- end of the table -->\n"
DEFAULT = ("5.10=bullseye", "6.1=bookworm", "6.12=bookworm-backports", "7.x=sid", "6.18=host", "arm64 6.1=bookworm-arm64",
           "arm64 7.x=sid-arm64")


def read(path):
    rows = {}
    with open(path) as f:
        for line in f:
            name, ok, _, scores, more = line.rstrip("\n").split("\t")
            rows[name] = ("-" if ok == "skip" else scores or "failed", ok, more)
    return rows


def main():
    columns = [a.split("=", 1) for a in sys.argv[1:]]
    if not columns:
        columns = [(k, os.path.join(TOP, "build/vm/%s.tsv" % v)) for k, v in (d.split("=") for d in DEFAULT)]
    columns = [(title, read(path)) for title, path in columns if os.path.exists(path)]
    if not columns:
        sys.exit("no results in build/vm: run \"make check-vm\" first")
    names = list(dict.fromkeys(name for _, rows in columns for name in rows))
    text = "| scenario | %s |\n|---%s|\n" % (" | ".join(t for t, _ in columns), "|---" * len(columns))
    notes = []
    for name in names:
        cells = []
        for title, rows in columns:
            cell, ok, more = rows.get(name, ("not run", "", ""))
            cell = re.sub(r"(client|server) ", lambda m: m.group(1)[0] + " ", cell)
            if ok in ("skip", "not ok"):
                notes.append("- %s, %s: %s" % (name, title, more))
                cell = "**%s**" % cell if ok == "not ok" else cell
            cells.append(cell)
        text += "| %s | %s |\n" % (name, " | ".join(cells))
    if notes:
        text += "\nNot run, or not all right:\n\n" + "\n".join(notes) + "\n"
    path = os.path.join(TOP, "docs/measured/attribution.md")
    with open(path) as f:
        doc = f.read()
    if BEGIN not in doc or END not in doc:
        sys.exit("%s: the marks are missing" % path)
    head, rest = doc.split(BEGIN)
    with open(path, "w") as f:
        f.write(head + BEGIN + text + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
