package main

// abuseManual is the part of the manual on what visitors report.
func abuseManual(folderFlags flagGroup) map[string]chapter {
	server := flagGroup{"Which server", []string{"data", "socket"}}
	return map[string]chapter{
		"emberdrop keys": {
			group: "abuse",
			long: `The operator's keys. Reports are sealed to the public key, so that the server itself cannot read
them. Make the identity, which opens them, on your own machine, and never bring it to the server. The
server takes the public key when it starts. Make a new pair every few months: when you have destroyed
the old identity, nobody can open the old cases any more.`,
			example: `  emberdrop keys new operator.identity > operator.pub
  scp operator.pub SERVER:/srv/emberdrop/operator.pub`,
		},
		"emberdrop keys new": {
			long: `Make an identity in a new file that only you can read. Its public key, one long line, goes to
standard output, its fingerprint to standard error: the server says the same one when it starts.`,
			example: `  emberdrop keys new operator.identity > operator.pub`,
		},
		"emberdrop keys show": {
			long:    `Print the public key of an identity once more, and its fingerprint.`,
			example: `  emberdrop keys show operator.identity`,
		},
		"emberdrop reports": {
			group: "abuse",
			long: `List the cases that wait for your decision, the most urgent first. What a case is about is sealed to
your key: look at it with emberdrop review.`,
			example: `  emberdrop reports --data /srv/emberdrop
  ssh -N -L ./admin.sock:/srv/emberdrop/admin.sock SERVER &
  emberdrop reports --socket ./admin.sock`,
			flags: []flagGroup{server},
		},
		"emberdrop review": {
			group: "abuse",
			long: `Look at a reported item and decide what becomes of it. Run it on your own machine, where the identity
is. The sealed case and the ciphertext of this one item come over the admin socket, are opened in RAM,
decoded by a child process that can open no file and no connection, and shown on one page of a
loopback port, blurred and grey until you say otherwise. The page is shown once, and nothing is
written to the disk. Your browser may have a cache of its own: use a private window.

  dismiss   nothing is wrong; a held link answers again
  remove    the link ends now, everything of it is shredded
  block     the same, and what looks like it is refused from now on
  preserve  the link ends, the ciphertext is kept until a date, sealed to your key

With --decide nothing is shown, and only block needs the identity.`,
			example: `  ssh -N -L ./admin.sock:/srv/emberdrop/admin.sock SERVER &
  emberdrop review CASE --identity operator.identity --socket ./admin.sock
  emberdrop review CASE --decide remove --socket ./admin.sock`,
			flags: []flagGroup{{"The case", []string{"identity", "decide", "until"}}, server},
		},
		"emberdrop takedown": {group: "abuse",
			long: `Takedown ends a link at once and shreds everything of it, open views included: they stop at their next
chunk. It is blind: no key is needed, nobody looks at anything, and no case has to be there. What is
open about the link is closed as removed, but for what is preserved. The removal is counted under its
reason, in the totals.

The link is named by its address, by the secret in it, or by its id, which its upload page shows and
which stands in reports. An address on a command line can be seen by everybody on the machine and stays
in the shell's history: give - and the link on standard input.

It works on a running server and on a folder that no server uses. A link that has ended already is no
error; one that the folder does not know is.`,
			example: `  emberdrop takedown --data /srv/emberdrop abcdefghijklmnopqrstuvwxyz --reason copyright
  emberdrop takedown --data /srv/emberdrop - --reason authority < order.txt`,
			flags: []flagGroup{folderFlags, {"What it is", []string{"reason"}}, {"Output", []string{"json"}}},
		},
		"emberdrop lists": {
			group: "abuse",
			long: `Uploads are compared with lists of hashes that you have added, and with the bank: what you have blocked.
Without a command, both are shown: how many hashes there are, what was left out of a list, and, from a
running server, how often each has matched since its start. Nothing else is noted about what matches,
and nothing at all about what does not.

Files are compared by SHA-256, SHA-1 and MD5, pictures by PDQ too, which finds them when they were
scaled, recompressed, mirrored, rotated by quarters, or given a border; the bank also finds common
crops. It is easy to get around for who tries: a rotation by a few degrees is enough. Videos are
compared by their digests only. A match is not proof of anything: look before you act on it.`,
			example: `  emberdrop lists --data /srv/emberdrop
  emberdrop lists add --data /srv/emberdrop --name stopncii --action hold page1.json page2.json
  emberdrop lists remove --data /srv/emberdrop stopncii`,
			flags: []flagGroup{folderFlags, {"Output", []string{"json"}}},
		},
		"emberdrop lists add": {
			long: `Add takes a list of hashes into the data folder, and a running server uses it at once. Several files
are one list, in their order. A list of the same name is replaced: after a newer download, or to change
its settings.

What a file is shows in its content: lines of hashes, or of a kind and a hash (pdq, md5, sha1, sha256);
XML of the NCMEC hash sharing API; JSON of the StopNCII API. What its maker has withdrawn is left out,
and so is what cannot be used: PhotoDNA, which is proprietary, other kinds of hashes, and PDQ of blank
pictures, which would match a great many. A file that is cut short is not taken at all.

Anyone can hand in hashes to some lists, and nobody looks at what they are of. So hold is the default:
nobody sees a match before you have. It is a refusal while there is no operator key. Try a new list
with --dry-run first, and see how often it matches.`,
			example: `  emberdrop lists add --data /srv/emberdrop --name ncmec --action block ncmec-*.xml
  emberdrop lists add --data /srv/emberdrop --name try --dry-run --distance 20 hashes.txt
  sha256sum *.mp4 > sums; emberdrop lists add --data /srv/emberdrop --name videos --action block --bare sha256 sums`,
			flags: []flagGroup{folderFlags, {"The list", []string{"name", "action", "distance", "dry-run", "note", "bare"}}},
		},
		"emberdrop lists remove": {
			long:    `Remove forgets a list. A running server stops comparing with it at once.`,
			example: `  emberdrop lists remove --data /srv/emberdrop stopncii`,
			flags:   []flagGroup{folderFlags},
		},
		"emberdrop lists unblock": {
			long: `Unblock takes out of the bank what a case has put there, so that the picture can be uploaded again. The
cases are shown by emberdrop lists.`,
			example: `  emberdrop lists unblock --data /srv/emberdrop CASE`,
			flags:   []flagGroup{folderFlags},
		},
		"emberdrop draw": {
			long:    `Decode the item on standard input, with no right to anything else. Review runs it; nobody else has to.`,
			example: `  emberdrop draw < ITEM`,
		},
		"emberdrop video-pictures": {
			long: `Become ffmpeg, with no right to anything but standard input, a video, and standard output, to which it
writes key frames. Serve runs it; nobody else has to.`,
			example: `  emberdrop video-pictures /usr/bin/ffmpeg < VIDEO`,
		},
	}
}
