# `make` alone lists what there is. PORT, PORTAL_DATA and the other variables of portal/settings.py come from outside.
.POSIX:
.PHONY: help run test test-postgres check observatory mutants bench bench-quick install lock clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s  %s\n", $$1, $$2 }' Makefile

run: ## serve the portal with demonstration data on http://localhost:8000/ (other port: PORT=8001 make run)
	@sh scripts/run.sh

test: ## run the tests, those in the browser too (some of them: make test ARGS="-k keys")
	@sh scripts/test.sh $(ARGS)

test-postgres: ## run them on PostgreSQL and Redis: those of DATABASE_URL and CACHE_URL, or its own
	@sh scripts/test_postgres.sh $(ARGS)

check: ## all that has to be right before a commit: style, layers, templates, settings, migrations, tests on every database
	@sh scripts/check.sh

observatory: ## grade every kind of page with the scanner of MDN's HTTP Observatory (needs npm and nginx)
	@sh scripts/observatory.sh

mutants: ## spoil the rights and the roles in every way mutmut knows, and count how many the tests notice
	@sh scripts/mutants.sh

bench: ## measure it beside others, on SQLite and PostgreSQL (ARGS="--compare FILE": and beside an earlier run)
	@sh scripts/bench.sh $(ARGS)

bench-quick: ## the same in under three minutes: less of everything
	@sh scripts/bench.sh --quick $(ARGS)

install: ## only make the environment in .venv, with the tools for tests and checks
	@sh scripts/setup.sh dev

lock: ## pin what the files requirements*.in ask for (newer versions: make lock ARGS=--upgrade)
	@sh scripts/lock.sh $(ARGS)

clean: ## take the environment and the caches away; the data in var/ stay
	rm -rf .venv .venv-bench .pytest_cache .ruff_cache .import_linter_cache .hypothesis mutants test-results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
