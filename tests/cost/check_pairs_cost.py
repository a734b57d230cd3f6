# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""check_pairs_cost.py PTXRUN PROGRAM: the exact cost of calls on all pairs on CUDA, from the counters of ptxrun.

A pair takes some 4.5 instructions per coordinate (three of the sum and its share of loads from shared memory, the rest for
tiles that are loaded once per 64 pairs) and 100 behind the sum. A pair of a later sample is half of two; the tiles on the
diagonal are whole. Few queries cost a pair no more than many, and have more blocks: their points are split. Neighbours take
what a comparison and the insertions add. Nothing is copied, allocated or waited for.
"""
import re
import subprocess
import sys

# what, samples, queries, coordinates; launches, blocks of the fold, instructions and sectors read per pair
CASES = [("constant", 512, 0, 64, 4, 16, 452, 0.78), ("extend", 1024, 64, 64, 4, 4, 442, 1.04),
         ("extend", 512, 512, 4, 4, 16, 120, 0.25), ("nearest", 512, 0, 16, 3, 8, 326, 0.56)]
KERNEL = re.compile(r"launches (\d+),.*?instructions (\d+).*?in \d+ warp accesses, (\d+) sectors", re.DOTALL)
FOLD = re.compile(r"kernel (?:pair_fold|nearest)_kernel.*?blocks (\d+)", re.DOTALL)
HIDDEN = re.compile(r"region .*?(\w*(?:Memcpy|Malloc|Free|Synchronize|WaitEvent)\w*=\d+)")

bad = 0
for what, samples, queries, width, launches, blocks, budget, read in CASES:
    arguments = [what, *map(str, (samples, queries, width))]
    run = subprocess.run([sys.argv[1], "--stats", sys.argv[2], *arguments], capture_output=True, text=True, check=True)
    launched, instructions, sectors = (sum(map(int, column)) for column in zip(*KERNEL.findall(run.stderr)))
    pairs = samples * samples / 2 if what == "constant" else samples * (queries or samples)
    report = {"launches": (launched, launches), "instructions per pair": (instructions / pairs, budget),
              "sectors read per pair": (sectors / pairs, read), "too few blocks": (blocks - int(FOLD.search(run.stderr)[1]), 0)}
    print(" ".join(arguments) + ": " + ", ".join(f"{name} {got:.3g} of {limit}" for name, (got, limit) in report.items()))
    bad += sum(got > limit for got, limit in report.values())
    if "region" not in run.stderr or (hidden := HIDDEN.search(run.stderr)):
        sys.exit(f"the call does more than launch: {hidden[1] if hidden else 'not seen'}")
sys.exit(bad)
