# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""check_cost.py PTXRUN PROGRAM: the exact cost of one call on contiguous floats, from the counters of ptxrun.

One launch, no copy, at most 1.1 times the ideal number of 32-byte sectors, and a budget of PTX instructions per item. The
counters take kernel parameters that are read through a pointer for global loads of one sector each; these are left out.
"""
import re
import subprocess
import sys

ITEMS = 1 << 16
BUDGETS = {"dpo": (4, 2, 260), "bradley_terry": (2, 2, 260)}  # arrays in, arrays out, instructions per item

text = subprocess.run([sys.argv[1], "--stats", sys.argv[2]], capture_output=True, text=True, check=True).stderr
KERNEL = re.compile(
    r"loss_body<prefer::(\w+)>.*?launches (\d+),.*?instructions (\d+).*?"
    r"global loads \d+ bytes in (\d+) warp accesses, (\d+) sectors.*?global stores \d+ bytes in \d+ warp accesses, (\d+) sectors",
    re.DOTALL,
)
bad = 0
seen = set()
for loss, *counts in KERNEL.findall(text):
    launches, instructions, accesses, loads, stores = map(int, counts)
    arrays_in, arrays_out, budget = BUDGETS[loss]
    loads -= accesses - arrays_in * ITEMS // 32
    report = {
        "launches": (launches, 1),
        "sectors read": (loads, 1.1 * arrays_in * ITEMS / 8),
        "sectors written": (stores, 1.1 * arrays_out * ITEMS / 8),
        "instructions per item": (instructions / ITEMS, budget),
    }
    for what, (got, limit) in report.items():
        print(f"{loss}: {what} {got:.0f} of {limit:.0f}")
        bad += got > limit
    seen.add(loss)
if seen != set(BUDGETS) or "cudaMemcpy" in text:
    sys.exit(f"kernels seen: {seen}; expected {set(BUDGETS)}, and no copy\n{text}")
sys.exit(bad)
