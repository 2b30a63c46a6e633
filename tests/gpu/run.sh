#!/usr/bin/env bash
# Everything that needs a GPU. PYTHON names the interpreter; torch with CUDA must be installed in it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

"${PYTHON:-python3}" -m pytest -m gpu "$@"
