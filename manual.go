package main

// chapter is what the manual says of one command, beside its flags.
type chapter struct {
	group   string // of the commands, see commandGroups
	long    string
	example string
	flags   []flagGroup // headings for its flags; what none claims comes last
}

// manual are the texts of --help and of the manual pages, by command. A test
// holds them against the commands: each has one, and names no flag that is not there.
func manual() map[string]chapter {
	folderFlags := flagGroup{"Data folder and keys", []string{"data", "host-key", "onion-key", "unlock", "unlock-fd"}}
	m := serverManual(folderFlags)
	for path, c := range folderManual(folderFlags) {
		m[path] = c
	}
	for path, c := range abuseManual(folderFlags) {
		m[path] = c
	}
	for path, c := range clientsManual(folderFlags) {
		m[path] = c
	}
	for path, c := range visitorManual() {
		m[path] = c
	}
	return m
}

func serverManual(folderFlags flagGroup) map[string]chapter {
	return map[string]chapter{
		"emberdrop": {
			long: `Emberdrop is a server for photos, videos and notes at a Tor onion address. Whoever uploads gets a
link that ends when they said it should, and then its content, record and key are destroyed.

Everything of one server lies in one data folder, which every command of the operator needs to be
told of with --data. Commands for a running server reach it over DIR/admin.sock, so they have to run
as its user, or as root.

Exit codes: 0 is success, 1 is failure, 2 is a command line that makes no sense. What a command
found out goes to standard output, progress and errors to standard error.`,
			example: `  emberdrop init --data /srv/emberdrop
  emberdrop serve --data /srv/emberdrop
  emberdrop put photo.jpg --burn --to http://ADDRESS.onion`,
		},
		"emberdrop init": {group: "server",
			long: `Init makes a new data folder: the key of the onion address, the host key, an empty log and an empty
vault with its key. It prints the address, which answers as soon as serve runs.

It refuses a folder that exists and is not empty: keys are never overwritten. Replacing the host key
or the vault key ends every link; the onion key is the address, so save it (emberdrop backup).

With --host-key on another device than the data folder, a thief of the data disk does not even learn
that a link existed. The same flags have to be given to serve and to every other command. A service of
systemd can have both keys as credentials, emberdrop.host-key and emberdrop.onion-key; init takes them
as they are.

With --seal both keys are stored under a passphrase, which serve, verify and backup want from then on
(--unlock, --unlock-fd). See emberdrop passphrase.`,
			example: `  emberdrop init --data /srv/emberdrop
  emberdrop init --data /srv/emberdrop --seal
  emberdrop init --data /srv/emberdrop --host-key /media/stick/host.key`,
			flags: []flagGroup{folderFlags},
		},
		"emberdrop serve": {group: "server",
			long: `Serve starts a tor of its own, publishes the onion service and serves it until it is interrupted.
It uses a folder that init made, and makes none. The address goes to standard output once it can be
reached; progress and the log go to standard error. The log holds categories only, never a name, an
address or an id.

No TCP port is opened: tor reaches the server over a socket in the data folder. The system's own tor
service is neither needed nor touched.

Before it opens the data folder it gives up what it does not need, for itself and for its tor: all
files but the data folder, the host key and what tor reads, all programs but tor, TCP ports, signals to
others, and system calls that only an attacker would make. Where the kernel cannot do all of that, a
warning says what is missing, or it does not serve at all (--require-hardening). It does not run as
root.

SIGINT and SIGTERM end it: uploads and downloads under way get five seconds. SIGUSR2 is emberdrop
panic: every key is destroyed, at once, without a question.

Sizes are numbers of bytes, or with a unit: 500KiB, 64MiB, 20GiB, 1TiB. Durations have units too: 90s,
5m, 24h.`,
			example: `  emberdrop serve --data /srv/emberdrop
  emberdrop serve --data /srv/emberdrop --max-file 200MiB --max-upload 1GiB --free-floor 5GiB
  emberdrop serve --data /srv/emberdrop --torrc-extra bridges.conf
  emberdrop serve --data ./data --listen unix:./drop.sock --public-url http://drop.test`,
			flags: []flagGroup{
				folderFlags,
				{"Tor", []string{"tor", "torrc-extra", "probe-every", "max-streams", "pow-rate", "pow-burst"}},
				{"What is taken", []string{"max-file", "max-pass-file", "max-upload", "allow-any-file", "contact"}},
				{"How much", []string{"quota", "never-share", "free-floor", "max-staged", "max-uploads", "max-connections", "stall"}},
				{"When things end", []string{"max-expire", "never-idle", "lease-idle", "lease-max", "receipt-ttl", "purge-age", "purge-dead"}},
				{"Reports and cases", []string{"operator-key", "hold-max"}},
				{"Who looks at uploads", []string{"classify", "classify-at", "clamd", "scan-hook", "scan-rule", "video-decoder"}},
				{"What the process may do", []string{"require-hardening", "allow-root", "allow-read"}},
				{"Comparing uploads with lists", []string{"unscanned", "scan-time", "scan-pixels"}},
				{"Without Tor", []string{"listen", "public-url"}},
			},
		},
		"emberdrop status": {group: "server",
			long: `Status asks a running server how it is: the state of the onion service, the address, how many links
live, what the disk holds, and under "attention" what needs the operator, in plain sentences with
what to do. A line with ! is urgent, one with - is advice.

The states of the service: starting (tor is launched), connecting (tor connects to the network),
publishing (the address is being made known), reachable (proved: the server came through Tor to its own
address, as a visitor does), degraded (it was reachable and is not known to be now; the reason and what
is done about it stand beside it), stopped. With --probe-every 0 nothing is proved, and published is as
good as it gets. With --listen it is serving.

Prometheus can read the same as metrics, from GET /metrics on DIR/admin.sock, or from a file that a
timer writes with --prometheus for the textfile collector of its node exporter. Names end in their
unit; alert on emberdrop_attention, whose label says what is the matter.`,
			example: `  emberdrop status --data /srv/emberdrop
  emberdrop status --data /srv/emberdrop --json
  emberdrop status --data /srv/emberdrop --prometheus > /var/lib/node_exporter/emberdrop.prom
  curl --unix-socket /srv/emberdrop/admin.sock http://admin/metrics`,
			flags: []flagGroup{folderFlags, {"Output", []string{"json", "prometheus"}}},
		},
		"emberdrop passes": {group: "server",
			long: `A pass is a code that lets one upload have larger files (--max-pass-file of serve). It is not tied to
anybody: the server keeps its hash only, and forgets that too when it is spent.`,
			example: `  emberdrop passes mint --data /srv/emberdrop 10
  emberdrop passes count --data /srv/emberdrop`,
		},
		"emberdrop passes mint": {
			long: `Mint makes N new passes on a running server and prints them, one a line. Nothing else keeps them: what
is not copied now is lost. Whoever has a pass gives it with an upload, once.`,
			example: `  emberdrop passes mint --data /srv/emberdrop 10 > passes.txt`,
			flags:   []flagGroup{folderFlags},
		},
		"emberdrop passes count": {
			long:    `Count asks a running server how many passes are not spent yet.`,
			example: `  emberdrop passes count --data /srv/emberdrop`,
			flags:   []flagGroup{folderFlags},
		},
		"emberdrop version": {
			long:    `Version prints what this program is, as it was built.`,
			example: `  emberdrop version`,
		},
	}
}

func folderManual(folderFlags flagGroup) map[string]chapter {
	sealed := flagGroup{"What seals the backup", []string{"passphrase-file", "key-file"}}
	return map[string]chapter{
		"emberdrop verify": {group: "folder",
			long: `Verify compares the log, its projections and the payload files of a stopped server. It needs no link
and no passphrase, changes nothing, and names no link. It reads every payload, so it takes as long as
reading the disk does; on a terminal it shows how far it is.

It exits 0 and prints "in order", or 1 and says what is wrong. An ended link that waits to be shredded
is no disorder: the header with its half of the key was overwritten when it ended. Projections that are
wrong are mended by emberdrop rebuild; a damaged payload cannot be mended, its link answers with an
error until it ends.`,
			example: `  emberdrop verify --data /srv/emberdrop`,
			flags:   []flagGroup{folderFlags},
		},
		"emberdrop rebuild": {group: "folder",
			long: `Rebuild folds the log of a stopped server anew into everything that is derived from it. On a folder in
order that changes nothing. A crash in the middle leaves either the old or the new.`,
			example: `  emberdrop rebuild --data /srv/emberdrop`,
			flags:   []flagGroup{folderFlags},
		},
		"emberdrop sweep": {group: "folder",
			long: `Sweep has a running server end what is due and shred what has ended, now. It does so by itself too, the
moment something is due; the command is for when a disk that failed works again, or to see an error.`,
			example: `  emberdrop sweep --data /srv/emberdrop`,
			flags:   []flagGroup{folderFlags},
		},
		"emberdrop purge": {group: "folder",
			long: `Purge has a running server drop every finished link whose receipt has lapsed from the log, and every
trace of it from the disk. It goes on serving meanwhile. It does so by itself too, see --purge-age and
--purge-dead of serve.`,
			example: `  emberdrop purge --data /srv/emberdrop`,
			flags:   []flagGroup{folderFlags},
		},
		"emberdrop backup": {group: "folder",
			long: `Backup writes what a host is into one sealed file: the onion key, settings, lists with the
bank, and totals. Never a link, nor what opens one, so what has ended cannot come back from a backup.
The server may run meanwhile.

The file is sealed under a passphrase, which is asked for, or under a file of at least 32 random bytes.
Who has both has the address. FILE must not exist yet.`,
			example: `  emberdrop backup --data /srv/emberdrop backup.emberdrop
  head -c 32 /dev/urandom > backup.key
  emberdrop backup --data /srv/emberdrop --key-file backup.key backup.emberdrop`,
			flags: []flagGroup{folderFlags, sealed},
		},
		"emberdrop restore": {group: "folder",
			long: `Restore makes a new data folder with the address, settings, lists and totals of a backup, and new host
and vault keys. No link is in it. It refuses a folder that exists and is not empty.

Two servers with one address get in each other's way: stop the old one first, for good.`,
			example: `  emberdrop restore --data /srv/emberdrop backup.emberdrop
  emberdrop restore --data /srv/emberdrop --key-file backup.key backup.emberdrop`,
			flags: []flagGroup{folderFlags, sealed},
		},
		"emberdrop passphrase": {group: "folder",
			long: `Passphrase seals the host key and the onion key under a passphrase: who takes the disk, and has the URL of
a live link, then needs that as well. It asks for the passphrase in use, if there is one, and twice for
the new one. --remove stores the keys unsealed again. It may be done beside a running server.

From then on serve does not start by itself: it needs --unlock and a terminal, or a descriptor from which
the passphrase comes (--unlock-fd). So do verify and backup. Panic needs nothing. A passphrase that is
forgotten is lost, and with it every link; the address comes back from a backup, which is sealed by itself.

The old contents of the files are overwritten, which not every medium does in place (an SSD does not).
Seal a new folder with init --seal, if that matters.`,
			example: `  emberdrop passphrase --data /srv/emberdrop
  emberdrop passphrase --data /srv/emberdrop --remove
  systemd-ask-password | emberdrop serve --data /srv/emberdrop --unlock-fd 0`,
			flags: []flagGroup{folderFlags, {"The new passphrase", []string{"new-fd", "remove"}}},
		},
		"emberdrop rotate": {group: "folder",
			long: `Rotate gives a stopped server a new onion address and destroys the key of the old one: when that key may
be in other hands, or when the old address is known to too many. It cannot be undone, unless a backup
has the old key.

Nobody reaches the old address any more. Links go on living: a link opens under the new address with the
rest of its URL as it was. Who had a key of a private instance keeps it; in the line for Tor Browser the
address has to be exchanged. Write a new backup afterwards, and destroy the old ones.`,
			example: `  emberdrop rotate --data /srv/emberdrop
  emberdrop rotate --data /srv/emberdrop --yes`,
			flags: []flagGroup{folderFlags},
		},
		"emberdrop panic": {group: "folder",
			long: `Panic destroys the keys, so that no link can be opened any more by anybody, and then shreds and purges
everything that is left. There is no way back. The keys go first, within moments; the rest takes as
long as overwriting the files does, and it does not matter if it is cut off.

It works beside a running server, which ends, and on a stopped folder. SIGUSR2 to the server does the
same. The folder cannot be served again; the onion key stays in it, so the address can be kept with
emberdrop backup, and restore into a new folder.`,
			example: `  emberdrop panic --data /srv/emberdrop
  emberdrop panic --data /srv/emberdrop --yes
  systemctl kill --kill-whom=main --signal=SIGUSR2 emberdrop`,
			flags: []flagGroup{folderFlags},
		},
	}
}

func visitorManual() map[string]chapter {
	return map[string]chapter{
		"emberdrop put": {group: "visitor",
			example: `  emberdrop put photo.jpg --burn --to http://ADDRESS.onion
  emberdrop put *.jpg --caption 'the sea' --expire 1w --views 5 --to http://ADDRESS.onion
  echo 'meet at nine' | emberdrop put --note - --burn --to http://ADDRESS.onion
  emberdrop put video.mp4 --seal --to http://ADDRESS.onion`,
			flags: []flagGroup{
				{"Where to", []string{"to", "via"}},
				{"When the link ends", []string{"burn", "views", "expire", "idle"}},
				{"What goes with it", []string{"caption", "note", "passphrase-file", "pass", "seal"}},
			},
		},
		"emberdrop get": {group: "visitor",
			example: `  emberdrop get http://ADDRESS.onion/s/SECRET
  emberdrop get 'http://ADDRESS.onion/s/SECRET#KEY' --out pictures --yes`,
		},
	}
}
