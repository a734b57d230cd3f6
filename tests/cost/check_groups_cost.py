# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""check_groups_cost.py PTXRUN PROGRAM: the exact cost of group advantages on CUDA, from the counters of ptxrun.

Scores of groups of up to eight numbers per thread are asked for once, longer ones once per pass, from the first cache; pieces of
long groups twice from memory. Sectors are those that warps ask for: four neighbouring threads write half of one at a time, and
kernel parameters count as loads of a sector each. Limits leave less room than another pass. Idle lanes count as instructions of
their warp. Nothing is copied, allocated or waited for.
"""
import re
import subprocess
import sys

# scores, size, type; launches, sectors read and written over those of all scores once, warp instructions per 32 scores
CASES = [(65536, 8, "float", 4, 4.4, 2.05, 82), (65536, 64, "float", 4, 7.3, 2.05, 103),
         (65536, 64, "bfloat16", 4, 14.6, 4.1, 118), (262144, 262144, "float", 4, 7.4, 2.2, 98)]
KERNEL = re.compile(r"launches (\d+),.*?instructions (\d+) \(.*?, ([\d.]+) active.*?accesses, (\d+) sectors.*?accesses, (\d+) sectors", re.DOTALL)
HIDDEN = re.compile(r"region .*?(\w*(?:Memcpy|Malloc|Free|Synchronize|WaitEvent)\w*=\d+)")

bad = 0
for scores, size, kind, launches, reads, writes, budget in CASES:
    arguments = [str(scores), str(size), kind]
    run = subprocess.run([sys.argv[1], "--stats", sys.argv[2], *arguments], capture_output=True, text=True, check=True)
    kernels = [[float(x) for x in kernel] for kernel in KERNEL.findall(run.stderr)]
    ideal = scores * {"float": 4, "bfloat16": 2}[kind] / 32
    report = {"launches": (sum(k[0] for k in kernels), launches),
              "sectors read": (sum(k[3] for k in kernels) / ideal, reads),
              "sectors written": (sum(k[4] for k in kernels) / ideal, writes),
              "warp instructions per 32 scores": (sum(k[1] / k[2] for k in kernels) * 32 / scores, budget)}
    print(" ".join(arguments) + ": " + ", ".join(f"{name} {got:.4g} of {limit}" for name, (got, limit) in report.items()))
    bad += sum(got > limit for got, limit in report.values())
    if "region" not in run.stderr or (hidden := HIDDEN.search(run.stderr)):
        sys.exit(f"the call does more than launch: {hidden[1] if hidden else 'not seen'}")
sys.exit(bad)
