"""Does a run that is killed again and again end like one left alone? SIGKILL at random moments, then compare.

python benchmarks/interrupt.py recipes/demo.yaml --kills 10 --set request.per_defect=6
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, required=True, help="a folder for the two runs; must not exist")
    args = parser.parse_args()
    args.work.mkdir(parents=True)
    command = [sys.executable, "-m", "synth.cli", "run", args.recipe]
    command += [part for override in args.overrides for part in ("--set", override)]
    started = time.monotonic()
    subprocess.run([*command, "--out", str(args.work / "whole")], check=True, stderr=subprocess.DEVNULL)
    seconds = time.monotonic() - started
    rng = np.random.default_rng(args.seed)
    moments = []
    for _ in range(args.kills):
        wait = rng.uniform(0.03, 0.17) * seconds
        moments.append(killed_after(wait, [*command, "--out", str(args.work / "killed")], args.work / "killed"))
    subprocess.run([*command, "--out", str(args.work / "killed")], check=True, stderr=subprocess.DEVNULL)
    whole, killed = (pq.read_table(args.work / name / "manifest.parquet") for name in ("whole", "killed"))
    print(json.dumps({"seconds": round(seconds), "killed_at": moments, "rows": whole.num_rows}))
    print("manifests are equal" if whole.equals(killed) else "MANIFESTS DIFFER")
    sys.exit(0 if whole.equals(killed) else 1)


def killed_after(seconds: float, command: list[str], run: Path) -> str:
    """Start the command, SIGKILL it after so many seconds, and say how far the run was."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    journal = run / "journal.jsonl"
    lines = len(journal.read_text().splitlines()) if journal.is_file() else 0
    if process.returncode == 0:
        return "already finished"
    return f"drawing, {lines} journal lines" if lines else "fitting"


if __name__ == "__main__":
    main()
