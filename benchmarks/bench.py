"""All performance figures in one run: prints the tables and writes `benchmarks/RESULTS.md`.

About 20 minutes on two quiet cores. Each part is a benchmark of its own and can be run alone.

    make bench
"""

import os
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer


RESULTS, GPU = Path(__file__).with_name("RESULTS.md"), Path("runs/gpu/gpu.md")
PARTS = {
    "Scoring": "scoring",
    "The reward in a GRPO step": "grpo_share --steps 4",
    "Start-up": "start_up",
    "A corpus: bare scorer": "growth --rows 1000,10000,100000,1000000 --num-proc 2",
    "A corpus: with guards": "growth --rows 100,1000 --guards --num-proc 2",
    "DPO with QLoRA: adapter off against a second model": "qlora_reference --steps 4",
}
PACKAGES = ("torch", "numpy", "transformers", "trl", "peft", "scikit-learn", "datasets")


def main(
    only: Annotated[str, typer.Option(help="Parts whose command contains this.")] = "",
    output: Annotated[Path, typer.Option(help="Markdown file to write.")] = RESULTS,
) -> None:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    text = (
        f"# Benchmarks\n\n`make bench`, {date.today()}: {processor()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, {versions}.\nFigures of one part come from one run, side by side; read the "
        "ratios, a machine's seconds are its own.\n"
    )
    for title, command in PARTS.items():
        if only not in command:
            continue
        print(f"\n## {title}\n", flush=True)
        lines = []
        process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{command.split()[0]}", *command.split()[1:]],
            stdout=subprocess.PIPE,
            text=True,
        )
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
        if process.wait():
            raise typer.Exit(process.returncode)
        text += f"\n## {title}\n\n`python -m benchmarks.{command}`\n\n{''.join(lines).strip()}\n"
        output.write_text(text, encoding="utf-8")
    on_gpu = GPU.read_text(encoding="utf-8") if GPU.is_file() else "Not run yet: no GPU was at hand."
    output.write_text(f"{text}\n## On a GPU\n\n`python -m benchmarks.gpu`\n\n{on_gpu.strip()}\n", encoding="utf-8")


def processor() -> str:
    found = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return found[0] if found else platform.processor()


if __name__ == "__main__":
    typer.run(main)
