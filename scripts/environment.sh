# Sourced by the verbs beside it: the virtual environment and the Debian packages that they stand on.
# Not a verb: it does nothing by itself.

CALLER=$(pwd)
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$ROOT"

say() { printf '%s\n' "$*" >&2; }

# find_python: the first interpreter of at least 3.11.
find_python() {
    for candidate in python3.11 python3.12 python3.13 python3; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    say "Jangteo needs Python 3.11 or newer, and none was found. On Debian: apt-get install python3 python3-venv"
    return 1
}

# as_root COMMAND...: run it as root where that is possible without asking for a password.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 126
    fi
}

# debian_packages PACKAGE...: install what is missing; 1 when something stays missing (its names are said).
debian_packages() {
    missing=""
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        say "Not a Debian system: these programs are needed and must be installed by hand:$missing"
        return 1
    fi
    say "Installing Debian packages:$missing"
    # shellcheck disable=SC2086 — a list of names
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null 2>&1 ||
        { as_root apt-get update -q >/dev/null 2>&1 &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing >/dev/null; }; then
        return 0
    fi
    say "These Debian packages are missing and could not be installed (root or sudo is needed):$missing"
    say "Install them with: sudo apt-get install$missing"
    return 1
}

# environment REQUIREMENTS: .venv with exactly these packages (hash-checked) and Jangteo itself, made only when needed.
environment() {
    requirements=$1
    if [ ! -x .venv/bin/python ]; then
        python=$(find_python)
        say "Making the virtual environment .venv with $python"
        if ! "$python" -m venv .venv 2>/dev/null; then
            rm -rf .venv
            debian_packages python3-venv
            "$python" -m venv .venv
        fi
    fi
    wanted=$(cat "$requirements" pyproject.toml | sha256sum | cut -d' ' -f1)
    if ! grep -qsx "$wanted" .venv/jangteo-installed; then
        say "Installing the pinned dependencies of $requirements (hash-checked; a few minutes the first time)"
        .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r "$requirements"
        .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
        # requirements/dev.txt holds everything of requirements/run.txt: what has the first has the second too.
        printf '%s\n' "$wanted" >.venv/jangteo-installed
        if [ "$requirements" = requirements/dev.txt ]; then
            cat requirements/run.txt pyproject.toml | sha256sum | cut -d' ' -f1 >>.venv/jangteo-installed
        fi
    fi
}
