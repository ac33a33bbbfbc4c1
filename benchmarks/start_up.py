"""What a user waits for before anything happens: imports, `--help`, loading the reward.

Processor seconds of fresh processes, the median of several, beside those of what must be imported anyway.

    python -m benchmarks.start_up
"""

import statistics
import subprocess
import sys
from typing import Annotated

import typer


STATEMENTS = {
    "`import hal_trl`": "import hal_trl",
    "`hal-trl --help`": "from hal_trl.cli import app; app(['--help'], standalone_mode=False)",
    "torch and the parts of transformers that a scorer needs": (
        "import torch, numpy, pandas; from transformers import PreTrainedModel, AutoConfig, AutoModel, AutoTokenizer;"
        "import transformers.models.bert.modeling_bert"
    ),
    "`from hal_trl import HALReward`": "from hal_trl import HALReward",
}
LOAD = "from hal_trl import HALReward, Dialogue; import transformers.models.bert.modeling_bert"
TIMED = "import time; before = time.process_time()\n{}\nprint('TOOK', time.process_time() - before)"


def main(runs: Annotated[int, typer.Option(help="Processes of each kind.")] = 5) -> None:
    print("| | processor seconds |\n|---|---|")
    for name, statement in STATEMENTS.items():
        print(f"| {name} | {took(TIMED.format(statement), runs):.2f} |", flush=True)
    for name, made in {"`HALReward()`": "HALReward()", "`HALReward(guards=[])`": "HALReward(guards=[])"}.items():
        print(f"| {name}, after imports | {took(f'{LOAD}{chr(10)}{TIMED.format(made)}', runs):.2f} |", flush=True)


def took(code: str, runs: int) -> float:
    said = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(runs)
    ]
    return statistics.median(float(done.stdout.split("TOOK")[1]) for done in said)


if __name__ == "__main__":
    typer.run(main)
