"""What does CIF's message passing cost an image, as a sparse product and with the published N x N matrices?

python benchmarks/cif.py              784 tokens of 768 channels; memories of 1 to 4 images, and of a whole data set

Time of the processor, best of the repeats, and by how much the peak memory of the process rises; every case in a
process of its own. Where both run, the largest difference between them.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import torch
from torch import Tensor

from eval.detectors.cif.hypergraph import Hypergraph, build
from eval.detectors.cif.memory import Memory
from eval.detectors.cif.passing import update
from eval.features.neighbours import nearest

TOKENS, CHANNELS, EDGES, KEEP = 784, 768, 4, 0.9
MEMORIES = (78, 313, 1500, 3000, 19_000)
DENSE_UP_TO = 3000
REPEATS = 3


def dense(tokens: Tensor, graph: Hypergraph, memory: Memory) -> Tensor:
    """As published: the incidence of all nodes and edges, and the weights between nodes, as matrices."""
    many = len(memory.rows)
    structural, test, row = graph.edges + memory.count, torch.arange(TOKENS), torch.arange(many)
    forward = nearest(tokens, memory.rows, metric="cosine")[1][:, 0]
    backward = nearest(memory.rows, tokens, metric="cosine")[1][:, 0]
    incidence = torch.zeros(TOKENS + many, structural + TOKENS + many)
    incidence[:TOKENS, : graph.edges] = graph.incidence.float()
    incidence[TOKENS + row, graph.edges + memory.edges] = 1
    incidence[test, structural + test] = incidence[TOKENS + forward, structural + test] = 1
    incidence[TOKENS + row, structural + TOKENS + row] = incidence[backward, structural + TOKENS + row] = 1
    identity = torch.eye(TOKENS + many)
    weights = incidence / incidence.sum(0) @ incidence.T + identity
    scale = weights.sum(1).rsqrt()
    smoothed = KEEP * identity + (1 - KEEP) * scale[:, None] * weights * scale
    return (smoothed @ torch.cat([tokens, memory.rows]))[:TOKENS]


def sparse(tokens: Tensor, graph: Hypergraph, memory: Memory) -> Tensor:
    return update(tokens, graph, memory, 1, KEEP)


FORMS = {"sparse": sparse, "dense": dense}


def scene(rows: int) -> tuple[Tensor, Hypergraph, Memory]:
    """Tokens of a few kinds of surface, and a memory of the same kinds."""
    rng = torch.Generator().manual_seed(0)
    kinds = torch.randn(EDGES, CHANNELS, generator=rng)
    tokens = kinds[torch.arange(TOKENS) % EDGES] + 0.5 * torch.randn(TOKENS, CHANNELS, generator=rng)
    edges = torch.arange(rows) % EDGES
    memory = Memory(kinds[edges] + 0.5 * torch.randn(rows, CHANNELS, generator=rng), edges)
    return tokens, build(tokens, torch.ones(TOKENS, dtype=torch.bool), EDGES), memory


def measured(form: str, rows: int) -> dict[str, float]:
    """Seconds and MiB above what the process held before."""
    given = scene(rows)
    before, seconds = _peak(), []
    for _ in range(REPEATS if form == "sparse" or rows < DENSE_UP_TO else 1):
        began = time.process_time()
        found = FORMS[form](*given)
        seconds.append(time.process_time() - began)
    peak = _peak() - before
    apart = 0.0 if form == "sparse" else float((found - sparse(*given)).abs().max())
    return {"seconds": min(seconds), "MiB": peak, "apart": apart}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--form", choices=FORMS, help="measure this one in this process and print JSON")
    parser.add_argument("--rows", type=int, nargs="+", default=MEMORIES)
    args = parser.parse_args()
    if args.form:
        print(json.dumps(measured(args.form, args.rows[0])))
        return
    print("| memory rows | form | seconds | peak MiB | apart from sparse |\n|---|---|---|---|---|", flush=True)
    for rows in args.rows:
        for form in FORMS if rows <= DENSE_UP_TO else ["sparse"]:
            command = [sys.executable, __file__, "--form", form, "--rows", str(rows)]
            result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            print("| {} | {} | {seconds:.3f} | {MiB:.0f} | {apart:.1e} |".format(rows, form, **result), flush=True)


if __name__ == "__main__":
    main()
