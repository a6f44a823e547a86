#!/usr/bin/env bash
# A film on a Slurm cluster, from a folder that all nodes see:
#
#   ./slurm.sh submit JOB [--chunk-seconds 120] -- -i in.mp4 -vf adcvsr=device=cuda -c:v libx265 -crf 18 out.mkv
#
# plans it, and submits an array with a task for each chunk and a merge behind it. In the environment:
#   WORKERS=16       as many tasks instead, each of which makes chunks until none is left, with a model that stays loaded
#   AT_ONCE=8        tasks of the array that run at the same time
#   ATTEMPTS=5       how often a task that exit status 75 ended is put into the queue again
#   GRES=gpu:1       what a task of the array needs; empty for CPUs
#   FFADCVSR=…       the program, such as "apptainer exec --nv adcvsr.sif ffadcvsr"
# Partition, account and time limit as for any job: SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT.
#SBATCH --job-name=adcvsr --output=adcvsr-%j.log --open-mode=append
#SBATCH --ntasks=1 --cpus-per-task=4 --mem=16G
#SBATCH --requeue --signal=TERM@60
set -euo pipefail
read -ra program <<<"${FFADCVSR:-ffadcvsr}"
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-4}

main() {
    case "${1:-}" in
        submit) submit "${@:2}" ;;
        work) work "${@:2}" ;;
        merge) farm merge "$2" ;;
        *) usage ;;
    esac
}

usage() {
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 64
}

submit() {
    [[ $# -gt 2 ]] || usage
    local job=$1 gres=${GRES-gpu:1} chunks tasks array merge
    srun --ntasks=1 "${program[@]}" farm plan "$@"
    chunks=$("${program[@]}" farm status "$job" --json | sed -n 's/^ *"chunks": \([0-9]*\),$/\1/p')
    tasks=${WORKERS:-$chunks}
    tasks=$((tasks < $(most_tasks) ? tasks : $(most_tasks)))
    array=$(sbatch --parsable --array="0-$((tasks - 1))${AT_ONCE:+%$AT_ONCE}" --gres="${gres:-none}" \
        --output=adcvsr-%A_%a.log "$0" work "$job" "$chunks")
    array=${array%%;*}
    merge=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes "$0" merge "$job")
    echo "$chunks chunks: array $array of $tasks tasks, merge ${merge%%;*}"
}

# An array has MaxArraySize tasks at most; one task makes several chunks where that is too few.
most_tasks() {
    scontrol show config | sed -n 's/^MaxArraySize *= *\([0-9]*\)$/\1/p'
}

work() {
    local job=$1 chunks=$2 chunk
    if [[ -n ${WORKERS:-} ]]; then
        farm work "$job"
        return
    fi
    for ((chunk = SLURM_ARRAY_TASK_ID; chunk < chunks; chunk += SLURM_ARRAY_TASK_COUNT)); do
        farm work "$job" --chunk "$chunk"
    done
}

# Runs a verb as a step, so that the signal before the time limit reaches it. 75: this task goes into the queue again.
# 64 and 65: no attempt can help, so what waits of the array is cancelled.
farm() {
    local status=0
    srun "${program[@]}" farm "$@" || status=$?
    case $status in
        0) return ;;
        75) again ;;
        64 | 65) [[ -z ${SLURM_ARRAY_JOB_ID:-} ]] || scancel --state=PENDING "$SLURM_ARRAY_JOB_ID" ;;
    esac
    exit "$status"
}

again() {
    [[ ${SLURM_RESTART_COUNT:-0} -lt ${ATTEMPTS:-5} ]] || return 0
    # By array and index: the number of the array's last task is that of the whole array.
    scontrol requeue "${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}${SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}"
}

main "$@"
