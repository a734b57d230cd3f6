# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""check_links.py ROOT: every relative link of the pages leads to a file, and every page is reachable from the README."""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1]).resolve()
pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
bad, linked = [], {root / "README.md"}
for page in pages:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path = (page.parent / target).resolve()
        linked.add(path)
        if not path.exists():
            bad.append(f"{page.relative_to(root)}: no {target}")
bad += [f"{page.relative_to(root)}: no page links to it" for page in pages if page not in linked]
print("\n".join(bad) or "all links lead somewhere")
sys.exit(bool(bad))
