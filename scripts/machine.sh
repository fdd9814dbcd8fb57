# What the machine must have: read by scripts/up and scripts/test, from the top of the checkout.
# shellcheck shell=bash

# shellcheck disable=SC2034 # used by the scripts that read this
packages_to_build=(build-essential pkg-config librrd-dev libclang-dev)
# shellcheck disable=SC2034
packages_to_run=(redis-server redis-tools rrdtool fonts-dejavu-core curl ca-certificates)
# The servers that the poller's fetchers are tested with.
# shellcheck disable=SC2034
packages_to_fetch_from=(apache2-bin mariadb-client mariadb-server memcached nginx php-cli prometheus-node-exporter squid)

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# Installs those of the Debian packages named that are missing.
install_packages() {
    local package missing=() units=() as_root=() log
    if ! command -v apt-get >/dev/null; then
        say "No apt-get here, so no package was installed. Kurado needs: $*"
        return
    fi
    for package; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            fail "These packages are missing, and there is no sudo to install them: ${missing[*]}"
        as_root=(sudo)
    fi
    say "Installing packages: ${missing[*]} …"
    log=$(mktemp)
    if ! {
        "${as_root[@]}" apt-get update -qq &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -qq --no-install-recommends "${missing[@]}"
    } >"$log" 2>&1 </dev/null; then
        tail -n 15 "$log" >&2
        fail "Installing them failed; see above, and $log."
    fi
    rm -f "$log"
    # Debian starts what it installs; Kurado's, and the tests', are others.
    for package in "${missing[@]}"; do
        case $package in
            mariadb-server) units+=(mariadb) ;;
            memcached | nginx | prometheus-node-exporter | redis-server | squid) units+=("$package") ;;
        esac
    done
    if ((${#units[@]})) && [[ -d /run/systemd/system ]]; then
        "${as_root[@]}" systemctl disable --quiet --now "${units[@]}"
    fi
}

# Fails where Rust is missing or too old, and says how to get it.
check_rust() {
    local wanted found how
    export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    how="Debian's own Rust is too old; https://rustup.rs has a newer one:
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh
Then run this again."
    if ! command -v cargo >/dev/null || ! found=$(rustc --version 2>/dev/null); then
        fail "Rust is missing: Kurado needs $wanted or newer. $how"
    fi
    found=$(awk '{print $2}' <<<"$found")
    [[ $(printf '%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1) == "$wanted" ]] ||
        fail "Rust is too old: $(command -v rustc) is $found, Kurado needs $wanted or newer. $how"
}
