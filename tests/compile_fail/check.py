# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""check.py FILE COMPILER OPTIONS...: FILE compiles, and with -DPREFER_FAIL fails with its sentence in the first errors."""
import os
import re
import subprocess
import sys

source = sys.argv[1]
command = [*sys.argv[2:], *(["-c", "-o", os.devnull] if source.endswith(".cu") else ["-fsyntax-only"]), source]
expected = re.search(r"// expect: (.*)", open(source).read()).group(1)
good = subprocess.run(command, capture_output=True, text=True)
bad = subprocess.run(command + ["-DPREFER_FAIL"], capture_output=True, text=True)
output = bad.stdout + bad.stderr
if good.returncode != 0:
    sys.exit("does not compile as it is:\n" + good.stdout + good.stderr)
if bad.returncode == 0:
    sys.exit("compiles with -DPREFER_FAIL")
if expected not in output:
    sys.exit(f"does not say: {expected}\n{output}")
print(f"refused with: {expected}")
