# Everything that is done to this repository, one target each. Tools are pinned
# here and built from source; nothing else is needed but Go, git and a C
# compiler for the race detector (make test RACE= does without).

BIN      := bin
TAP      := $(BIN)/tap-backoffice
LINTER   := 2.15.0
LINT     := $(BIN)/golangci-lint-$(LINTER)
VULN     := 1.8.0
VULNDB   ?= https://vuln.go.dev
CONFIG   := --config internal/house/golangci.yml
RACE     ?= -race
FUZZTIME ?= 10s
GO_BUILD := CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -buildid="
# What tests write with -update, and the packages whose tests do.
GOLDEN    = catalogs testdata internal/house/golangci.yml
GOLDENERS = $(call packages,flag.Bool."update")
FUZZERS   = $(call packages,^func Fuzz)
packages  = $(addprefix ./,$(sort $(dir $(shell grep -rl --include='*.go' '$(1)' internal))))
# Tests that build the program: Go knows the result by what they import, and would
# repeat it though the program is another one.
FRESH    := -count=1
SUITE     = ./internal/sourcetest ./internal/source/...
STANDINS  = ./internal/emulator/...
OTHERS    = $(shell go list ./... | grep -v -e /internal/sourcetest$$ -e /internal/source/ -e /internal/emulator -e /internal/house$$ -e /internal/long$$ -e /internal/hostile$$ -e /internal/storm$$)
PLATFORMS = linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

.DEFAULT_GOAL := help
.PHONY: help build test race check lint fmt vet tidy-check golden golden-check catalogs fuzz crash suite storm hostile secrets vuln long bars e2e bench demo cover clean release linter

help: ## what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the static binary, bin/tap-backoffice
	$(GO_BUILD) -o $(TAP) ./cmd/tap-backoffice

test: ## every test, briefly where the same is done for many systems and states
	go test $(RACE) $(OTHERS)
	go test -short $(SUITE) $(STANDINS) ./internal/house
	go test $(FRESH) ./internal/long
	go test $(FRESH) -short ./internal/hostile

race: ## the suite, the sources and the stand-ins with the race detector
	go test $(RACE) $(SUITE) $(STANDINS)

check: vet tidy-check lint golden-check test ## all that must hold before a commit

lint: $(LINT) ## golangci-lint, formatting included
	$(LINT) run $(CONFIG) ./...

fmt: $(LINT) ## formats all Go files
	$(LINT) fmt $(CONFIG)

vet: ## go vet
	go vet ./...

tidy-check: ## go.mod and go.sum are what go mod tidy would write
	go mod tidy -diff

golden: ## writes catalogs and golden files anew; read the diff
	go test $(GOLDENERS) -update

golden-check: golden ## generated files differ from the index: none
	@git diff --exit-code --stat -- $(GOLDEN)
	@new=$$(git ls-files --others --exclude-standard -- $(GOLDEN)); \
	if [ -n "$$new" ]; then echo "generated, but not in git:"; echo "$$new"; exit 1; fi

catalogs: ## writes catalogs/<source>.json anew
	go test ./internal/sourcetest -run '/.*/discovery' -update

# An input of interest is made shorter in a hundred tries, by default in up to a
# minute. A second try tells a finding (it is kept in testdata/fuzz and fails
# again) from a fuzzing worker that a busy machine cut off.
fuzz: ## each fuzz target for FUZZTIME (10s)
	@set -e; for pkg in $(FUZZERS); do \
	  targets=$$(go test -list '^Fuzz' $$pkg); \
	  for target in $$(echo "$$targets" | grep '^Fuzz'); do \
	    echo "fuzz $$pkg $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$pkg || \
	    go test -run "^$$target\$$" -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$pkg; \
	  done; \
	done

crash: ## kills 1,000 runs around the renewal of a token; make test kills 100
	go test ./internal/auth -run 'TestCrash$$|TestWindowOfLoss' -v -runs 1000

suite: ## the suite and the tests of the sources whole: every way, seed, state and switch
	go test $(SUITE)

storm: build ## thousands of runs in bad weather: SEED, RUNS; SOURCES=a,b for some
	go test $(FRESH) ./internal/storm
	go run ./internal/storm -tap $(TAP) -seed $(or $(SEED),1) -runs $(or $(RUNS),1500) -sources '$(SOURCES)'

hostile: ## servers that mean harm: what the program does, and how much memory it takes
	go test $(FRESH) ./internal/hostile

secrets: ## looks for credentials put into every place, at every log level in every format
	go test ./internal/cli -run 'Secrets|Nobody' -v -every

vuln: ## known vulnerabilities in what is called; VULNDB=file:///FOLDER for a copy of the database
	go run golang.org/x/vuln/cmd/govulncheck@v$(VULN) -db $(VULNDB) ./...

long: ## ten million records, days of tokens and quotas, 300 nights
	go test $(FRESH) ./internal/long -v -timeout 60m -records 10000000 -hours 24 -nights 300

bars: ## the calls and credits that large accounts may cost
	go test ./internal/source/zohocrm -run 'ManyContacts|UnchangedModules|Discovery' -v -contacts 100000
	go test ./internal/source/slascone ./internal/source/accountview -run 'Calls' -v
	go test ./internal/source/buchhaltungsbutler -run 'TestWhole' -v

e2e: build ## real loaders, runners and peers against the sandbox
	testdata/e2e/run.sh $(TAP)

bench: ## measures the conversion of rows and the whole program
	go test -run '^$$' -bench . -benchmem ./internal/record
	go run ./internal/bench

demo: build ## the tap at work on the sandbox, without an account
	go run ./internal/demo $(TAP)

cover: ## coverage by package, out/cover.html
	@mkdir -p out
	go test -coverpkg ./... -coverprofile out/cover.out ./...
	go tool cover -html out/cover.out -o out/cover.html
	@go tool cover -func out/cover.out | tail -1

clean: ## removes what make built
	rm -rf $(BIN) out

release: check ## binaries for all platforms with checksums, in out/release
	rm -rf out/release && mkdir -p out/release
	@set -e; for platform in $(PLATFORMS); do \
	  os=$${platform%/*}; arch=$${platform#*/}; ext=; [ $$os != windows ] || ext=.exe; \
	  echo "build $$platform"; \
	  GOOS=$$os GOARCH=$$arch $(GO_BUILD) -o out/release/tap-backoffice_$${os}_$$arch$$ext ./cmd/tap-backoffice; \
	done
	cd out/release && sha256sum tap-backoffice_* > SHA256SUMS && cat SHA256SUMS

linter: $(LINT) ## installs golangci-lint into bin

$(LINT):
	GOBIN=$(CURDIR)/$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v$(LINTER)
	mv $(BIN)/golangci-lint $@
