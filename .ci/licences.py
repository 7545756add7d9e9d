"""Checks that the licence of every dependency is among those that the crate's users can live with.

licences.py MANIFEST...: asks cargo for the dependencies of each, with all features and on all
systems. Names those whose licences are not in the list below, and ends with an error if there are
any.
"""

import json
import re
import subprocess
import sys

# Of an expression "A OR B" one suffices, of "A AND B" both are needed.
ALLOWED = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
}


def is_allowed(expression):
    """Whether an SPDX expression can be satisfied; "/" is how old packages write OR."""
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))
    position = 0

    def peek():
        return tokens[position] if position < len(tokens) else None

    def take():
        nonlocal position
        position += 1
        return tokens[position - 1]

    def operand():
        if peek() == "(":
            take()
            value = alternatives()
            if peek() != ")":
                raise ValueError(expression)
            take()
            return value
        name = take() if peek() not in (None, ")", "AND", "OR", "WITH") else None
        if name is None:
            raise ValueError(expression)
        if peek() == "WITH":
            take()
            name = f"{name} WITH {take()}"
        return name in ALLOWED

    def requirements():
        value = operand()
        while peek() == "AND":
            take()
            value &= operand()
        return value

    def alternatives():
        value = requirements()
        while peek() == "OR":
            take()
            value |= requirements()
        return value

    value = alternatives()
    if peek() is not None:
        raise ValueError(expression)
    return value


def check_itself():
    for expression, expected in [
        ("MIT", True),
        ("GPL-3.0", False),
        ("GPL-3.0 OR MIT", True),
        ("MIT/Apache-2.0", True),
        ("MIT AND GPL-3.0", False),
        ("(GPL-3.0 OR ISC) AND Apache-2.0", True),
        ("MIT OR GPL-3.0 AND GPL-2.0", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0 WITH LLVM-exception", False),
    ]:
        assert is_allowed(expression) == expected, expression
    for expression in ["", "MIT OR", "(MIT", "MIT ISC"]:
        try:
            is_allowed(expression)
        except (ValueError, IndexError):
            continue
        raise AssertionError(expression)


def main(manifests):
    check_itself()
    faults, count = [], 0
    for manifest in manifests:
        command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
        command += ["--manifest-path", manifest]
        packages = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        for package in packages["packages"]:
            # The crate itself, and what lies beside it, is in no registry.
            if package["source"] is None:
                continue
            count += 1
            name = f"{package['name']} {package['version']}"
            licence = package["license"]
            try:
                if licence is None or not is_allowed(licence):
                    faults.append(f"{manifest}: {name}: {licence or package['license_file']}")
            except (ValueError, IndexError):
                faults.append(f"{manifest}: {name}: {licence!r} is no expression")
    print("\n".join(faults + [f"{count} dependencies looked at"]))
    return 1 if faults or count == 0 else 0


sys.exit(main(sys.argv[1:]))
