"""What does CIF's message passing cost an image, as a sparse product and with the published N x N matrices?

python benchmarks/cif.py              784 tokens of 768 channels; memories of 1 to 4 images, and of a whole data set

Time of the processor, best of the repeats, and by how much the memory of the process rises, looked at 20 times a
second; every case in a process of its own. The search for the nearest memory row and test token comes before both.
Where both run, the largest difference between them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import torch
from torch import Tensor

from eval.benchmark.peak import peak_memory
from eval.detectors.cif.hypergraph import Hypergraph, build
from eval.detectors.cif.memory import Memory
from eval.detectors.cif.passing import Incidence, joint_incidence, passed

TOKENS, CHANNELS, EDGES, KEEP = 784, 768, 4, 0.9
MEMORIES = (78, 313, 1500, 3000, 19_000)
DENSE_UP_TO = 3000
REPEATS = 3


def dense(tokens: Tensor, memory: Memory, joint: Incidence) -> Tensor:
    """As published: the incidence of all nodes and edges, and the weights between nodes, as matrices."""
    incidence, identity = torch.zeros(joint.nodes, joint.edges), torch.eye(joint.nodes)
    incidence[joint.node, joint.edge] = 1
    weights = incidence / incidence.sum(0) @ incidence.T + identity
    scale = weights.sum(1).rsqrt()
    smoothed = KEEP * identity + (1 - KEEP) * scale[:, None] * weights * scale
    return (smoothed @ torch.cat([tokens, memory.rows]))[:TOKENS]


def sparse(tokens: Tensor, memory: Memory, joint: Incidence) -> Tensor:
    return passed(tokens, memory, joint, 1, KEEP)


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
    tokens, graph, memory = scene(rows)
    began = time.process_time()
    given = tokens, memory, joint_incidence(tokens, graph, memory)
    links = time.process_time() - began
    with peak_memory() as peak:
        before, seconds = peak.bytes, []
        for _ in range(REPEATS):
            began = time.process_time()
            found = FORMS[form](*given)
            seconds.append(time.process_time() - began)
    apart = 0.0 if form == "sparse" else float((found - sparse(*given)).abs().max())
    return {"links": links, "seconds": min(seconds), "MiB": (peak.bytes - before) / 2**20, "apart": apart}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--form", choices=FORMS, help="measure this one in this process and print JSON")
    parser.add_argument("--rows", type=int, nargs="+", default=MEMORIES)
    args = parser.parse_args()
    if args.form:
        print(json.dumps(measured(args.form, args.rows[0])))
        return
    print(
        "| memory rows | search s | form | passing s | peak MiB | apart from sparse |\n|---|---|---|---|---|---|",
        flush=True,
    )
    for rows in args.rows:
        for form in FORMS if rows <= DENSE_UP_TO else ["sparse"]:
            command = [sys.executable, __file__, "--form", form, "--rows", str(rows)]
            result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            print(
                "| {} | {links:.2f} | {} | {seconds:.3f} | {MiB:.0f} | {apart:.1e} |".format(rows, form, **result),
                flush=True,
            )


if __name__ == "__main__":
    main()
