# The chores. `make` lists them.

GO       ?= go
FUZZTIME ?= 5m
export CGO_ENABLED ?= 0

.PHONY: help test lint bench demo fuzz race build generate gpu-tests

help: ## list the chores
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /	/' | expand -t 10

test: ## all tests
	$(GO) test ./...

race: ## the race detector over the packages that use goroutines (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -short -count=1 -timeout 25m ./internal/kernel ./graph/... ./projection ./loader/... ./trainer ./trainer/sweep/... ./benchmarks ./cmd/...

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags openblas ./...
	$(GO) vet -tags gpu ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 -tags gpu ./...

bench: ## the training step beside the peers that are installed
	$(GO) run ./cmd/cosfit bench step

demo: ## train on the sample
	$(GO) run ./cmd/cosfit demo

fuzz: ## each fuzz target for FUZZTIME
	@set -e; for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "$$package $$target"; \
	    $(GO) test $$package -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x; \
	  done; \
	done

generate: ## the assembly of the matrix product
	$(GO) run ./internal/kernel/_gen internal/kernel

gpu-tests: ## the test binaries that benchmarks/gpu/verify.sh runs on a machine with a GPU, in dist/
	$(GO) test -c -tags gpu -ldflags "-s -w -X github.com/cosfit/cosfit/cuda_test.commit=$$(git describe --always --dirty)" -o dist/cuda.test ./cuda
	$(GO) test -c -tags gpu -ldflags "-s -w" -o dist/kernels.test ./cuda/internal/kernels

build: ## a small static binary in dist/
	$(GO) build -trimpath -ldflags "-s -w" -o dist/cosfit ./cmd/cosfit
