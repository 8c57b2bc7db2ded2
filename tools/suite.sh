#!/bin/sh
# Runs the whole suite as four parts side by side: most of its time is waiting for servers, kills and clocks. What the
# others say comes after what the first one says. Fails where one of them does.
#
# tools/suite.sh PYTHON
set -u
python=$1
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
"$python" -m pytest tests/faults tests/bridges tests/fuzz tests/store tests/wire >"$logs/second" 2>&1 &
second=$!
"$python" -m pytest tests/channels tests/exchange tests/demo >"$logs/third" 2>&1 &
third=$!
"$python" -m pytest tests/app tests/verify tests/evidence >"$logs/fourth" 2>&1 &
fourth=$!
trap 'kill "$second" "$third" "$fourth" 2>/dev/null; rm -rf "$logs"; exit 130' INT TERM
"$python" -m pytest --ignore=tests/faults --ignore=tests/bridges --ignore=tests/fuzz --ignore=tests/store \
  --ignore=tests/wire --ignore=tests/channels --ignore=tests/exchange --ignore=tests/demo --ignore=tests/app \
  --ignore=tests/verify --ignore=tests/evidence
failed=$?
for part in second third fourth; do
  eval "wait \$$part" || failed=1
  cat "$logs/$part"
done
exit "$failed"
