# Everything here works on a fresh clone: what is missing is installed or built first, and said.

OUT     ?= dr-results
TIMEOUT ?= 60m
RUN     ?=
# How many times each drill is played, one play after the other. The report says what so many plays prove.
COUNT   ?= 1
# A part of the drills, such as 1/2, divided by how long they took in the results at DURATIONS: see drreport run -h.
SHARD     ?=
DURATIONS ?=
# fast is for every commit, production has the sizes and the settings of a service; see scenarios_test/suite_test.go.
PROFILE ?= $(or $(DRTEST_PROFILE),fast)
export DRTEST_PROFILE := $(PROFILE)
# The most drills that ever run side by side. How many do follows from the machine while they run: see containertest.Parallel. The
# production profile plays one after the other: a restore of 250 MB keeps the disk so busy that beside it a drill's statements were
# seen to time out.
PARALLEL ?= $(if $(filter production,$(PROFILE)),1,16)
# Tests of the drills themselves: they sabotage the system, or leave it alone.
CHECKS  := Sabotaged$$|Control$$|^TestImages$$

DRREPORT := go run ./drtest/cmd/drreport
DRENGINE := go run ./drtest/cmd/drengine

# Plants of each class that make calibrate plays, drills whose process make stopped stops, and drills that make killed kills: by
# themselves, and with their reapers.
N     ?= 1000
STOPS ?= 200
KILLS ?= 50
PAIRS ?= 10

.PHONY: dr drill test calibrate drift stopped killed images engine lint clean help
.DEFAULT_GOAL := help

dr: images ## play all scenarios, COUNT= times, or a SHARD= of them such as 1/2, and write the report to dr-results/latest
	@$(DRREPORT) run -out '$(OUT)' -count $(COUNT) -timeout $(TIMEOUT) -parallel $(PARALLEL) -skip '$(CHECKS)' \
		$(if $(SHARD),-shard '$(SHARD)') $(if $(DURATIONS),-durations '$(DURATIONS)') ./scenarios_test

drill: images ## play one scenario: make drill RUN=DR-DB-003, RUN=TestPrimaryFailover, RUN='TestShutdown/graceful'
	@$(DRREPORT) run -out '$(OUT)' -count $(COUNT) -timeout $(TIMEOUT) -parallel $(PARALLEL) -skip '$(CHECKS)' -drill '$(or $(RUN),none given)' ./scenarios_test

# The scenarios by themselves, so that no other test's containers run beside a drill, and by drreport, which plays again what the machine kept
# from a verdict: a sabotaged system, too, has to be seen to fail. Those that sabotage their system are skipped without DRTEST_SABOTAGE.
test: images ## run all tests, those that sabotage the system among them
	go test -count=1 -timeout $(TIMEOUT) $$(go list ./... | grep -v /scenarios_test)
	@DRTEST_SABOTAGE=1 $(DRREPORT) run -out '$(OUT)' -timeout $(TIMEOUT) -parallel $(if $(filter 1,$(PARALLEL)),1,4) ./scenarios_test

calibrate: ## play services whose truth is known, N= of each kind, and write how far the figures can be trusted
	go test -count=1 -timeout $(TIMEOUT) -run '^TestCalibration$$' ./internal/calibrate -plants $(N) -keep

drift: ## play drills over HTTP with all processors kept busy beside half of them: is what got slower untrusted?
	go test -v -count=1 -timeout $(TIMEOUT) -run '^TestBusyMachine$$' ./internal/drift -real

stopped: ## play STOPS= of them over HTTP, by a process that is stopped for a while
	go test -v -count=1 -timeout $(TIMEOUT) -run '^TestStopped$$' ./internal/calibrate -stops $(STOPS)

killed: images ## kill KILLS= drills, PAIRS= of them with their reapers, and end others in all ways: what do they leave?
	go test -v -count=1 -timeout $(TIMEOUT) -run '^TestKilled$$' ./drtest/cmd/drengine -kills $(KILLS) -pairs $(PAIRS)

images: engine ## build the container images, where they are missing
	@go test -v -count=1 -vet=off -timeout $(TIMEOUT) -run '^TestImages$$$$' ./scenarios_test

# Without an image registry the base image is made with mmdebstrap. The engine is asked by drengine, since the docker command may follow
# another one than drills do; its own answer is left to the tests, which say what to do when there is none.
engine:
	@if command -v mmdebstrap >/dev/null || [ "$$($(DRENGINE) base 2>/dev/null)" != missing ]; then :; \
	elif [ "$$(id -u)" = 0 ]; then \
		echo "drtest: no image registry answers, installing mmdebstrap to make the base image"; \
		apt-get update -qq && apt-get install -y -qq mmdebstrap >/dev/null; \
	else \
		echo "drtest: no image registry answers, and mmdebstrap, which makes the base image without one, is missing: sudo apt-get install -y mmdebstrap" >&2; exit 1; \
	fi

lint: ## check the form of the code
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these"; exit 1; }
	go vet ./...
	go vet -tags fault ./fixtures/...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	@! git grep -n 'time\.Sleep(' -- '*.go' ':!internal/wait' ':!fixtures' ':!drtest/*_test.go' \
		|| { echo "wait for a condition with internal/wait instead"; exit 1; }
	@go mod tidy -diff >/dev/null || { echo "run go mod tidy"; exit 1; }

clean: ## remove results, and what runs whose processes are gone have left in the engine, but its images
	rm -rf '$(OUT)'
	@$(DRENGINE) clean

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 20
