"""The Dockerfile, read."""

import re

from processes import ROOT

TEXT = (ROOT / "Dockerfile").read_text()


def stages():
    """The instructions of each stage by its name, those of the stages below it first; they begin with ["FROM", BASE]."""
    found = {}
    for line in re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", TEXT, flags=re.MULTILINE)).splitlines():
        words = line.split()
        if words[:1] == ["FROM"]:
            base, name = words[1], words[3]
            found[name] = list(found[base]) if base in found else [["FROM", base]]
        elif words and found:
            found[name].append(words)
    return found


def environment(stage):
    """The variables that a container of the stage has."""
    return dict(word.split("=", 1) for words in stages()[stage] if words[0] == "ENV" for word in words[1:])
