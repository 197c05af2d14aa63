# usage: mutants.sh   spoils the rights and the roles one place at a time; a test must fail each time
set -eu
cd "$(dirname "$0")/.."
sh scripts/setup.sh dev
PATH=$PWD/.venv/bin:$PATH
rm -rf mutants # the verdicts of another day
if ! output=$(mutmut run 2>&1); then
    printf '%s\n' "$output" | tr '\r' '\n' | tail -n 40
    exit 1
fi
results=$(mutmut results --all true)
killed=$(printf '%s\n' "$results" | grep -c ': killed$' || true)
all=$(printf '%s\n' "$results" | grep -c ': ')
printf '%s\n' "$results" | sed -n '/: killed$/!s/: .*//p' | while read -r mutant; do
    mutmut show "$mutant"
done
echo "$killed of $all mutants killed."
[ "$killed" = "$all" ]
rm -rf mutants
