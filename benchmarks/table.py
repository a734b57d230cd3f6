# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""table.py BUILD: the figures of the last run as tables, compiler by level.

Cells of losses are nanoseconds per item, GB/s of useful bytes, and the fraction of the slower of the two limits, probe and
arithmetic, that were measured in the same run. Other cells are nanoseconds per value, or a time with its unit.
"""
import json
import pathlib
import sys

build = pathlib.Path(sys.argv[1])
COLUMNS = [(c, level) for c in ("gcc", "clang") for level in ("base", "avx2", "avx512", "libm", "")]
tables = {}
for compiler in ("gcc", "clang"):
    for path in sorted((build / f"bench-{compiler}" / "results").glob("bench.*.json")):
        text = path.read_text(encoding="utf-8")
        if not text.strip():
            continue
        for run in json.loads(text)["benchmarks"]:
            parts = [p for p in run["name"].split("/") if p not in ("iterations:1", "manual_time", "real_time")]
            level = next((p for p in parts if p in ("base", "avx2", "avx512", "libm")), "")
            row = "/".join(p for p in parts if p != level)
            if "of_limit" in run:
                cell = f"{run['ns_per_item']:5.2f} {run['GB_per_s']:5.1f} {100 * run['of_limit']:3.0f} %"
            elif "items_per_second" in run:
                cell = f"{1e9 / run['items_per_second']:.2f}"
            else:
                cell = f"{run['real_time']:.4g} {run['time_unit']}"
            tables.setdefault(path.stem, {}).setdefault(row, {})[compiler, level] = cell

for name, rows in tables.items():
    used = [c for c in COLUMNS if any(c in cells for cells in rows.values())]
    width = max(len(row) for row in rows)
    legend = "ns per item, GB/s, fraction of the limit" if any("%" in c for r in rows.values() for c in r.values()) else "time"
    print(f"\n{name}: {legend}")
    print(f"{'':{width}}  " + "  ".join(f"{' '.join(c).strip():>16}" for c in used))
    for row, cells in rows.items():
        print(f"{row:{width}}  " + "  ".join(f"{cells.get(c, ''):>16}" for c in used))
