#!/usr/bin/env bash
# Everything that needs an NVIDIA GPU, the most telling first; arguments go to pytest.
#
# PYTHON  the interpreter, with torch for CUDA and numpy (default: python3)
# OUT     a folder to keep what is printed and the figures as JSON
# SLICE   minutes: instead of all that, a slice of a training that goes on in the next one, see README.md
# RECIPE  of that training, a name or a file (default: pg-svrt-dd-cassi-short)
# SCENES  the folder of its scenes (default: runs/packed where it is there, else drawn scenes)
# CHANGES of the recipe, such as "run.batch=32 run.workers=14"
#
# Nothing is installed into the interpreter: the folders of this checkout are linked as the package livecassi in a
# temporary folder, and what is missing of the few packages below is put beside it by pip, which heeds PIP_NO_INDEX and
# PIP_FIND_LINKS=FOLDER where there is no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=${OUT:-$work/out}
failed=()

mkdir -p "$out" "$work/links" "$work/packages"
ln -s "$PWD" "$work/links/livecassi"
export PYTHONPATH="$work/links:$work/packages${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-3000}

missing() {
    "$python" -c 'import sys; from importlib.util import find_spec
print(*(name for name in sys.argv[1:] if find_spec(name) is None))' "$@"
}

step() { # NAME COMMAND...: printed and kept; a failure does not stop the others
    local name=$1
    shift
    printf '\n== %s\n' "$name"
    "$@" 2>&1 | tee "$out/$name.txt" || failed+=("$name")
}

machine() {
    nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader || echo "nvidia-smi does not answer"
    "$python" -c 'import sys, torch
print("Python", sys.version.split()[0], "torch", torch.__version__, "CUDA", torch.version.cuda)'
}

read -ra wanted <<<"$(missing numpy torch)"
if [ ${#wanted[@]} -gt 0 ]; then
    echo "$python has no ${wanted[*]}; name an interpreter with torch for CUDA by PYTHON" >&2
    exit 2
fi
read -ra wanted <<<"$(missing safetensors pydantic platformdirs scipy pytest typer rich filelock onnx onnxscript)"
if [ ${#wanted[@]} -gt 0 ]; then
    echo "not here, taken for this run only: ${wanted[*]}"
    "$python" -m pip install --quiet --disable-pip-version-check --target "$work/packages" "${wanted[@]}" ||
        echo "pip could not; what needs them fails below"
fi

step machine machine

training() { # a slice: from the newest checkpoint here, or from one carried in pieces, to pieces of one in OUT
    local recipe=${RECIPE:-pg-svrt-dd-cassi-short} scenes=${SCENES:-runs/packed} options=()
    local name run first step table change newest
    name=$(basename "$recipe" .toml)
    run=runs/$name
    mkdir -p "$run"
    for first in "runs/carried/$name"-step-*.aa; do
        [ -e "$first" ] || continue
        step=${first##*/"$name"-}
        step=${step%.aa}
        [ -e "$run/$step.checkpoint" ] || cat "${first%.aa}".a? >"$run/$step.checkpoint"
        for table in log validation; do
            [ -e "$run/$table.csv" ] || cp "runs/carried/$name-$table.csv" "$run/$table.csv" || true
        done
    done
    if [ -d "$scenes" ]; then options+=(--scenes "$scenes" --validation "$scenes"); fi
    for change in ${CHANGES:-}; do options+=(--set "$change"); done
    train() { "$python" -m livecassi.app.command_line train "$recipe" --out "$run" "${options[@]}" "$@"; }
    train --minutes "$SLICE" || return
    train --export last || return
    newest=$(find "$run" -name 'step-*.checkpoint' | sort | tail -n 1)
    rm -f "$out/$name-step-"*
    split --bytes 15M "$newest" "$out/$name-$(basename "$newest" .checkpoint)."
    cp "$run"/*.safetensors "$out/"
    for table in log validation; do cp "$run/$table.csv" "$out/$name-$table.csv"; done
}

runtimes() { # what is here of the libraries that the tests skip where they are missing
    "$python" - <<'END'
import sys
from importlib.metadata import PackageNotFoundError, version

from livecassi.engines.errors import EngineError
from livecassi.engines.runtimes.contract import RuntimeName
from livecassi.engines.runtimes.nvidia_driver import probe_driver
from livecassi.engines.runtimes.tensorrt.flavour import find_flavour

try:
    driver = probe_driver()
except EngineError as error:
    sys.exit(print(error))
print("driver: CUDA", driver.cuda, *driver.gpus)
for name in (RuntimeName.TENSORRT, RuntimeName.TENSORRT_RTX):
    try:
        flavour = find_flavour(name)
        flavour.check_gpu(driver.gpus[0].capability)
        print(name, flavour.version)
    except EngineError as error:
        print(error)
for package in ("pycuda", "onnx", "onnxruntime"):
    try:
        print(package, version(package))
    except PackageNotFoundError:
        print(package, "is not installed")
END
}

if [ -n "${SLICE:-}" ]; then
    step train training
else
    step runtimes runtimes
    # The plugins that the project's settings name (Qt, time limits) need not be here.
    step tests "$python" -m pytest -m gpu tests/gpu -W ignore::pytest.PytestConfigWarning -p no:cacheprovider "$@"
    if "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
        step pg-svrt "$python" -m livecassi.app.command_line benchmark pg-svrt --device cuda --rounds 10 \
            --json "$out/pg-svrt.json"
        step benchmark-runtimes "$python" -m livecassi.app.command_line benchmark runtimes --places cuda --rounds 10 \
            --json "$out/runtimes.json"
        step benchmark-stills "$python" -m livecassi.app.command_line benchmark runtimes --places cuda --rounds 10 \
            --system sd-cassi --networks hsra-s,hsra-dum-3,mst-s,bisrnet --sizes 256,660 --json "$out/stills.json"
    else
        printf '\nno CUDA device here: the benchmark is left out\n'
    fi
fi

if [ ${#failed[@]} -gt 0 ]; then
    printf '\nfailed: %s\n' "${failed[*]}" >&2
    exit 1
fi
