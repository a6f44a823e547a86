#!/usr/bin/env bash
# Plans, works on and merges what is in kubernetes.yaml, each step when the one before it is complete:
#
#   ./kubernetes.sh [kubernetes.yaml]
#
# Run again, it does what is missing. Namespace and cluster are those of kubectl's context.
set -euo pipefail
file=${1:-$(dirname "$0")/kubernetes.yaml}
chunks=1

apply() {
    sed "s/completions: 1  # CHUNKS/completions: $chunks/" "$file" | kubectl apply -l "step=$1" -f -
}

# Jobs cannot be changed: one of an earlier run goes, and what it had done stays done.
run() {
    local told=""
    kubectl delete job "adcvsr-$1" --ignore-not-found
    apply "$1"
    until [[ $told == *Complete* || $told == *Failed* ]]; do
        sleep "${EVERY:-5}"
        told=$(kubectl get job "adcvsr-$1" -o jsonpath='{.status.conditions[?(@.status=="True")].type}')
    done
    if [[ $told == *Failed* ]]; then
        kubectl get job "adcvsr-$1" -o jsonpath='{.status.conditions[?(@.type=="Failed")].message}{"\n"}' >&2
        kubectl logs --all-containers --prefix --tail=3 -l "app=adcvsr,step=$1" >&2
        exit 1
    fi
}

apply ground
run plan
pod=$(kubectl get pods -l job-name=adcvsr-plan --field-selector=status.phase=Succeeded -o name)
chunks=$(kubectl logs "$pod" -c count | sed -n 's/^ *"chunks": \([0-9]*\),$/\1/p')
run work
run merge
