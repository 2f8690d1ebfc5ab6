module emberdrop

go 1.26.0

require (
	github.com/a-h/templ v0.3.1020 // pages
	github.com/anishathalye/porcupine v1.3.1 // tests: linearizability
	github.com/cockroachdb/pebble/v2 v2.1.7 // the event log, and the file system that vault is written against
	github.com/cretz/bine v0.2.1-0.20221201125941-b9d31d9c7866 // launches and controls tor; its last tag does not work with a current tor
	github.com/fxamacker/cbor/v2 v2.9.6 // events
	github.com/klauspost/compress v1.20.3 // notes and backups; finds the true end of PNG data; gzip of pages
	github.com/landlock-lsm/go-landlock v0.10.0 // fences the process in
	github.com/nicksnyder/go-i18n/v2 v2.7.0 // messages and plurals
	github.com/prometheus/client_model v0.3.0 // tests: judges the metrics
	github.com/prometheus/common v0.42.0 // tests: judges the metrics
	github.com/rogpeppe/go-internal v1.16.0 // tests: the command line as scripts
	github.com/schollz/progressbar/v3 v3.19.0 // progress on a terminal
	github.com/spf13/cobra v1.10.2 // commands, flags, help
	github.com/spf13/pflag v1.0.9 // cobra's flags, for the groups in the help
	golang.org/x/crypto v0.58.0 // Argon2id
	golang.org/x/image v0.47.0 // decodes WebP, to compare and classify it
	golang.org/x/net v0.62.0 // the SOCKS client; tests: an HTML parser
	golang.org/x/sys v0.49.0 // no core dumps, room on the disk
	golang.org/x/term v0.47.0 // asking for a passphrase
	golang.org/x/text v0.43.0 // choice of language
	pgregory.net/rapid v1.3.0 // tests: state machines
	rsc.io/qr v0.2.0 // the QR code of a link
)

require (
	github.com/DataDog/zstd v1.5.7 // indirect
	github.com/RaduBerinde/axisds v0.1.0 // indirect
	github.com/RaduBerinde/btreemap v0.0.0-20250419174037-3d62b7205d54 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.2.0 // indirect
	github.com/cockroachdb/crlib v0.0.0-20241112164430-1264a2edc35b // indirect
	github.com/cockroachdb/errors v1.11.3 // indirect
	github.com/cockroachdb/logtags v0.0.0-20230118201751-21c54148d20b // indirect
	github.com/cockroachdb/redact v1.1.5 // indirect
	github.com/cockroachdb/swiss v0.0.0-20260820225851-333444432258 // indirect
	github.com/cockroachdb/tokenbucket v0.0.0-20230807174530-cc333fc44b06 // indirect
	github.com/cpuguy83/go-md2man/v2 v2.0.6 // indirect
	github.com/getsentry/sentry-go v0.27.0 // indirect
	github.com/gogo/protobuf v1.3.2 // indirect
	github.com/golang/protobuf v1.5.3 // indirect
	github.com/golang/snappy v0.0.5-0.20231225225746-43d5d4cd4e0e // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/kr/pretty v0.3.1 // indirect
	github.com/kr/text v0.2.0 // indirect
	github.com/matttproud/golang_protobuf_extensions v1.0.4 // indirect
	github.com/minio/minlz v1.0.1-0.20250507153514-87eb42fe8882 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/pkg/errors v0.9.1 // indirect
	github.com/prometheus/client_golang v1.16.0 // indirect
	github.com/prometheus/procfs v0.10.1 // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/russross/blackfriday/v2 v2.1.0 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/exp v0.0.0-20230626212559-97b1e661b5df // indirect
	golang.org/x/tools v0.51.0 // indirect
	google.golang.org/protobuf v1.33.0 // indirect
	kernel.org/pub/linux/libs/security/libcap/psx v1.2.77 // indirect
)
