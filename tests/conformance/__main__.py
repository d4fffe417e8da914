"""`make conformance`: walk with every client, say what came of it, write docs/conformance.md.

Where a client could not be had or anything is wrong, nothing is written and the exit code is 1.
"""

import sys
import tempfile
from pathlib import Path

from tests.conformance import deviations, install
from tests.conformance.documents import Documents
from tests.conformance.report import PAPER, all_deviations, paper
from tests.conformance.story import STORY, expected
from tests.conformance.walks import CLIENTS, PLAIN, walked


def main() -> int:
    """Return the exit code."""
    try:
        documents = Documents(install.documents())
    except install.NotHereError as error:
        return _say(f"documents: {error}", 1)
    with tempfile.TemporaryDirectory() as folder:
        walks = walked(Path(folder))
    wrong = [step["surprise"] for step in walks[PLAIN].steps] + [walks[PLAIN].failure]
    missing = [f"{client}: {walks[client].missing}" for client in CLIENTS if walks[client].missing]
    for client in CLIENTS:
        if walks[client].missing:
            continue
        told: dict[str, list[object]] = {step: [] for step in STORY}
        for each in walks[client].steps:
            told[each["step"]].append(each)
        good = [step for step in STORY if told[step] == expected(client, step)]
        _say(f"{client}: {len(good)} of {len(STORY)} steps, {len(walks[client].talks)} requests")
        wrong += [f"{client}: {step} {told[step]}" for step in STORY if step not in good]
        wrong += [f"{client}: {walks[client].failure}"] if walks[client].failure else []
    lines = all_deviations(walks, documents)
    answers = sum(len(walk.talks) for walk in walks.values())
    _say(f"documents: {answers} answers, {len(set(lines))} kinds of deviation")
    wrong += deviations.unlisted(lines) + deviations.obsolete(lines)
    wrong = [line for line in missing + wrong if line]
    for line in wrong:
        _say(f"  WRONG: {line}")
    if wrong:
        return _say(f"{PAPER.name} is left as it was", 1)
    PAPER.write_text(paper(walks, documents, lines), "utf-8")
    return _say(f"{PAPER.name} written", 0)


def _say(text: str, code: int = 0) -> int:
    sys.stdout.write(f"conformance: {text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
