# SPDX-FileCopyrightText: 2026 the prefer authors
# SPDX-License-Identifier: Apache-2.0
"""check_claims.py ROOT: does a test case that claims a tag look at what the tag stands for?

A claim is covers(name, "tag"), or covers in a loop over tags. The test case that makes it, with the functions that it uses
from its file and from headers of tests, has to hold what shows the tag: a status that is looked at for "bad-argument", and for
as many names as it claims; a counter for "allocation"; a graph for "capture"; and so on. check_refused and check_replay claim
for what they have seen, and need no look.
"""
import functools
import pathlib
import re
import sys

SHOWN_BY = {
    "bad-argument": r"refused\w*\(|refuse\w*\(|\bwrong\(|\blacks\(|named\(|\.argument\b|\.code ==|each_bad_argument|errc::(?!ok)",
    "allocation": r"allocation_count\(|enqueues_only\(|ptxrun_calls\(",
    "capture": r"\bcapture\(|check_replay\(",
    "sentinel": r"intact\(|untouched|around",
    "masked": r"mask",
    "strides": r"stride|gap|row\b",
    "threads": r"thread_pool|parallel_for|threads",
}
FUNCTION = re.compile(r"^(?:TEST_CASE\(|(?:template <[^\n]*\n)?(?:static |inline |constexpr )*(?:void|bool|auto|struct|class|[\w:<>]+)\b[^\n;=]*)", re.M)
root = pathlib.Path(sys.argv[1])


def blocks(text):
    """(name, first character, text) of what stands at the beginning of a line and has a body."""
    for match in FUNCTION.finditer(text):
        begin = text.find("{", match.end() - 1)
        head = text[match.start() : begin]
        if begin < 0 or (";" in head and not head.startswith("TEST_CASE")):
            continue
        end = text.find("\n}", begin)
        named = re.search(r"(?:struct|class)\s+(\w+)|(\w+)\s*\(", re.sub(r"template <.*\n", "", head))
        name = (named.group(1) or named.group(2)) if named else ""
        yield "TEST_CASE" if head.startswith("TEST_CASE") else name, match.start(), text[match.start() : end]


@functools.lru_cache(None)
def headers_of(path):
    text = path.read_text(encoding="utf-8")
    found = [root / "tests" / name for name in re.findall(r'#include [<"]([\w/]+\.(?:hpp|cuh|inc))[>"]', text)]
    found += [path.parent / name for name in re.findall(r'#include "([\w]+\.(?:hpp|cuh))"', text)]
    return frozenset(h for h in found if h.exists())


@functools.lru_cache(None)
def functions_of(path):
    return {name: body for name, _, body in blocks(path.read_text(encoding="utf-8")) if name not in ("", "TEST_CASE")}


def all_functions(path):
    seen, pending, functions = set(), [path], {}
    while pending:
        at = pending.pop()
        if at in seen:
            continue
        seen.add(at)
        functions = functions_of(at) | functions
        pending += headers_of(at)
    return functions


def with_what_it_uses(body, functions):
    seen, text, pending = set(), "", [body]
    while pending:
        part = pending.pop()
        text += part
        for name in set(re.findall(r"\w+", part)) & functions.keys() - seen:
            seen.add(name)
            pending.append(functions[name])
    return text


def names_claimed(body, tag):
    names = set(re.findall(rf'covers(?:<\w+>)?\("([\w.]+)", "{tag}"\)', body))
    for listed, rest in re.findall(r"for \(const char\* \w+ : \{([^}]*)\}\)([^;]*;)", body):
        if f'"{tag}"' in rest or re.search(rf'"{tag}"', rest.split("covers")[0]):
            names |= set(re.findall(r'"([\w.-]+)"', listed)) - SHOWN_BY.keys()
    return names


bad = cases = 0
for path in sorted((root / "tests").rglob("*.c*")):
    if path.suffix not in (".cpp", ".cu") or path.parent.name in ("compile_fail", "consumers", "linking", "cost"):
        continue
    text = path.read_text(encoding="utf-8")
    for name, first, body in blocks(text):
        if name != "TEST_CASE":
            continue
        cases += 1
        whole = with_what_it_uses(body, all_functions(path))
        for tag, shown_by in SHOWN_BY.items():
            if not re.search(rf'(covers[^;]*|: \{{[^}}]*)"{tag}"', whole):
                continue
            shown, names = len(re.findall(shown_by, whole)), names_claimed(body, tag)
            if shown < max(1, len(names) if tag == "bad-argument" else 1):
                bad += 1
                line = text[:first].count("\n") + 1
                print(f"{path.relative_to(root)}:{line}: claims {tag} for {', '.join(sorted(names)) or 'something'}, shows {shown}")
print(f"{cases} test cases, {bad} claims without a look")
sys.exit(bool(bad))
