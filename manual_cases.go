package main

// casesManual is about what people complain of.
func casesManual(folderFlags flagGroup) map[string]chapter {
	return map[string]chapter{
		"emberdrop takedown": {group: "server",
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
	}
}
