#!/usr/bin/env bash
# Writes the golden records with Python's fastavro 1.13.1 and Node's avsc 5.7.9, as other people's producers would.
# Needs python3 with venv, node and npm. The records are committed: run this only to add one, and look at the diff.
set -euo pipefail
cd "$(dirname "$0")"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools/python"
"$tools/python/bin/pip" install --quiet fastavro==1.13.1
npm install --silent --no-fund --no-audit --prefix "$tools/node" avsc@5.7.9
"$tools/python/bin/python" make.py >fastavro.ndjson
NODE_PATH="$tools/node/node_modules" node make.js >avsc.ndjson
