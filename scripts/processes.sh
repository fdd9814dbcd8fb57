# The processes that scripts/up starts and scripts/down stops: read by both, from the top of
# the checkout, after machine.sh.
# Each has a file NAME.pid with its process id and its start time, in clock ticks since boot. Only
# both together name a process: an id alone may be another's by now.
# shellcheck shell=bash

home=${KURADO_HOME:-run}
[[ $home == /* ]] || home=$PWD/$home

# Holds off a second up or down until this one has ended.
take_turn() {
    exec 9>"$home/lock"
    if ! flock --nonblock 9; then
        say "Another scripts/up or scripts/down is at work on $home; waiting for it."
        flock 9
    fi
}

# Prints when process $1 was started; fails where it does not live.
start_time() {
    local stat fields
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The name, in parentheses, may hold anything: what counts follows its last parenthesis.
    read -ra fields <<<"${stat##*) }"
    [[ ${fields[0]} != [ZX] ]] && printf '%s\n' "${fields[19]}"
}

# Prints the process id of $1 where it runs; fails where it does not.
pid_of() {
    local pid started
    read -r pid started 2>/dev/null <"$home/$1.pid" || return 1
    [[ $(start_time "$pid") == "$started" ]] && printf '%s\n' "$pid"
}
