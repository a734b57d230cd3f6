# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""extract.py ROOT FOLDER: the examples of the documentation as programs.

Every fenced block that begins with ```cpp run becomes FOLDER/<page>_<number>.cpp, and every ```cuda run a .cu file. A block
without main is the body of one: its #include lines stay on top. Prints the names of the files, separated by ";".
"""
import pathlib
import re
import sys

root, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
FENCE = re.compile(r"^```(cpp|cuda) run\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def program(block, origin):
    if "int main(" not in block:
        lines = block.splitlines()
        includes = [line for line in lines if line.startswith("#include")]
        body = [f"  {line}" if line else "" for line in lines if not line.startswith("#include")]
        block = "\n".join([*includes, "", "int main() {", *body, "}", ""])
    return f"// From {origin}\n{block}"


names = []
for page in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
    origin = page.relative_to(root).as_posix()
    for number, match in enumerate(FENCE.finditer(page.read_text(encoding="utf-8")), 1):
        stem = re.sub(r"\W", "_", origin.removesuffix(".md").removeprefix("docs/"))
        target = folder / f"{stem}_{number}{'.cpp' if match.group(1) == 'cpp' else '.cu'}"
        text = program(match.group(2), origin)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
        names.append(target.name)
print(";".join(names), end="")
