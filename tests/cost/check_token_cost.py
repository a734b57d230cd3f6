# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""check_token_cost.py PTXRUN PROGRAM: the exact cost of token_logp and evaluate_logits on contiguous rows, from ptxrun.

Logits are read once for the value and once for the gradient, which is written once, in at most 1.1 times the ideal number
of 32-byte sectors; 1.2 where an odd number of 16-bit columns puts rows at odd addresses, since a warp then reads two more
half sectors per 512 bytes, and where rows are so short that what is read per row shows: the counters take kernel parameters
for loads of one sector (the gradient's kernel has more of them since a body may join two matrices, hence 1.25). With DPO
the reference's logits are read once. Nothing is copied, allocated or waited for.
"""
import re
import subprocess
import sys

# what, type, rows, columns, launches, reads, writes, of the ideal, instructions per logit
CASES = [("logp", "float", 300, 32000, 1, 1, 0, 1.1, 36), ("logp", "bfloat16", 300, 32000, 1, 1, 0, 1.1, 36),
         ("logp", "bfloat16", 300, 32003, 1, 1, 0, 1.2, 42), ("gradient", "float", 300, 32000, 1, 1, 1, 1.1, 31),
         ("gradient", "bfloat16", 300, 32003, 1, 1, 1, 1.25, 42), ("both", "float", 300, 32000, 1, 2, 1, 1.1, 63),
         ("both", "float", 3, 128256, 2, 2, 1, 1.1, 70),
         # two launches say which tokens count; then reference, policy, loss and gradient
         ("dpo", "float", 128, 16384, 6, 3, 1, 1.1, 106), ("dpo", "bfloat16", 128, 16384, 6, 3, 1, 1.2, 114),
         ("chunks", "float", 128, 16384, 9, 3, 1, 1.1, 106)]
KERNEL = re.compile(r"launches (\d+),.*?instructions (\d+).*?accesses, (\d+) sectors.*?accesses, (\d+) sectors", re.DOTALL)
HIDDEN = re.compile(r"region .*?(\w*(?:Memcpy|Malloc|Free|Synchronize|WaitEvent)\w*=\d+)")

bad = 0
for what, kind, rows, columns, launches, reads, writes, factor, budget in CASES:
    run = subprocess.run([sys.argv[1], "--stats", sys.argv[2], what, kind, str(rows), str(columns)],
                         capture_output=True, text=True, check=True)
    launched, instructions, loads, stores = (sum(map(int, column)) for column in zip(*KERNEL.findall(run.stderr)))
    logits = rows * columns
    sectors = logits * {"float": 4, "bfloat16": 2}[kind] / 32
    report = {
        "launches": (launched, launches),
        "sectors read": (loads, factor * reads * sectors),
        "sectors written": (stores, factor * writes * sectors + 3 * rows + 100 * launches),
        "instructions per logit": (instructions / logits, budget),
    }
    print(f"{what} {kind} {rows} x {columns}: " + ", ".join(f"{name} {got:.0f} of {limit:.0f}" for name, (got, limit) in report.items()))
    bad += sum(got > limit for got, limit in report.values())
    if "region" not in run.stderr or (hidden := HIDDEN.search(run.stderr)):
        sys.exit(f"the call does more than launch: {hidden[1] if hidden else 'not seen'}")
sys.exit(bad)
