# SPDX-License-Identifier: Apache-2.0
# Warder's build.  `make help` lists the goals.  Everything made lands below build/ (or O=DIR).
# Sources are found by folder: a new file needs no line here.

O       ?= build
CC      ?= cc
CLANG   ?= clang
BPFTOOL ?= bpftool
PKGS    := libbpf libelf zlib libmnl libuv jansson yaml-0.1
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
ARCH    := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

BASE_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers -Wvla -D_GNU_SOURCE \
	-Iuserspace -Iinclude -I$(O)/gen $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
ALL_CFLAGS  := $(BASE_CFLAGS) $(SANITIZE) $(CFLAGS)
LIBS        := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread
BPF_CFLAGS  := -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -Wno-address-of-packed-member -D__TARGET_ARCH_$(ARCH) \
	-Ibpf -Iinclude -Ivmlinux

# Sources: main functions apart, everything else is one library.
MAINS   := userspace/agent/main.c userspace/cli/main.c
LIB_SRC := $(sort $(filter-out $(MAINS),$(wildcard userspace/*/*.c)))
LIB_OBJ := $(LIB_SRC:%.c=$(O)/obj/%.o)
BPF_SRC := $(sort $(wildcard bpf/*.bpf.c))
BPF_OBJ := $(BPF_SRC:bpf/%.bpf.c=$(O)/bpf/%.bpf.o)
SKELS   := $(BPF_SRC:bpf/%.bpf.c=$(O)/gen/%.skel.h)
UNIT    := $(patsubst tests/unit/%.c,$(O)/tests/unit/%,$(sort $(wildcard tests/unit/*_test.c)))
TEST_OBJ := $(patsubst %.c,$(O)/obj/%.o,$(sort $(filter-out %_test.c,$(wildcard tests/unit/*.c tests/bpf/*.c))))
BPFTEST := $(patsubst tests/bpf/%.c,$(O)/tests/bpf/%,$(sort $(wildcard tests/bpf/*_test.c)))

.PHONY: all
all: $(O)/bin/warderd $(O)/bin/warderctl ## build everything

$(O)/bin/warderd: $(O)/obj/userspace/agent/main.o $(O)/lib/libwarder.a
$(O)/bin/warderctl: $(O)/obj/userspace/cli/main.o $(O)/lib/libwarder.a
$(O)/bin/%:
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(O)/lib/libwarder.a: $(LIB_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^

$(O)/obj/%.o: %.c $(O)/gen/version.h | $(SKELS)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# BPF: object, stripped of DWARF, then its skeleton.
$(O)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<
	llvm-strip -g $@

$(O)/gen/%.skel.h: $(O)/bpf/%.bpf.o
	@mkdir -p $(@D)
	$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# Rewritten only when the version changed.
$(O)/gen/version.h: FORCE
	@mkdir -p $(@D)
	@echo '#define WARDER_VERSION "$(VERSION)"' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
.PHONY: FORCE
FORCE:

# Tests in C: each *_test.c is one program, the other files beside them are theirs in common.
# tests/suite.h is the frame.
$(O)/tests/%_test: $(O)/obj/tests/%_test.o $(O)/tests/libtests.a $(O)/lib/libwarder.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(O)/tests/libtests.a $(O)/lib/libwarder.a -lcunit $(LIBS)
$(O)/tests/libtests.a: $(TEST_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^
$(O)/obj/tests/%.o: ALL_CFLAGS += -Itests -Itests/unit

# What things cost: programs that print numbers and assert none.
# Their BPF object is not the product's: tests/vm loads all of those.
$(O)/bench/%.bpf.o: tests/bench/%.bpf.c
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<
	llvm-strip -g $@
$(O)/gen/bench/%.skel.h: $(O)/bench/%.bpf.o
	@mkdir -p $(@D)
	$(BPFTOOL) gen skeleton $< name $*_bpf > $@
$(O)/obj/tests/bench/program_bench.o $(O)/obj/tests/bench/link_bench.o: $(O)/gen/bench/parse.skel.h
.PHONY: bench
bench: $(patsubst tests/bench/%.c,$(O)/tests/bench/%,$(wildcard tests/bench/*_bench.c)) ## what it costs, in one run (root)
	@for b in $^; do echo "## $$(basename $$b)"; $$b || exit 1; done
$(O)/tests/bench/%_bench: $(O)/obj/tests/bench/%_bench.o $(O)/lib/libwarder.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lcunit $(LIBS)

# Loaders and probers of tests/vm: plain programs over libbpf.
$(O)/tests/vm/%: $(O)/obj/tests/vm/%.o | $(BPF_OBJ)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

.PHONY: unit-programs bpf-programs
unit-programs: $(UNIT)
bpf-programs: $(BPFTEST)

.PHONY: test-fuzz test test-unit test-bpf test-e2e test-vm demo
test: ## every test that this machine can run
	@O=$(O) tools/test
test-unit: ## tests of the parts, without root
	@O=$(O) tools/test unit
test-fuzz: ## manifests and objects by libFuzzer, under sanitizers
	@O=$(O) tools/test fuzz
test-bpf: ## the real programs under test run
	@O=$(O) tools/test bpf
test-e2e: ## pods as network namespaces, real packets
	@O=$(O) tools/test e2e
test-vm: ## the same objects on other kernels, in QEMU
	@O=$(O) tools/test vm
demo: ## the whole thing in a minute
	@O=$(O) tools/demo

.PHONY: asan
# gcc's own page warns that sanitizers make it see what is not there: -Wformat-overflow does.
asan: ## the unit tests under address and undefined-behaviour sanitizers
	@$(MAKE) -s O=$(O)/asan SANITIZE='-fsanitize=address,undefined -fno-omit-frame-pointer -Wno-format-overflow' \
		all unit-programs
	@O=$(O)/asan tools/test unit

.PHONY: lint format
lint: ## clang-format, clang-tidy, the direction of includes, shellcheck
	@tools/lint
format: ## rewrite the sources as .clang-format says
	@clang-format -i $$(git ls-files '*.c' '*.h' ':!vmlinux')

.PHONY: man docs
man: $(O)/man/warderctl.1 $(O)/man/warderd.8 ## the man pages, below build/man
$(O)/man/warderd.8: $(O)/bin/warderd
	@mkdir -p $(@D)
	$< --help-man >$@
$(O)/man/warderctl.1: $(O)/bin/warderctl
	@mkdir -p $(@D)
	$< man $(@D)
docs: $(O)/bin/warderctl $(O)/bin/warderd ## the pages of docs/ that are made from tables
	for page in alerts reasons maps commands; do $< reference $$page >docs/$$page.md || exit 1; done
	$(O)/bin/warderd --help-markdown >docs/configuration.md

prefix ?= /usr
.PHONY: install
install: all man ## install below DESTDIR
	install -D -t $(DESTDIR)$(prefix)/sbin $(O)/bin/warderd
	install -D -t $(DESTDIR)$(prefix)/bin $(O)/bin/warderctl
	install -D -m 644 -t $(DESTDIR)$(prefix)/share/man/man1 $(O)/man/*.1
	install -D -m 644 -t $(DESTDIR)$(prefix)/share/man/man8 $(O)/man/warderd.8
	install -d $(DESTDIR)$(prefix)/share/bash-completion/completions $(DESTDIR)$(prefix)/share/zsh/site-functions
	$(O)/bin/warderctl completion bash >$(DESTDIR)$(prefix)/share/bash-completion/completions/warderctl
	$(O)/bin/warderctl completion zsh >$(DESTDIR)$(prefix)/share/zsh/site-functions/_warderctl

.PHONY: clean
clean: ## remove what was built
	rm -rf $(O)

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z][a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | sort | awk -F'\t' '{printf "%-14s %s\n", $$1, $$2}'

-include $(shell find $(O) -name '*.d' 2>/dev/null)
