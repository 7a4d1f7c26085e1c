"""Are two answers the same? By the kinds of a question's columns (questions.py)."""
import math

BOUNDS = {"n": 0, "p": 0.0081, "r": 0.0081, "d": 0.02, "f": 1e-9}


def as_key(value):
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = "" if value is None else str(value)
    return text.lower() if len(text) == 32 else text  # trace ids are written in either case


def off_by(got, want):
    if got is None or want is None:
        return 0 if got == want else math.inf
    got, want = float(got), float(want)
    return abs(got - want) / abs(want) if want else abs(got)


def compare_sums(question, got, want):
    """For a system that answers in another form: (text, same) of the sum of a question's counts, or None."""
    kinds = [kind for kind, _ in question.columns]
    if kinds[-1] != "n":
        return None
    total = sum(row[-1] for row in want)
    return ("same sum", True) if got[0][0] == total else (f"{got[0][0]:,.0f} of {total:,.0f} counted", False)


def by_key(question, rows):
    kinds = [kind for kind, _ in question.columns]
    keyed = {}
    for place, row in enumerate(rows):
        key = tuple(as_key(v) for kind, v in zip(kinds, row) if kind in ("time", "key"))
        values = [v for kind, v in zip(kinds, row) if kind not in ("time", "key")]
        if any(values):  # an empty bucket may be left out
            keyed[key if "r" not in kinds else place] = values
    return keyed


def compare(question, got, want, holds_to_bounds):
    """("same" or what differs, is it the same). A system that states no bound is held to counts alone: ClickHouse's quantile and
    DuckDB's interpolate differently, and its uniq is an estimate."""
    kinds = [kind for kind, _ in question.columns if kind not in ("time", "key")]
    got, want = by_key(question, got), by_key(question, want)
    if "r" in kinds and not holds_to_bounds:
        return f"{len(got)} of {len(want)} rows", len(got) == len(want)
    lost, invented = len(want.keys() - got.keys()), len(got.keys() - want.keys())
    if lost or invented:
        example = next(iter(want.keys() ^ got.keys()))
        return f"{lost} of {len(want)} rows lost, {invented} invented, as {example}", False
    worst, wrong = 0, 0
    for key in want:
        for kind, a, b in zip(kinds, got[key], want[key]):
            off = off_by(a, b) if holds_to_bounds or kind == "n" else 0
            worst = max(worst, off)
            wrong += off > BOUNDS[kind]
    if wrong:
        return f"{wrong} of {len(want) * len(kinds)} values differ, by up to {worst * 100:.2g} %", False
    return ("same" if worst == 0 else f"within {worst * 100:.2g} %"), True
