#!/usr/bin/env python3
"""tools/load_table.py FOLDER: makes src/cli/load/trees.c, the figures behind `skep load --shape B` and `--shape logs`.

FOLDER holds NAME-spans.csv.zst files with the columns trace_id, span_id, parent_span_id, service, name, start_unix_nano and
end_unix_nano: spans of real systems (docs/performance.md names the ones used). Only figures are taken over: which operation
calls which in a trace, how often each such tree occurs, and how long each operation waits and works. Names are not: the
generator invents its own.

An operation is a (service, name). Two times are kept of each as nine quantiles: `lead`, from the end of the sibling before it
(or from the parent's start, or from the start of the sibling it runs beside) to its own start; and `tail`, from the end of its
last child (or its own start) to its end. Trees are kept, the frequent ones first, until they cover 95 % of a file's traces.
"""
import collections
import csv
import io
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
COVERED = 0.95
DATABASE = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ")
HEAD = """/*
 * cli/load/trees.c: figures of real call trees, made by tools/load_table.py; not edited by hand. Derived from the traces of two
 * microservice systems in IntelligentDDS/Nezha (MIT licence; Yu, Chen, Li, Chen, Li, Zheng, FSE 2023): shapes, how often each
 * occurs, and quantiles of times. Used by cli/load/call_tree.c.
 */
#include "cli/load/trees.h"

/* clang-format off */
"""


def read_traces(file):
    text = subprocess.run(["zstd", "-dc", str(file)], capture_output=True, check=True).stdout.decode()
    traces = collections.OrderedDict()
    for row in csv.DictReader(io.StringIO(text)):
        span = {"id": row["span_id"], "parent": row["parent_span_id"], "op": (row["service"], row["name"]),
                "start": int(row["start_unix_nano"]), "end": int(row["end_unix_nano"]), "children": []}
        traces.setdefault(row["trace_id"], []).append(span)
    return traces.values()


def as_tree(spans):
    """The root, each span with its children in order of start; None for a trace with several roots."""
    by_id = {s["id"]: s for s in spans}
    roots = [s for s in spans if s["parent"] not in by_id]
    for s in sorted(spans, key=lambda s: s["start"]):
        if s["parent"] in by_id:
            by_id[s["parent"]]["children"].append(s)
    return roots[0] if len(roots) == 1 else None


def preorder(span, depth=0):
    yield span, depth
    for child in span["children"]:
        yield from preorder(child, depth + 1)


class Operation:
    def __init__(self, key):
        self.key, self.leads, self.tails = key, [], []
        self.count = self.beside = self.after_parent = self.calls_out = self.called_in = self.with_sibling = 0

    def kind(self):
        name = self.key[1]
        if name.startswith(DATABASE):
            return "DATABASE"
        if self.after_parent * 2 > self.count or name.endswith(" process"):
            return "CONSUMER"
        if name.endswith(" send"):
            return "PRODUCER"
        is_rpc = "hipstershop." in name
        if self.called_in * 2 > self.count or name.startswith("/api"):
            return "RPC_SERVER" if is_rpc else "HTTP_SERVER"
        if self.calls_out * 2 > self.count or name.startswith("HTTP "):
            return "RPC_CLIENT" if is_rpc else "HTTP_CLIENT"
        return "INTERNAL"


def learn_flags(root, operations):
    for span, _ in preorder(root):
        op = operations.setdefault(span["op"], Operation(span["op"]))
        op.count += 1
        for child in span["children"]:
            made = operations.setdefault(child["op"], Operation(child["op"]))
            made.after_parent += child["start"] >= span["end"] or child["end"] > span["end"] + 1_000_000
            if child["op"][0] != span["op"][0]:
                made.called_in += 1
        op.calls_out += any(child["op"][0] != span["op"][0] for child in span["children"])
        for before, child in zip(span["children"], span["children"][1:]):
            operations[child["op"]].with_sibling += 1
            operations[child["op"]].beside += child["start"] < before["end"]
    operations[root["op"]].called_in += 1


def learn_times(root, operations):
    for span, _ in preorder(root):
        done, last_start, first = span["start"], span["start"], True
        for child in span["children"]:
            op = operations[child["op"]]
            anchor = last_start if is_beside(op) and not first else done
            op.leads.append(max(0, child["start"] - anchor))
            if not is_async(op):
                done = max(done, child["end"])
            last_start, first = child["start"], False
        operations[span["op"]].tails.append(max(0, span["end"] - done))


def is_beside(op):
    return op.with_sibling > 0 and op.beside * 2 > op.with_sibling


def is_async(op):
    return op.after_parent * 2 > op.count


def quantiles(values):
    """Tenths of a microsecond."""
    values = sorted(values) or [0]
    return [min(round(values[min(len(values) - 1, int(q * len(values)))] / 100), 2**32 - 1) for q in QUANTILES]


def keep_frequent(shapes):
    total, kept, covered = sum(shapes.values()), [], 0
    for shape, weight in sorted(shapes.items(), key=lambda item: (-item[1], item[0])):
        if covered >= COVERED * total:
            break
        kept.append((shape, weight))
        covered += weight
    return kept


def numbers(values):
    return "{" + ", ".join(map(str, values)) + "}"


def write(operations, kept):
    used = sorted({op for shape, _ in kept for op, _ in shape})
    services = {name: i for i, name in enumerate(sorted({service for service, _ in used}))}
    index = {key: i for i, key in enumerate(used)}
    text = [HEAD, "const tree_op tree_ops[] = {\n"]
    for key in used:
        op = operations[key]
        flags = " | ".join((["TREE_BESIDE"] if is_beside(op) else []) + (["TREE_ASYNC"] if is_async(op) else [])) or "0"
        text.append(f"{{{services[key[0]]}, TREE_{op.kind()}, {flags}, {numbers(quantiles(op.leads))}, {numbers(quantiles(op.tails))}}},\n")
    nodes, trees = [], []
    for shape, weight in kept:
        trees.append((len(nodes), len(shape), weight))
        nodes += [numbers((index[key], depth)) for key, depth in shape]
    text.append("};\nconst uint32_t tree_op_count = COUNT_OF(tree_ops);\n\nconst tree_node tree_nodes[] = {\n")
    text += [", ".join(nodes[i : i + 16]) + ",\n" for i in range(0, len(nodes), 16)]
    text.append("};\n\nconst tree_shape tree_shapes[] = {\n" + "".join(numbers(t) + ",\n" for t in trees))
    text.append("};\nconst uint32_t tree_shape_count = COUNT_OF(tree_shapes);\n")
    (ROOT / "src/cli/load/trees.c").write_text("".join(text))
    print(f"{len(services)} services, {len(used)} operations, {len(kept)} trees of {len(nodes)} spans, deepest "
          f"{max(depth for shape, _ in kept for _, depth in shape)}, largest {max(len(shape) for shape, _ in kept)}")


def main():
    operations, kept = {}, []
    for file in sorted(pathlib.Path(sys.argv[1]).glob("*-spans.csv.zst")):
        roots = [root for root in map(as_tree, read_traces(file)) if root]
        for root in roots:
            learn_flags(root, operations)
        for root in roots:
            learn_times(root, operations)
        kept += keep_frequent(collections.Counter(tuple((span["op"], depth) for span, depth in preorder(root)) for root in roots))
    write(operations, kept)


if __name__ == "__main__":
    main()
