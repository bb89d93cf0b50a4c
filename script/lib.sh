# Sourced by the scripts: where we are, how we speak.
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"
START=$SECONDS

say() { printf '\033[1m==>\033[0m %s  \033[2m(%d s)\033[0m\n' "$*" "$((SECONDS - START))" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

export CCACHE_BASEDIR="$ROOT" CCACHE_NOHASHDIR=1
# nproc would count OMP_NUM_THREADS, which the tests set to 1.
export JOBS="${JOBS:-$(env -u OMP_NUM_THREADS nproc)}"
