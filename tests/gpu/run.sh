#!/usr/bin/env bash
# Everything that needs an NVIDIA GPU, the most telling first; arguments go to pytest.
#
# PYTHON  the interpreter, with torch for CUDA and numpy (default: python3)
# OUT     a folder to keep what is printed and the figures as JSON
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
read -ra wanted <<<"$(missing safetensors pydantic pytest typer rich)"
if [ ${#wanted[@]} -gt 0 ]; then
    echo "not here, taken for this run only: ${wanted[*]}"
    "$python" -m pip install --quiet --disable-pip-version-check --target "$work/packages" "${wanted[@]}" ||
        echo "pip could not; what needs them fails below"
fi

step machine machine
# The plugins that the project's settings name (Qt, time limits) need not be here.
step tests "$python" -m pytest -m gpu tests/gpu -W ignore::pytest.PytestConfigWarning -p no:cacheprovider "$@"
if "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    step pg-svrt "$python" -m livecassi.app.command_line benchmark pg-svrt --device cuda --rounds 10 \
        --json "$out/pg-svrt.json"
else
    printf '\nno CUDA device here: the benchmark is left out\n'
fi

if [ ${#failed[@]} -gt 0 ]; then
    printf '\nfailed: %s\n' "${failed[*]}" >&2
    exit 1
fi
