# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""check_algorithms.py ROOT [COVERAGE BACKEND...] [--write]: is every algorithm of tests/algorithms.csv complete?

Looks for its headers, tests, benchmark and page, and in COVERAGE (what the test programs wrote) for the tags that its kind
must have run under, per backend and storage type. The support table of the README is made from the same registry; --write
puts it there.
"""
import csv
import pathlib
import sys

STORAGE = ("double", "float", "half", "bfloat16")
EVERYWHERE = ("sizes", "strides", "sentinel", "gradient", "masked")
REQUIRED = {
    ("loss", "cpu"): [(s, t) for s in STORAGE for t in EVERYWHERE]
    + [(s, t) for s in ("double", "float") for t in ("golden", "tails")]
    + [("any", t) for t in ("identity", "threads", "accumulation", "allocation", "bad-argument")],
    ("loss", "cuda"): [(s, t) for s in STORAGE for t in EVERYWHERE]
    + [("double", t) for t in ("golden", "tails")]
    + [("any", t) for t in ("allocation", "capture", "bad-argument")],
    ("rows", "cpu"): [(s, "sizes") for s in STORAGE] + [("any", t) for t in ("threads", "masked", "allocation", "bad-argument")],
    ("rows", "cuda"): [(s, "sizes") for s in STORAGE] + [("any", t) for t in ("masked", "allocation", "capture", "bad-argument")],
    ("statistic", "cpu"): [(s, "sizes") for s in STORAGE]
    + [("any", t) for t in ("golden", "identity", "threads", "masked", "allocation", "bad-argument")],
    ("statistic", "cuda"): [(s, "sizes") for s in STORAGE] + [("any", t) for t in ("masked", "allocation", "capture", "bad-argument")],
    ("map", "cpu"): [(s, "sizes") for s in STORAGE] + [("any", t) for t in ("identity", "threads", "allocation", "bad-argument")],
    ("map", "cuda"): [(s, "sizes") for s in STORAGE] + [("any", t) for t in ("allocation", "capture", "bad-argument")],
    ("logits", "cpu"): [(s, t) for s in STORAGE for t in EVERYWHERE]
    + [("any", t) for t in ("golden", "tails", "identity", "threads", "allocation", "bad-argument")],
    ("logits", "cuda"): [(s, "sizes") for s in STORAGE] + [("any", t) for t in ("masked", "allocation", "capture", "bad-argument")],
    ("path", "cpu"): [(s, t) for s in STORAGE for t in EVERYWHERE]
    + [("any", t) for t in ("identity", "threads", "allocation", "bad-argument")],
    ("path", "cuda"): [(s, "sizes") for s in STORAGE]
    + [("any", t) for t in ("masked", "identity", "allocation", "capture", "bad-argument")],
    ("mdp", "cpu"): [("any", t) for t in ("golden", "identity", "threads", "bad-argument")],
    ("mdp", "cuda"): [("any", t) for t in ("golden", "bad-argument", "allocation")],
    ("game", "cpu"): [(s, "sizes") for s in ("double", "float")]
    + [("any", t) for t in ("golden", "identity", "strides", "masked", "threads", "allocation", "bad-argument")],
    ("game", "cuda"): [("double", "sizes")] + [("any", t) for t in ("masked", "allocation", "capture", "bad-argument")],
    ("table", "cpu"): [(s, "sizes") for s in ("double", "float")]
    + [("any", t) for t in ("golden", "identity", "strides", "threads", "allocation", "bad-argument")],
    ("table", "cuda"): [("double", "sizes")] + [("any", t) for t in ("allocation", "capture", "bad-argument")],
    ("list", "cpu"): [("any", t) for t in ("golden", "identity", "threads", "masked", "accumulation", "allocation", "bad-argument")],
    ("list", "cuda"): [(s, "sizes") for s in STORAGE] + [("any", t) for t in ("masked", "allocation", "bad-argument")],
    ("selection", "cpu"): [(s, "sizes") for s in STORAGE]
    + [("any", t) for t in ("golden", "identity", "strides", "masked", "threads", "allocation", "bad-argument")],
    ("selection", "cuda"): [(s, "sizes") for s in STORAGE]
    + [("any", t) for t in ("masked", "allocation", "capture", "bad-argument")],
    ("stream", "cpu"): [("half", "sizes")] + [("any", t) for t in ("identity", "masked", "allocation", "bad-argument")],
    ("stream", "cuda"): [(s, "sizes") for s in STORAGE] + [("any", t) for t in ("masked", "allocation", "capture", "bad-argument")],
    ("fit", "cpu"): [("any", t) for t in ("golden", "threads", "bad-argument")],
    ("fit", "cuda"): [("any", t) for t in ("golden", "bad-argument", "allocation")],
}
BEGIN, END = "<!-- made by tests/tooling/check_algorithms.py -->\n", "<!-- end -->\n"

arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
root, backends = pathlib.Path(arguments[0]), arguments[2:]
with open(root / "tests/algorithms.csv", encoding="utf-8", newline="") as file:
    algorithms = list(csv.DictReader(file))
ran = set()
if len(arguments) > 1:
    for path in pathlib.Path(arguments[1]).glob("*.txt"):
        ran.update(tuple(line.split(",")) for line in path.read_text().splitlines())

sweep = (root / "benchmarks/support/all_losses.hpp").read_text(encoding="utf-8")
bad = []
for a in algorithms:
    files, page, benchmark = a["files"], a["page"] or a["files"], a["benchmark"] or a["files"]
    needed = [f"include/prefer/{files}.hpp", f"tests/{files}.cpp", f"docs/{page}.md", f"benchmarks/{benchmark}.cpp"]
    needed += [f"include/prefer/{files}.cuh"] if a["cuda"] == "yes" else []
    bad += [f"{a['algorithm']}: no {name}" for name in needed if not (root / name).exists()]
    if a["kind"] == "loss" and f'f("{a["algorithm"]}"' not in sweep:
        bad.append(f"{a['algorithm']}: not in benchmarks/support/all_losses.hpp")
    for backend in backends:
        if a[backend] == "yes":
            bad += [
                f"{a['algorithm']}: no case ran on {backend} in {storage} under {tag}"
                for storage, tag in REQUIRED[a["kind"], backend]
                if (a["algorithm"], backend, storage, tag) not in ran
            ]

# A table per folder, a row per page: one of every algorithm is too long to look through.
AREAS = {
    "loss": "Losses",
    "logp": "From logits to log-probabilities",
    "game": "Preference games",
    "rank": "Ratings",
    "mdp": "Decision processes",
    "select": "Selection: Pareto fronts, batches, pairs",
    "aggregate": "Many rewards into one",
    "advantage": "Advantages",
    "reward": "Rewards from answers and checks",
    "shape": "Shaping of rewards",
}
areas = {area: {} for area in AREAS}
for a in algorithms:
    page = a["page"] or a["files"]
    areas[page.split("/")[0]].setdefault(page, []).append(a)
table = ""
for area, pages in areas.items():
    table += f"\n**{AREAS[area]}** (`prefer/{area}/`)\n\n| page | algorithms | headers |\n|---|---|---|\n"
    for page, members in pages.items():
        title = (root / f"docs/{page}.md").read_text(encoding="utf-8").split("\n")[0].lstrip("# ")
        names = "; ".join(a["what"] for a in members)
        headers = ", ".join(f"`{files.removeprefix(area + '/')}`" for files in dict.fromkeys(a["files"] for a in members))
        table += f"| [{title}](docs/{page}.md) | {names} | {headers} |\n"
lacking = [f"{a['what']} ({backend.upper()})" for a in algorithms for backend in ("cpu", "cuda") if a[backend] != "yes"]
table += "\nAll of it runs on the CPU and on CUDA" + (", but not " + "; ".join(lacking) if lacking else "") + ".\n"
readme = root / "README.md"
text = readme.read_text(encoding="utf-8")
before, rest = text.split(BEGIN)
old, after = rest.split(END)
if "--write" in sys.argv:
    readme.write_text(before + BEGIN + table + END + after, encoding="utf-8")
elif old != table:
    bad.append("README.md: the support table is not that of tests/algorithms.csv: run check_algorithms.py . --write")
print("\n".join(bad) or f"{len(algorithms)} algorithms are complete")
sys.exit(bool(bad))
