#!/usr/bin/env bash
# System programs: bubblewrap runs the agent's code apart from the host, tesseract reads text in images.
# Installs what is missing where it may (root on Debian or Ubuntu); elsewhere it prints the command and goes on, since
# everything else works without them and `tracer1 doctor` says what does not.
set -euo pipefail

missing=()
if [ "$(uname -s)" = Linux ]; then
    command -v bwrap >/dev/null || missing+=(bubblewrap)
fi
command -v tesseract >/dev/null || missing+=(tesseract-ocr)
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
    echo "for every tool to work: brew install ${missing[*]/tesseract-ocr/tesseract}" >&2
else
    echo "for every tool to work: sudo apt-get update && sudo apt-get install ${missing[*]}" >&2
fi
