"""How time and memory of `score_corpus` grow with the number of replies.

Each size runs in a process of its own, on made-up exchanges: openers answered by openers (12 words on average). Time
is that of `score_corpus`, without imports; memory the highest sum over all its processes of what each holds (PSS,
sampled twice a second). On a busy machine read the processor time.

    python -m benchmarks.growth --rows 1000,10000,100000 --num-proc 2
    python -m benchmarks.growth --rows 100,1000 --guards
"""

import json
import multiprocessing
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import psutil
import typer


def main(
    rows: Annotated[str, typer.Option(help="Numbers of replies, with commas.")] = "1000,10000,100000",
    num_proc: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    guards: Annotated[bool, typer.Option("--guards", help="With the guards that look at single replies.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the exchanges.")] = 0,
) -> None:
    print(f"{'guards' if guards else 'bare scorer'}, {num_proc} worker(s)")
    print("| replies | seconds | replies a second | processor ms a reply | against the row above | peak MB |")
    print("|---|---|---|---|---|---|")
    before = None
    for n in map(int, rows.split(",")):
        with TemporaryDirectory() as folder:
            source, output = Path(folder) / "in.parquet", Path(folder) / "out.parquet"
            run_apart(write_exchanges, source, n, seed)
            found, peak = measured([str(source), str(output), str(num_proc), str(guards)])
        growth = ""
        if before is not None:
            more, marginal = n - before[0], found["processor"] - before[1]["processor"]
            growth = f"{1000 * marginal / more:.3f} ms for each of {more:,} more"
        print(
            f"| {n:,} | {found['seconds']:.1f} | {n / found['seconds']:,.0f} | {1000 * found['processor'] / n:.3f} | "
            f"{growth} | {peak:.0f} |",
            flush=True,
        )
        before = n, found


def run_apart(function, *arguments) -> None:
    """In a process of its own, so that this one stays small."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join()


def write_exchanges(path: Path, n: int, seed: int) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from hal_trl.alignment import load_openers

    openers, rng = np.array(load_openers("train")), np.random.default_rng(seed)
    schema = pa.schema({"prompt": pa.string(), "completion": pa.string()})
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n, 100_000):
            prompts, completions = openers[rng.integers(len(openers), size=(2, min(100_000, n - start)))].tolist()
            writer.write_table(pa.table({"prompt": prompts, "completion": completions}, schema))


def measured(arguments: list[str]) -> tuple[dict[str, float], float]:
    """What the run says of itself, and its highest PSS in MB."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.growth", "--", *arguments], stdout=subprocess.PIPE)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, pss_of(process.pid) / 1e6)
        time.sleep(0.5)
    return json.loads(process.stdout.read()), peak


def pss_of(pid: int) -> int:
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            total += process.memory_full_info().pss
    except psutil.Error:  # one has just ended
        pass
    return total


def score(source: str, output: str, num_proc: str, guards: str) -> None:
    from hal_trl.rewards.corpus import score_corpus

    start, before = time.perf_counter(), processor_seconds()
    score_corpus(source, output, guards=guards == "True", num_proc=int(num_proc))
    print(json.dumps({"seconds": time.perf_counter() - start, "processor": processor_seconds() - before}))


def processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--"]:
        score(*sys.argv[2:])
    else:
        typer.run(main)
