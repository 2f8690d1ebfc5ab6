package main

// clientsManual are the texts about private addresses.
func clientsManual(folderFlags flagGroup) map[string]chapter {
	return map[string]chapter{
		"emberdrop clients": {group: "server",
			long: `An address can be private: Tor itself then lets nobody in who has no key, before a byte of the server is
reached, and who asks without one does not even learn whether it runs. With one address, the first key
makes the whole instance private. With two (init --two-addresses, or clients split) the address to
leave something takes a key from the start, and everybody may open links at the other, unless keys are
given out for that as well.

A change takes effect at once if the server runs, else at its next start. The server keeps names and
the public halves of the keys, in DIR/settings, and backups hold both.`,
			example: `  emberdrop clients add --data /srv/emberdrop alice
  emberdrop clients remove --data /srv/emberdrop alice`,
		},
		"emberdrop clients add": {
			long: `Add makes a key for somebody and prints it in the form of tor's *.auth_private files. It is shown this
once: send it over a channel that nobody else reads. Tor Browser asks for a key when it comes to the
address, and wants the part behind the last colon; a tor of one's own wants the whole line in a file
of its ClientOnionAuthDir.`,
			example: `  emberdrop clients add --data /srv/emberdrop alice
  emberdrop clients add --data /srv/emberdrop --for open bob`,
			flags: []flagGroup{folderFlags, {"Key", []string{"for"}}},
		},
		"emberdrop clients remove": {
			long: `Remove takes a key back. Nobody comes in with it any more; visits under way at that address are cut, and
those who still have a key come in again.

Without any key an address is public, so the last one is not removed unless you say --make-public. The
address to leave something, where there are two, never is: without any key nobody comes in.`,
			example: `  emberdrop clients remove --data /srv/emberdrop alice`,
			flags:   []flagGroup{folderFlags, {"Key", []string{"make-public"}}},
		},
		"emberdrop clients list": {
			long:    `List prints a line for each key: its name, and the address that it is for.`,
			example: `  emberdrop clients list --data /srv/emberdrop`,
			flags:   []flagGroup{folderFlags},
		},
		"emberdrop clients split": {
			long: `Split gives an instance a second address, from the next start of its server on. The one that it has
becomes the one to open: links stay as they are, and nothing can be uploaded there any more. The new one
is for leaving something, and takes a key (clients add). Both come out of the onion key, so a backup
holds both. It prints the two.`,
			example: `  emberdrop clients split --data /srv/emberdrop`,
			flags:   []flagGroup{folderFlags},
		},
	}
}
