"""One process of the runs that `test_two_processes.py` starts through torchrun: several runs, one after another.

Random weights earn the same with every reply. Here a reply to an even row earns a number made from its token ids, and
odd rows teach nothing, so that the processes have different amounts of work. Argument: a JSON file with a list of
[stage, command line]; the exit status of each run is written beside it, by process.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from tracer1_agents.training import stage1, stage2
from tracer1_agents.training.grounded_rollouts import GraphRollouts
from tracer1_agents.training.rollouts import LocalRollouts
from tracer1_agents.training.trainer import ForecastTrainer

STAGES = {"stage1": stage1, "stage2": stage2}


def with_token_sums(draw):
    def drawn(self, engine, places, update):
        return [
            replace(one, scored=replace(one.scored, total=0.0 if one.row % 2 else sum(one.sample.completion_ids) % 7.0))
            for one in draw(self, engine, places, update)
        ]

    return drawn


def fail_in_the_second_process(generate):
    def failing(self, inputs):
        if self.accelerator.process_index == 1 and self.state.global_step == 1:
            message = "this process lost its executor"
            raise RuntimeError(message)
        return generate(self, inputs)

    return failing


def main(jobs):
    for kind in (LocalRollouts, GraphRollouts):
        kind._draw = with_token_sums(kind._draw)
    if "FAIL_IN_THE_SECOND_PROCESS" in os.environ:
        name = "_generate_and_score_completions"
        setattr(ForecastTrainer, name, fail_in_the_second_process(getattr(ForecastTrainer, name)))
    codes = [STAGES[stage].main(arguments) for stage, arguments in json.loads(jobs.read_text(encoding="utf-8"))]
    jobs.with_suffix(f".{os.environ['RANK']}").write_text(json.dumps(codes), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
