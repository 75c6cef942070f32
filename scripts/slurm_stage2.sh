#!/usr/bin/env bash
#SBATCH --job-name=tracer1-stage2
#SBATCH --nodes=3
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --output=%x-%j.log
# Stage 2 on Slurm: the first node serves the planner with vLLM, the others train it. Not run on GPUs by us.
#
#   CONFIG=my_stage2.yaml MODEL=Qwen/Qwen3-VL-8B-Thinking sbatch --account=... scripts/slurm_stage2.sh
#
# Needs on every node: this package with its extras train, agents and tools, and trl[vllm], in the python that is active
# (the trainers send new weights through vLLM's own channel); trainer.output_dir on a shared disk. LAUNCH=ddp trains
# adapters (model.lora), LAUNCH=fsdp2_two_nodes all weights. More trainers: sbatch --nodes. After an end before time (time
# limit, a node lost) submit it again: it goes on from the newest whole checkpoint.
set -euo pipefail

: "${CONFIG:?a stage-2 config: a packaged name or a YAML file}"
: "${MODEL:?the planner, as in the config: model.path}"
LAUNCH=${LAUNCH:-ddp}   # of the package's launch files
SERVER_PORT=${SERVER_PORT:-8000}
TRAINER_PORT=${TRAINER_PORT:-29500}
SERVER_TENSOR_PARALLEL=${SERVER_TENSOR_PARALLEL:-1}   # GPUs that share one copy of the planner on the server

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
if [ "${#nodes[@]}" -lt 2 ]; then
    echo "one node for the server and at least one trainer are needed, got ${#nodes[@]}: sbatch --nodes" >&2
    exit 1
fi
server=${nodes[0]}
trainers=("${nodes[@]:1}")
gpus=${SLURM_GPUS_ON_NODE:-8}
launch=$(python -c 'from importlib.resources import files; print(files("tracer1_agents") / "assets/launch")')

srun --nodes=1 --ntasks=1 --nodelist="$server" \
    trl vllm-serve --model "$MODEL" --port "$SERVER_PORT" --tensor_parallel_size "$SERVER_TENSOR_PARALLEL" &
serving=$!
trap 'kill "$serving" 2>/dev/null || true' EXIT   # the server has no end of its own

# One task for each trainer node; accelerate starts a process for each of its GPUs. TRL waits for the server to be ready.
export CONFIG LAUNCH SERVER_PORT TRAINER_PORT server gpus launch
export first=${trainers[0]} machines=${#trainers[@]}
srun --nodes="$machines" --ntasks="$machines" --nodelist="$(IFS=,; echo "${trainers[*]}")" bash -c '
    exec accelerate launch --config_file "$launch/$LAUNCH.yaml" \
        --num_machines "$machines" --num_processes "$((machines * gpus))" --machine_rank "$SLURM_PROCID" \
        --main_process_ip "$first" --main_process_port "$TRAINER_PORT" \
        -m tracer1_agents.training.stage2 --config "$CONFIG" --resume \
        --set rollout.way=replay --set rollout.engine=vllm --set rollout.vllm_mode=server --set rollout.resample_rounds=0 \
        --set "rollout.vllm_server_url=http://$server:$SERVER_PORT"
'
