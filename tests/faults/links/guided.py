"""The fuzzer of ``fuzz``, guided by coverage.

It needs `atheris` and `pytest` in an environment of its own and nothing else: the parsers are pure. Run it
as ``python -m tests.faults.links.guided --runs 10000000 --corpus /tmp/corpus``. What reached new code is kept
in the corpus, so a later run begins where this one ended; an input that fails is written beside it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from random import Random

import atheris  # type: ignore[import-not-found] # never in our own environment

with atheris.instrument_imports(include=["offcloud_watchd.core.links"]):
    from tests.faults.links.fuzz import MAX_SEED_BYTES, Figures, Inputs, noted


def main() -> None:
    """Fuzz as the command line says; libFuzzer ends the process."""
    parser = argparse.ArgumentParser(description="fuzz the link parsers, guided by coverage")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, required=True)
    arguments = parser.parse_args()
    inputs, figures = Inputs(Random(arguments.seed)), Figures()
    arguments.corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(inputs.seeds()):
        (arguments.corpus / f"seed-{number}").write_bytes(data)

    def read(data: bytes) -> None:
        noted(data, figures)
        if figures.runs % max(1, arguments.runs // 100) == 0:
            print(figures, flush=True)

    def mutate(data: bytes, max_size: int, chance: int) -> bytes:
        if chance % 3 == 0:
            return inputs.made()[:max_size]
        if chance % 3 == 1:
            return data[:1] + inputs.changed(data[1:])[: max_size - 1]
        return bytes(atheris.Mutate(data, max_size))

    found = f"-artifact_prefix={arguments.corpus}-failed-"
    limits = (found, f"-max_len={MAX_SEED_BYTES}", "-timeout=30", "-rss_limit_mb=1024")
    options = (f"-runs={arguments.runs}", f"-seed={arguments.seed}", *limits)
    atheris.Setup([sys.argv[0], *options, str(arguments.corpus)], read, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
