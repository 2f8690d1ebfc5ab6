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
