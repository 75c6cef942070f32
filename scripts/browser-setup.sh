#!/usr/bin/env bash
# Programs that environments drive: Chromium (confined by bubblewrap), an X server with a window manager, xdotool and a
# small application. Installs what is missing where it may (root on Debian or Ubuntu); elsewhere it prints the command.
set -euo pipefail

declare -A packages=([chromium]=chromium [bwrap]=bubblewrap [Xvfb]=xvfb [openbox]=openbox [xdotool]=xdotool [xterm]=xterm)
missing=()
for program in chromium bwrap Xvfb openbox xdotool xterm; do
    if [ "$program" = chromium ] && { command -v chromium-browser || command -v google-chrome; } >/dev/null; then
        continue
    fi
    command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if {
        apt-get -qq -o Acquire::http::Timeout=30 update &&
            DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "${missing[@]}"
    } >"$log" 2>&1 </dev/null; then
        echo "installed: ${missing[*]}"
        exit 0
    fi
    tail -n 5 "$log" >&2
fi
echo "for browser and desktop: sudo apt-get update && sudo apt-get install ${missing[*]}" >&2
