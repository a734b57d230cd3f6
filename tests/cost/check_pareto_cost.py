# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""check_pareto_cost.py PTXRUN PROGRAM: the exact cost of Pareto selection on CUDA, from the counters of ptxrun.

Small groups take one launch that reads the rewards once, coalesced: of the four sectors of an access three are counted, since
parameters that are read through a pointer are counted as loads of one sector. A large set of samples that are mostly dominated
costs far fewer than n^2 / 2 comparisons, one that is all front that many of 27 instructions each, a chain no more than others,
and two objectives a number of instructions per sample that does not depend on the front. Ranks of a large group are up to
n^2 / 2 comparisons, of which most end early where there are few fronts and none in a chain. Sectors of large groups are those
of the sorts, and of the candidates once for a tile of samples. Nothing is copied, allocated or waited for.
"""
import re
import subprocess
import sys

# what, groups, samples, objectives, method (0 automatic, 1 all pairs), points; launches (None: not looked at), instructions
# per sample, sectors read: of small groups over the ideal, of large ones per sample
CASES = [("set", 1000, 64, 4, 0, "uniform", 1, 1900, 1.1), ("ranks", 1000, 64, 4, 0, "uniform", 1, 2300, 1.1),
         ("set", 1, 20000, 3, 0, "uniform", None, 2800, 16), ("set", 1, 20000, 2, 0, "uniform", None, 3600, 33),
         ("set", 1, 20000, 2, 0, "front", None, 3600, 33), ("set", 1, 6000, 3, 0, "front", None, 88000, 27),
         ("set", 1, 20000, 3, 0, "chain", None, 2500, 14), ("ranks", 1, 3000, 5, 0, "uniform", None, 40000, 24),
         ("ranks", 1, 3000, 2, 0, "uniform", None, 40000, 15), ("ranks", 1, 3000, 5, 0, "chain", None, 310000, 23)]
KERNEL = re.compile(r"launches (\d+),.*?instructions (\d+).*?in (\d+) warp accesses, (\d+) sectors", re.DOTALL)
HIDDEN = re.compile(r"region .*?(\w*(?:Memcpy|Malloc|Free|Synchronize|WaitEvent)\w*=\d+)")

bad = 0
for what, groups, samples, objectives, method, kind, launches, budget, factor in CASES:
    arguments = [what, *map(str, (groups, samples, objectives, method)), kind]
    run = subprocess.run([sys.argv[1], "--stats", sys.argv[2], *arguments], capture_output=True, text=True, check=True)
    launched, instructions, accesses, sectors = (sum(map(int, column)) for column in zip(*KERNEL.findall(run.stderr)))
    all_samples = groups * samples
    report = {"instructions per sample": (instructions / all_samples, budget)}
    if launches is not None:
        report["launches"] = (launched, launches)
    if groups > 1:
        report["sectors read"] = ((sectors - accesses) * 4 / 3, factor * all_samples * objectives / 8)
    else:
        report["sectors read per sample"] = (sectors / all_samples, factor)
    print(" ".join(arguments) + ": " + ", ".join(f"{name} {got:.0f} of {limit:.0f}" for name, (got, limit) in report.items()))
    bad += sum(got > limit for got, limit in report.values())
    if "region" not in run.stderr or (hidden := HIDDEN.search(run.stderr)):
        sys.exit(f"the call does more than launch: {hidden[1] if hidden else 'not seen'}")
sys.exit(bad)
