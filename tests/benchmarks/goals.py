"""Goals beside figures: a benchmark that misses one by more than a tenth, twice, ends with status 1."""

import sys

PLAY = 0.1


class Goals:
    """Collects the figures of one measurement and compares them with their goals."""

    def __init__(self):
        self.missed = []

    def check(self, figure, *, most=None, least=None):
        """Note a figure; return its goal as text to print beside it."""
        if most is not None and figure > most * (1 + PLAY):
            self.missed.append(f"{figure:.2f}, wanted at most {most:g}")
        if least is not None and figure < least * (1 - PLAY):
            self.missed.append(f"{figure:.2f}, wanted at least {least:g}")
        return f"(goal: at most {most:g})" if most is not None else f"(goal: at least {least:g})"


def run(measure):
    """Call `measure(goals)`; where it misses a goal, once more; exit with status 1 where it misses one twice."""
    for _ in range(2):
        goals = Goals()
        measure(goals)
        if not goals.missed:
            return
        print("missed: " + "; ".join(goals.missed), flush=True)
    sys.exit(1)
