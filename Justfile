# emberdrop: everything a newcomer needs. `just` alone lists the recipes.

export CGO_ENABLED := "0"
tools := "go tool -modfile=.ci/tools/go.mod"
allow_root := if `id -u` == "0" { "--allow-root" } else { "" }
race := "CGO_ENABLED=1 go test -race"
corpus := 'if [ -e .cache/corpus/complete ]; then export EMBERDROP_CORPUS="$PWD/.cache/corpus"; fi'

[private]
default:
    @{{ just_executable() }} --list --unsorted --justfile {{ justfile() }}

# the main job on a private Tor network on this machine: share a photo, open it once, see it gone
demo: tor
    go run ./tests/demo

# serve on the public Tor network; the data folder is made if it is missing
run data="./data": tor
    go build -o emberdrop .
    test -e {{ data }}/onion.key || ./emberdrop init --data {{ data }}
    ./emberdrop serve --data {{ data }} {{ allow_root }}

# First with the race detector all that does things at once; then the end-to-end tests, and the whole of what was cut short.
# Never from the cache, since the end-to-end tests build the program themselves. What mostly waits for Tor begins first.
#
# every check and every test
test: check tor browser corpus packager
    {{ race }} -short -p 3 -timeout 30m $(go list ./... | grep -v -e /tests -e /strip -e /review)
    {{ corpus }}; go test -count=1 -p 3 -parallel 3 -timeout 30m ./tests ./tests/pages ./onion ./link ./match/... ./review ./strip ./tests/...

# what must hold before a commit: format, vet, staticcheck, generated pages, known vulnerabilities
check:
    @test -z "$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }
    go vet ./...
    go vet -tags man .
    {{ tools }} templ generate -check -path views
    {{ tools }} templ generate -check -path review
    {{ tools }} staticcheck ./...
    .ci/vulncheck

# make the pages' Go code anew from the templates
gen:
    {{ tools }} templ generate -path views
    {{ tools }} templ generate -path review

# take the classifier's network anew out of the package that publishes it, and refuse any other
weights:
    #!/usr/bin/env bash
    set -euo pipefail
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && npm pack --silent nsfwjs@4.4.0)
    go run ./match/classify/extract "$work/nsfwjs-4.4.0.tgz" match/classify
    git diff --stat --exit-code match/classify

# ask the runtime that the classifier's answers are compared with (a minute, with Node and 350 MB of packages)
reference:
    #!/usr/bin/env bash
    set -euo pipefail
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    go run ./match/classify/reference draw match/classify/testdata
    go run ./match/classify/reference unpack match/classify/testdata "$work"
    cp match/classify/reference/reference.mjs "$work"
    (cd "$work" && npm install --silent --no-save --ignore-scripts nsfwjs@4.4.0 @tensorflow/tfjs@4.22.0 buffer@6.0.3 && node reference.mjs *.rgb)
    cp "$work/scores.json" match/classify/testdata
    git diff --stat --exit-code match/classify/testdata

# every page in every state and language, from sample data, as files to look at
pages folder="artefacts/pages":
    go run ./views/preview {{ folder }}

# the manual pages, made from the program's own help
man folder="artefacts/man":
    mkdir -p {{ folder }}
    SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" go run -tags man . man {{ folder }}

# a Debian package for this machine; two builds of one commit are identical bytes
deb folder="artefacts/deb":
    packaging/build {{ folder }} $(go env GOHOSTARCH)

# static binaries and Debian packages for amd64 and arm64, with checksums and bills of materials
release folder="artefacts/release":
    packaging/build {{ folder }} amd64 arm64

# the long forms: a hundred thousand power cuts, every fault at every place, a thousand kills
soak:
    EMBERDROP_CRASHES=100000 go test -timeout 0 -run 'TestCrashes$' ./link
    EMBERDROP_SOAK=1 go test -timeout 60m -run 'TestFaults$|Damaged|CutPayload|TestLinearizable|TestCheckThenBurn' ./link
    EMBERDROP_SOAK=1 go test -timeout 30m -run Systemd ./packaging
    EMBERDROP_SOAK=1 go test -timeout 60m ./eventlog ./strip
    EMBERDROP_SOAK=1 go test -timeout 30m -v -run 'TestStaysUp' ./tests
    EMBERDROP_SOAK=1 go test -timeout 30m -v -run 'HostClockJumps' ./onion
    EMBERDROP_SOAK=1 go test -timeout 60m -run 'CutCircuit|OneAnswerTakesOneTime|NothingIsTooWide' ./tests ./tests/pages
    EMBERDROP_SOAK=1 EMBERDROP_KILLS=1000 go test -timeout 2h -run 'Kill|Device' ./tests
    EMBERDROP_SOAK=1 go test -count=1 -v -timeout 30m -run 'TestQuotaUnderLoad|TestSlowLorisOverTor' ./tests
    EMBERDROP_SOAK=30m go test -count=1 -v -timeout 2h -run 'TestSoak$' ./tests
    EMBERDROP_BENCH=big go test -run '^$' -bench 'Open|Purge' -benchtime 1x -timeout 60m ./link

# benchmarks, each against a baseline in the same run
bench pattern=".":
    go test -run '^$' -bench '{{ pattern }}' -benchmem ./...

# each fuzz target for so long
fuzz time="30s":
    .ci/fuzz {{ time }}

[private]
tor:
    @.ci/need tor tor

[private]
browser:
    @.ci/need firefox-esr firefox-esr
    @.ci/need chromium chromium
    @.ci/need gcc gcc libc6-dev
    @.ci/need exiftool libimage-exiftool-perl
    @.ci/need ffmpeg ffmpeg
    @.ci/need dwebp webp
    @.ci/need curl curl
    @.ci/need mkfs.ext4 e2fsprogs mount

[private]
packager:
    @.ci/need systemd-analyze systemd
    @.ci/need dpkg-deb dpkg

# pictures from elsewhere; only CI insists on them
[private]
corpus:
    @.ci/corpus .cache/corpus || test "${CI:-}" != true
