# What there is to do with the source. `make check` is what a change must pass; .ci/run is that and much more.

export CGO_ENABLED = 0
FUZZTIME ?= 60s
LOOPS ?= 200

.PHONY: help check test lint golden bench run soak fuzz build channel ci

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## check     lint and test
check: lint test

## test      every test
test:
	go test ./...
	go test -tags skeleton ./publishers/skeleton/...

## lint      gofmt, vet, staticcheck, tidy, known vulnerabilities
lint:
	.ci/lint

## golden    write the golden files anew, and deploy/env.example; read the diff before you commit it
golden:
	for dir in $$(grep -rlE --include='*_test.go' 'flag\.Bool\("update"' . | xargs -n1 dirname | sort -u); do \
		go test -tags skeleton $$dir -update || exit 1; \
	done
	go run ./cmd/crieur env > deploy/env.example
	git status --short

## bench     measure the whole (crieur bench) and the parts
bench:
	go run ./cmd/crieur bench
	go run ./cmd/crieur bench email
	go test -run '^$$' -bench . $$(grep -rlE --include='*_test.go' '^func Benchmark' . | xargs -n1 dirname | sort -u)

## run       the demo: every channel on a simulated platform, nothing leaves the machine
run:
	go run ./cmd/crieur demo

## build     bin/crieur, static and reproducible
build:
	go build -trimpath -ldflags '-s -w' -o bin/crieur ./cmd/crieur

## soak      kill the server LOOPS times (200), and in a mailing and a digest for 100,000, let 1,000 come due at once, and see that nothing is lost or doubled
soak:
	CRASH_LOOPS=$(LOOPS) MAIL_PEOPLE=100000 MAIL_KILLS=10 DIGEST_PEOPLE=100000 go test -run TestKill ./cmd/crieur -v -timeout 60m
	CRIEUR_TEST_LIVES=600 go test -run TestChangingOnesMind ./internal/broadcast -timeout 60m
	DUE=1000 go test -run 'TestManyDue|TestManyRemindersDue' ./cmd/crieur ./internal/digest ./internal/broadcast -v -timeout 60m

## fuzz      every fuzz target for FUZZTIME (60s)
fuzz:
	.ci/fuzz $(FUZZTIME)

## channel   NAME=fax: a new channel, copied from the skeleton (CONTRIBUTING.md)
channel:
	@sh publishers/skeleton/new.sh $(NAME)

## ci        everything, as it is checked before a change is taken in
ci:
	.ci/run
