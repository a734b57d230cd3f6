# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""mutate.py ROOT GOLDEN [ALGORITHM...]: does the test of a loss notice every wrong formula?

Takes the call operator of each loss (of other algorithms, if they are named: what of them runs on both sides), flips one
sign, operator, comparison or constant at a time, compiles the test against the changed header and runs it. A mutant that
passes is printed and makes the script fail. Takes some seconds per mutant, so it is run by hand when something is new or
changed; GOLDEN is a folder made by tests/golden/make_golden.py.
"""
import concurrent.futures
import csv
import pathlib
import re
import subprocess
import sys
import tempfile

root, golden = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
RULES = [
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r"(?<=[\w)]) \* ", " + "),
    (r" / ", " * "),
    (r"(?<=[=(,] )-(?=[\w(])", ""),
    (r"(?<=\()-(?=\w)", ""),
    (r" < ", " > "),
    (r" > ", " < "),
    (r"V\(0\)", "V(0.125)"),
    (r"V\(1\)", "V(1.125)"),
    (r"V\(2\)", "V(2.25)"),
    (r"V\(-2\)", "V(-2.25)"),
    (r"V\(0\.5\)", "V(0.625)"),
    (r"\bchosen\b(?=[ );])", "rejected"),
    (r"\bsigmoid\b", "sigmoid_of_minus"),
    (r"\bsigmoid_of_minus\b", "sigmoid"),
]


def functor_of(text, name):
    """The span of the call operator's body; without one what the struct, or else the file, has for both sides."""
    begin = text.index(f"struct {name} {{") if f"struct {name} {{" in text else 0
    end = text.index("\n};\n", begin)
    if "operator()" in text[begin:end]:
        begin = text.index("{", text.index("operator()", begin))
        return begin, text.index("\n  }\n", begin)
    if "PREFER_HD" not in text[begin:end]:
        end = len(text)
    return text.index("PREFER_HD", begin), end


def mutants(text, name):
    begin, end = functor_of(text, name)
    for pattern, replacement in RULES:
        for match in re.finditer(pattern, text[begin:end]):
            at = begin + match.start()
            line = text.rfind("\n", 0, at) + 1
            if "//" in text[line:at] or "static constexpr" in text[line:at]:
                continue
            changed = text[:at] + replacement + text[begin + match.end():]
            yield changed, changed[line:changed.index("\n", at)].strip()


COMPILE = ["g++", "-std=c++20", "-O0", "-march=native"]
INCLUDES = ["-I", str(root / "include"), "-I", str(root / "tests"), "-I", str(golden)]


def compile_support(folder):
    """The suites, compiled once: they do not see the header that changes."""
    sources = sorted((root / "tests/support").glob("*.cpp"))
    objects = [str(pathlib.Path(folder) / f"{s.stem}.o") for s in sources]
    for source, made in zip(sources, objects):
        subprocess.run([*COMPILE, *INCLUDES, "-c", str(source), "-o", made], check=True)
    return objects


def survives(support, files, changed):
    """Compiles and runs the test with the changed header in front of the include path."""
    with tempfile.TemporaryDirectory() as folder:
        header = pathlib.Path(folder) / "prefer" / f"{files}.hpp"
        header.parent.mkdir(parents=True)
        header.write_text(changed, encoding="utf-8")
        program = pathlib.Path(folder) / "test"
        test = str(root / "tests" / f"{files}.cpp")
        build = subprocess.run([*COMPILE, "-I", folder, *INCLUDES, test, *support, "-o", str(program), "-lpthread"], capture_output=True)
        if build.returncode != 0:
            return False
        return subprocess.run([str(program)], capture_output=True).returncode == 0


with open(root / "tests/algorithms.csv", encoding="utf-8", newline="") as file:
    losses = [a for a in csv.DictReader(file) if (a["algorithm"] in sys.argv[3:] if len(sys.argv) > 3 else a["kind"] == "loss")]
survivors = 0
with tempfile.TemporaryDirectory() as made, concurrent.futures.ThreadPoolExecutor(2) as pool:
    support = compile_support(made)
    for a in losses:
        text = (root / "include/prefer" / f"{a['files']}.hpp").read_text(encoding="utf-8")
        if survives(support, a["files"], text + "#error\n") or not survives(support, a["files"], text):
            sys.exit(f"{a['algorithm']}: the test does not pass unchanged, or does not use the changed header")
        tried = list(mutants(text, a["algorithm"]))
        passed = pool.map(lambda m: survives(support, a["files"], m[0]), tried)
        alive = [line for (_, line), alive in zip(tried, passed) if alive]
        survivors += len(alive)
        print(f"{a['algorithm']}: {len(tried)} mutants, {len(alive)} survive", *alive, sep="\n  ", flush=True)
sys.exit(survivors > 0)
