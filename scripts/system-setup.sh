#!/usr/bin/env bash
# System programs. Always: bubblewrap runs the agent's code apart from the host, tesseract reads text in images.
# With `browser`: Chromium, an X server with a window manager, xdotool and a small application, for environments.
# Installs what is missing where it may (root on Debian or Ubuntu); elsewhere it prints the command and goes on, since
# everything else works without them and `tracer1 doctor` says what does not.
set -euo pipefail

missing=()
need() { # package, then the programs of which any will do
    local package=$1 program
    shift
    for program in "$@"; do
        if command -v "$program" >/dev/null; then return; fi
    done
    missing+=("$package")
}

if [ "$(uname -s)" = Linux ]; then
    need bubblewrap bwrap
fi
need tesseract-ocr tesseract
if [ "${1:-}" = browser ]; then
    need chromium chromium chromium-browser google-chrome
    need xvfb Xvfb
    need openbox openbox
    need xdotool xdotool
    need xterm xterm
    # pages that ask for Arial are laid out by it; with a wider font, MiniWoB++'s do not fit their 160 by 210 pixels
    if [ "$(uname -s)" = Linux ] && ! fc-list : family 2>/dev/null | grep -qE 'Liberation Sans|Arimo|Arial'; then
        missing+=(fonts-liberation)
    fi
fi
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
if command -v brew >/dev/null; then
    echo "for everything to work: brew install ${missing[*]/tesseract-ocr/tesseract}" >&2
else
    echo "for everything to work: sudo apt-get update && sudo apt-get install ${missing[*]}" >&2
fi
