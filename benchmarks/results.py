"""docs/results.md from finished verdicts, studies and comparisons of detectors: their tables and plots, the commands,
and what they cost. What stands above the marked line of an existing page is written by hand, and kept.

python benchmarks/results.py outputs/magnetic_tile-verdict "flawsmith eval verdict outputs/magnetic_tile"
python benchmarks/results.py outputs/helps-study "flawsmith eval study helps.yaml"
python benchmarks/results.py outputs/tire-detectors "flawsmith eval detectors --data tire"
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

MARK = "<!-- from here on written by benchmarks/results.py -->\n"
HEAD = "# Does it help?\n\n"


def section(folder: Path, command: str, images: Path) -> str:
    """One verdict, study or comparison of detectors: the command, the plot, the tables, the cost."""
    if (folder / "detectors.md").exists():
        table = (folder / "detectors.md").read_text(encoding="utf-8").strip()
        return "\n\n".join([f"## {folder.name}", f"```\n{command}\n```", table]) + "\n"
    kind = "verdict" if (folder / "verdict.json").exists() else "study"
    found = json.loads((folder / f"{kind}.json").read_text(encoding="utf-8"))
    plot = images / f"{folder.name}.svg"
    images.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / f"{kind}.svg", plot)
    cost = found["training"]
    waiting = 100 * cost["data_wait_fraction"]
    took = f"{cost['trainings']} trainings took {cost['minutes']:.0f} minutes"
    busy = f"{cost['cpu_cores']:.1f} CPU cores on average"
    shown = "gain of every training set over real shots" if kind == "verdict" else "gains by condition, and pooled"
    parts = [
        f"## {folder.name}",
        f"```\n{command}\n```",
        f"![{shown}](images/{plot.name})",
        (folder / f"{kind}.md").read_text(encoding="utf-8").strip(),
        f"{took} on {busy}; none waited more than {waiting:.1f} % of its time for images.",
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="+", metavar="FOLDER COMMAND", help="a folder of one, and how it was made")
    parser.add_argument("--to", type=Path, default=Path("docs/results.md"))
    args = parser.parse_args()
    if len(args.pairs) % 2:
        parser.error("give a folder and a command for each verdict or study")
    made = zip(args.pairs[::2], args.pairs[1::2], strict=True)
    sections = [section(Path(folder), command, args.to.parent / "images") for folder, command in made]
    above = args.to.read_text(encoding="utf-8").partition(MARK)[0] if args.to.exists() else HEAD
    args.to.write_text("\n".join([above + MARK, *sections]), encoding="utf-8")


if __name__ == "__main__":
    main()
