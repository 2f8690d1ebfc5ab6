package strip

import "bytes"

// This file says in which class a box falls that is left out. It looks for
// well-known names in the box and never at values; a wrong guess here costs a
// word on a page, not privacy.

// mp4Names are byte strings that tell what a metadata box holds: QuickTime and
// iTunes names (0xa9 is the copyright sign), keys of Apple and Android, XMP.
var mp4Names = []struct {
	name  string
	class Removed
}{
	{"\xa9xyz", RemovedLocation}, {"loci", RemovedLocation}, {"location", RemovedLocation}, {"GPS", RemovedLocation},
	{"\xa9mak", RemovedDevice}, {"\xa9mod", RemovedDevice}, {"manu", RemovedDevice}, {"modl", RemovedDevice},
	{"quicktime.make", RemovedDevice}, {"quicktime.model", RemovedDevice}, {"android.", RemovedDevice},
	{"CAME", RemovedDevice}, {"FIRM", RemovedDevice}, {"tiff:Make", RemovedDevice}, {"tiff:Model", RemovedDevice},
	{"SerialNumber", RemovedDevice}, {"MakerNote", RemovedDevice}, {"CNTH", RemovedDevice},
	{"\xa9day", RemovedTime}, {"creationdate", RemovedTime}, {"xmp:CreateDate", RemovedTime}, {"DateTime", RemovedTime},
	{"\xa9too", RemovedSoftware}, {"\xa9swr", RemovedSoftware}, {"\xa9enc", RemovedSoftware}, {"software", RemovedSoftware},
	{"CreatorTool", RemovedSoftware}, {"encoder", RemovedSoftware},
	{"\xa9ART", RemovedAuthor}, {"\xa9aut", RemovedAuthor}, {"\xa9cpy", RemovedAuthor}, {"cprt", RemovedAuthor}, {"auth", RemovedAuthor},
	{"author", RemovedAuthor}, {"dc:creator", RemovedAuthor}, {"dc:rights", RemovedAuthor},
	{"\xa9nam", RemovedText}, {"\xa9cmt", RemovedText}, {"\xa9des", RemovedText}, {"\xa9alb", RemovedText}, {"titl", RemovedText},
	{"dscp", RemovedText}, {"desc", RemovedText}, {"kywd", RemovedText}, {"chpl", RemovedText}, {"dc:description", RemovedText},
	{"covr", RemovedThumbnail}, {"thmb", RemovedThumbnail}, {"THMB", RemovedThumbnail}, {"xmp:Thumbnails", RemovedThumbnail},
	{"c2pa", RemovedProvenance}, {"\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97", RemovedProvenance},
}

// mp4NamesMost is how much of one box is looked through for names.
const mp4NamesMost = 256 << 10

// drop notes a box that is left out.
func (f *mp4File) drop(b mp4Box) error {
	switch b.kind {
	case "free", "skip", "wide":
		return f.dropPadding(b)
	case "iods", "sidx", "ssix", "styp", "mfra", "prft", "emsg", "pdin", "mvex", "elng", "tapt", "load", "gmhd", "clef", "prof", "enof":
		return nil
	}
	classes := Removed(0)
	err := f.search(b.body, min(b.len(), mp4NamesMost), 32, func(text []byte) {
		for _, n := range mp4Names {
			if classes&n.class == 0 && bytes.Contains(text, []byte(n.name)) {
				classes |= n.class
			}
		}
	})
	if classes == 0 {
		classes = RemovedOther
	}
	f.removed |= classes
	return err
}

// dropQuiet notes a box of a sample entry that is left out. Bit rates and flags
// that players do not need are no news for the sender.
func (f *mp4File) dropQuiet(b mp4Box) error {
	switch b.kind {
	case "btrt", "gama", "chan", "srat", "pasp", "colr", "wave", "frma":
		return nil
	}
	return f.drop(b)
}

// dropPadding notes bytes that hide in what should be empty space.
func (f *mp4File) dropPadding(b mp4Box) error {
	return f.search(b.body, min(b.len(), mp4NamesMost), 1, func(text []byte) {
		if len(bytes.Trim(text, "\x00")) > 0 {
			f.removed |= RemovedHidden
		}
	})
}
