# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""check_cost.py PTXRUN PROGRAM: the exact cost of one call of each loss on contiguous floats, from the counters of ptxrun.

One launch, no copy, at most 1.1 times the ideal number of 32-byte sectors, and a budget of PTX instructions per item. The
counters take kernel parameters that are read through a pointer for global loads of one sector each; these are left out.
"""
import re
import subprocess
import sys

ITEMS = 1 << 16
BUDGET = 300  # instructions per item: beyond it a loss becomes arithmetic-bound on the GPUs of today
BUDGETS = {"orpo": 600, "alphapo": 600, "alpha_dpo": 580, "rao_kupper": 570, "davidson": 410, "d3po": 370, "exo": 360, "score_barrier": 380,
           "js_dpo": 350, "discopop": 350, "weighted_return": 420, "regret": 380, "partial_return": 350,
           "dppo_kl": 350}  # several exponentials or logarithms each
BLOCK_SUMS = 1024  # sectors of partial sums, whatever the number of items

run = subprocess.run([sys.argv[1], "--stats", sys.argv[2]], capture_output=True, text=True, check=True)
arrays = {name: (int(i), int(o)) for name, i, o in (line.split() for line in run.stdout.splitlines())}
KERNEL = re.compile(
    r"loss_body<prefer::(\w+)>.*?launches (\d+),.*?instructions (\d+).*?"
    r"global loads \d+ bytes in (\d+) warp accesses, (\d+) sectors.*?global stores \d+ bytes in \d+ warp accesses, (\d+) sectors",
    re.DOTALL,
)
bad = 0
seen = set()
for loss, *counts in KERNEL.findall(run.stderr):
    launches, instructions, accesses, loads, stores = map(int, counts)
    arrays_in, arrays_out = arrays[loss]
    loads -= accesses - arrays_in * ITEMS // 32
    report = {
        "launches": (launches, 1),
        "sectors read": (loads, 1.1 * arrays_in * ITEMS / 8),
        "sectors written": (stores, arrays_out * ITEMS / 8 + BLOCK_SUMS),
        "instructions per item": (instructions / ITEMS, BUDGETS.get(loss, BUDGET)),
    }
    print(f"{loss}: " + ", ".join(f"{what} {got:.0f} of {limit:.0f}" for what, (got, limit) in report.items()))
    bad += sum(got > limit for got, limit in report.values())
    seen.add(loss)
if seen != set(arrays) or "cudaMemcpy" in run.stderr:
    sys.exit(f"kernels seen: {sorted(seen)}; expected {sorted(arrays)}, and no copy")
sys.exit(bad)
