# Sourced by the scripts beside it, from the project's root: the Python environment ./.venv, and what it stands on.

say() { printf '%s\n' "$*" >&2; }
fail() { say "$(basename "$0"): $*"; exit 2; }

# Debian's packages of the given names: installed where we may, otherwise named.
install_debian_packages() {
    local command="apt-get install --yes --no-install-recommends $*"
    if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
        fail "this needs Debian's $*. Install it (as root: $command), or what your system has in its place, and start again."
    fi
    say "Installing Debian's $*"
    { apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive $command --quiet=2; } >/dev/null ||
        fail "apt-get could not install $*."
}

# Prints the first Python that is new enough and can make environments, if there is one.
find_python() {
    local name
    for name in python3.11 python3 python3.12 python3.13 python3.14; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# What the environment was made from, in one word for each lock file: a change in any part makes another word.
stamp_of() {
    { cat "$1" pyproject.toml && pwd; } | sha256sum | cut -d' ' -f1
}

# Makes ./.venv, or brings it up to date, with what is locked in requirements/$1.txt, and Folkmoot itself.
# Nothing is done, and hardly any time spent, when it has all that already.
ensure_environment() {
    local stamp
    stamp=$(stamp_of "requirements/$1.txt")
    if [[ ! -x .venv/bin/python ]] || ! grep -qs "$stamp" .venv/stamps; then
        # Two scripts may be started at once. The lock is on a file that is there anyway.
        ( flock 9; grep -qs "$stamp" .venv/stamps || build_environment "$1" ) 9<pyproject.toml
    fi
}

# What python-olm is compiled with: programs that show it is there, and Debian's packages that bring them.
ensure_compilers() {
    local program missing=()
    for program in cmake make g++ python3-config; do
        command -v "$program" >/dev/null || missing+=("${program/python3-config/python3-dev}")
    done
    [[ ${#missing[@]} -eq 0 ]] || install_debian_packages "${missing[@]}"
}

build_environment() {
    local python lock
    [[ $1 != test ]] || ensure_compilers
    # The programs in an environment know its place and its Python; if either has moved, they are of no use.
    if [[ ! -x .venv/bin/python ]] || ! grep -qsF "$PWD/.venv/bin/python" .venv/bin/pip; then
        find_python >/dev/null || install_debian_packages python3-venv
        python=$(find_python) || fail "this needs Python 3.11 or newer with its modules venv and ensurepip."
        say "Making ./.venv with $("$python" --version)"
        "$python" -m venv --clear .venv || fail "$python could not make ./.venv."
    fi
    say "Installing requirements/$1.txt into ./.venv"
    rm -f .venv/stamps
    pip_install --require-hashes --requirement "requirements/$1.txt"
    # The lock files hold what builds it, too.
    pip_install --no-deps --no-build-isolation --editable .
    # What is locked for the tests includes all that is locked for running.
    for lock in run "$1"; do stamp_of "requirements/$lock.txt"; done >.venv/stamps
}

pip_install() {
    .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check "$@" >&2 || fail "pip could not install $*"
}
