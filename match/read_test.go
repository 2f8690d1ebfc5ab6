package match

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"testing/iotest"
)

const (
	pdqA = "2afc4a5c09628a7961c14d436493bba66b89b831453baa1d556ba385554daa82"
	pdqB = "79e07de27d7295339435d63cd31cf35a7bfa29eb2885008500a588a5ea3ae75a"
	pdqC = "9def0b7dafa86a1c90f2abd78e79ceb25ec3d1a4b3d4bc7a4354baf7717ea038"
	zero = "0000000000000000000000000000000000000000000000000000000000000000"
)

func lines(s ...string) string { return strings.Join(s, "\n") + "\n" }

func TestReadEntries(t *testing.T) {
	md5, sha1 := strings.Repeat("a1", 16), strings.Repeat("b2", 20)
	image := func(member int, id, prints string) string {
		return fmt.Sprintf(`<image><member id="%d">Some Member</member><timestamp>2017-10-24T15:00:00Z</timestamp><id>%s</id>`+
			`<classification>A1</classification><fingerprints>%s</fingerprints><feedback/></image>`, member, id, prints)
	}
	gone := func(member int, id string) string {
		return fmt.Sprintf(`<deletedImage><member id="%d">M</member><id>%s</id><timestamp>2017-10-24T15:10:00Z</timestamp></deletedImage>`, member, id)
	}
	query := func(parts ...string) string {
		return `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n" +
			`<queryResult xmlns="https://hashsharing.ncmec.org/hashsharing/v2"><images count="2" maxTimestamp="2017-10-24T15:10:00Z">` +
			strings.Join(parts, "") + `</images><paging><next>/v2/entries?start=2001</next></paging></queryResult>` + "\n"
	}
	record := func(kind, hash, status string) string {
		return fmt.Sprintf(`{"lastModtimestamp":1625167804,"hashValue":%q,"hashStatus":%q,"caseNumbers":{"27664732":%q},"signalType":%q,`+
			`"CSPFeedbacks":[{"source":"X","feedbackValue":"Blocked","tags":["a"]}]}`, hash, status, status, kind)
	}
	answer := func(records ...string) string {
		return `{"count":2,"nextSetTimestamp":1,"nextPageToken":"x","hasMoreRecords":true,"hashRecords":[` + strings.Join(records, ",") + `]}`
	}
	tests := []struct {
		name, text string
		bare       Kind
		want       string
		summary    Summary
	}{
		{"one line", pdqA, KindPDQ, "pdq " + pdqA, Summary{Format: "lines"}},
		{"plain hex", lines("# comment", "", strings.ToUpper(pdqA), pdqB+"  ", pdqA), KindPDQ, "pdq " + pdqA + "|pdq " + pdqB, Summary{Format: "lines"}},
		{"plain hex of no kind", lines(pdqA, md5), 0, "md5 " + md5, Summary{Format: "lines", Skipped: map[Skipped]int{SkippedBare: 1}}},
		{"sha256sum", lines(pdqA+"  some file.jpg", pdqB+" *other"), KindSHA256, "sha256 " + pdqA + "|sha256 " + pdqB, Summary{Format: "lines"}},
		{"the reference's output", lines(pdqA + ",100,./dir/name.jpg"), KindPDQ, "pdq " + pdqA, Summary{Format: "lines"}},
		{"digests by length", lines(sha1, md5), 0, "md5 " + md5 + "|sha1 " + sha1, Summary{Format: "lines"}},
		{"type hash", "\xef\xbb\xbf" + lines("pdq "+pdqA, "PDQ\t"+pdqB, "video_md5 "+md5, "SHA-1 "+sha1, "sha256 "+pdqC), 0,
			"pdq " + pdqA + "|pdq " + pdqB + "|md5 " + md5 + "|sha1 " + sha1 + "|sha256 " + pdqC, Summary{Format: "lines"}},
		{"bad entries", lines("pdq "+pdqA, "pdq "+zero, "pdq "+strings.Repeat("f", 64), "pdq 12", "md5 "+pdqA, "tmk_pdqf abc", "pdna "+md5, strings.Repeat("0a", 144), "???", "md5"), 0,
			"pdq " + pdqA, Summary{Format: "lines", Skipped: map[Skipped]int{SkippedUnbalanced: 2, SkippedMalformed: 4, SkippedKind: 1, SkippedPhotoDNA: 2}}},
		{"NCMEC", query(
			image(42, "image1", "<md5>"+md5+"</md5><sha1>"+sha1+"</sha1><pdna>a1a1...</pdna>"),
			image(42, "image2", "<pdq> "+pdqA+"\n</pdq><netclean>x</netclean><tmk_pdqf>y</tmk_pdqf>"),
			gone(43, "image4")), 0,
			"pdq " + pdqA + "|md5 " + md5 + "|sha1 " + sha1,
			Summary{Format: "NCMEC XML", Withdrawn: 1, Skipped: map[Skipped]int{SkippedPhotoDNA: 1, SkippedKind: 2}}},
		{"NCMEC pages", query(image(1, "a", "<pdq>"+pdqA+"</pdq>"), image(1, "b", "<pdq>"+pdqB+"</pdq>"), image(2, "a", "<pdq>"+pdqC+"</pdq>")) +
			query(gone(1, "a"), image(1, "b", "<md5>"+md5+"</md5>")), 0,
			"pdq " + pdqC + "|md5 " + md5, Summary{Format: "NCMEC XML", Withdrawn: 1}},
		{"NCMEC: the same hash of two members, one gone", query(image(1, "a", "<pdq>"+pdqA+"</pdq>"), image(2, "a", "<pdq>"+pdqA+"</pdq>"), gone(1, "a")), 0,
			"pdq " + pdqA, Summary{Format: "NCMEC XML", Withdrawn: 1}},
		{"NCMEC videos", `<queryResult><videos><video><member id="1"/><id>v</id><fingerprints><md5>` + md5 + `</md5></fingerprints></video></videos></queryResult>`, 0,
			"md5 " + md5, Summary{Format: "NCMEC XML"}},
		{"only PhotoDNA", query(image(1, "a", "<pdna>x</pdna>")), 0, "", Summary{Format: "NCMEC XML", Skipped: map[Skipped]int{SkippedPhotoDNA: 1}}},
		{"StopNCII", answer(record("ImagePDQ", pdqA, "Received"), record("ImagePDQ", pdqB, "Active"), record("ImagePDQ", pdqC, "Withdrawn"), record("VideoMD5", md5, "Active"), record("VideoTMK", "x", "Active")), 0,
			"pdq " + pdqA + "|pdq " + pdqB + "|md5 " + md5, Summary{Format: "StopNCII JSON", Withdrawn: 1, Skipped: map[Skipped]int{SkippedKind: 1}}},
		{"StopNCII pages", answer(record("ImagePDQ", pdqA, "Active"), record("ImagePDQ", pdqB, "Deleted")) + "\n" +
			answer(record("ImagePDQ", pdqA, "Withdrawn"), record("ImagePDQ", pdqB, "Active")), 0,
			"pdq " + pdqB, Summary{Format: "StopNCII JSON", Withdrawn: 1}},
		{"StopNCII array", "[" + record("ImagePDQ", pdqA, "Active") + "]", 0, "pdq " + pdqA, Summary{Format: "StopNCII JSON"}},
		{"all withdrawn", answer(record("ImagePDQ", pdqA, "Withdrawn")), 0, "", Summary{Format: "StopNCII JSON", Withdrawn: 1}},
	}
	for _, test := range tests {
		entries, summary, err := ReadEntries(iotest.HalfReader(strings.NewReader(test.text)), test.bare)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.String())
		}
		if strings.Join(got, "|") != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		test.summary.Taken = len(got)
		if summary.Format != test.summary.Format || summary.Taken != test.summary.Taken || summary.Withdrawn != test.summary.Withdrawn || !maps.Equal(summary.Skipped, test.summary.Skipped) {
			t.Errorf("%s: got %+v, want %+v", test.name, summary, test.summary)
		}
	}
	// What is cut short or of another kind is not taken at all.
	whole := []string{query(image(1, "a", "<pdq>"+pdqA+"</pdq>")), answer(record("ImagePDQ", pdqA, "Active"))}
	bad := []string{"", "\n\n", "garbage", "\x89PNG\r\n\x1a\n\x00\x00", "<html><image></image></html>", "{}", "[]", `"x"`, `{"hashRecords":3}`, `[1]`, `[[]]`,
		"<queryResult/>", whole[0] + "<other/>", strings.Repeat("a", 1<<17)}
	for _, text := range whole {
		text = strings.TrimSpace(text)
		for cut := 1; cut < len(text); cut += 7 {
			bad = append(bad, text[:cut])
		}
	}
	for _, text := range bad {
		if entries, _, err := ReadEntries(strings.NewReader(text), KindPDQ); !errors.Is(err, ErrFormat) {
			t.Errorf("%.60q (%d bytes): %d entries, %v", text, len(text), len(entries), err)
		}
	}
	// The reader's errors come through.
	for _, text := range []string{pdqA + "\n", whole[0], whole[1]} {
		broken := io.MultiReader(strings.NewReader(text[:len(text)-2]), iotest.ErrReader(io.ErrClosedPipe))
		if _, _, err := ReadEntries(broken, KindPDQ); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%.30q: %v", text, err)
		}
	}
}

// What an operator's command writes, the server reads back.
func TestListText(t *testing.T) {
	entries, _, err := ReadEntries(strings.NewReader(lines("pdq "+pdqA, "md5 "+strings.Repeat("0f", 16), "sha256 "+zero)), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []List{
		{Name: "a", Action: Hold, Entries: entries},
		{Name: "b-2", Action: Block, Distance: 20, DryRun: true, Note: "from  there\npdq " + pdqB, LeftOut: "3 withdrawn", Entries: entries},
		{Name: "c", Action: Label, Distance: ExactOnly, Entries: entries[:1]},
	} {
		var text bytes.Buffer
		n, err := list.WriteTo(&text)
		if err != nil || n != int64(text.Len()) {
			t.Fatalf("%d of %d bytes, %v", n, text.Len(), err)
		}
		got, err := ReadList(list.Name, &text)
		list.Note = oneLine(list.Note)
		if list.Distance == 0 {
			list.Distance = MaxDistance
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", list) || err != nil {
			t.Errorf("got %+v, %v, want %+v", got, err, list)
		}
	}
	for _, text := range []string{"", "pdq " + pdqA, listHead, listHead + "\npdq " + zero, listHead + "\n# action: smile\npdq " + pdqA,
		listHead + "\n# distance: 65\npdq " + pdqA, listHead + "\npdq " + pdqA + "\nx", listHead + "\n# dry-run: perhaps\npdq " + pdqA} {
		if _, err := ReadList("a", strings.NewReader(text)); !errors.Is(err, ErrList) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, name := range []string{"", "bank", "A", "a/b", "..", "a b", strings.Repeat("a", 33)} {
		if err := CheckName(name); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzReadEntries(f *testing.F) {
	f.Add([]byte(lines("pdq "+pdqA, pdqB, "# x", "md5 "+strings.Repeat("0f", 16))))
	f.Add([]byte(`{"count":1,"hashRecords":[{"hashValue":"` + pdqA + `","hashStatus":"Active","signalType":"ImagePDQ"}]}`))
	f.Add([]byte(`<?xml version="1.0"?><queryResult><images><image><member id="1"/><id>a</id><fingerprints><pdq>` + pdqA +
		`</pdq></fingerprints></image><deletedImage><member id="1"/><id>a</id></deletedImage></images></queryResult>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, bare := range []Kind{kindNone, KindPDQ, KindSHA256} {
			entries, summary, err := ReadEntries(bytes.NewReader(text), bare)
			if err != nil {
				if !errors.Is(err, ErrFormat) || entries != nil {
					t.Fatalf("%d entries, %v", len(entries), err)
				}
				continue
			}
			if summary.Taken != len(entries) {
				t.Fatalf("%d entries, %+v", len(entries), summary)
			}
			// What was taken can be written and read back.
			var out bytes.Buffer
			list := List{Name: "a", Entries: entries}
			if _, err := list.WriteTo(&out); err != nil {
				t.Fatal(err)
			}
			if got, err := ReadList("a", &out); len(entries) > 0 && (err != nil || len(got.Entries) != len(entries)) {
				t.Fatalf("read back %d of %d entries, %v", len(got.Entries), len(entries), err)
			}
			for _, e := range entries {
				if e.Kind == KindPDQ && !PDQ(e.Sum).Balanced() {
					t.Fatalf("took %s", e)
				}
			}
		}
	})
}

func FuzzOwnFiles(f *testing.F) {
	f.Add([]byte(listHead + "\n# action: hold\npdq " + pdqA + "\n"))
	f.Add([]byte(bankHead + "pdq " + pdqA + " K7 2026-11-22\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if list, err := ReadList("a", bytes.NewReader(text)); err == nil && len(list.Entries) == 0 {
			t.Fatal("a list without entries")
		}
		if bank, err := NewBank(bytes.NewReader(text), nil); err == nil {
			again, err := NewBank(bytes.NewReader(bank.Text()), nil)
			if err != nil || again.Len() != bank.Len() {
				t.Fatalf("%v, %d entries of %d", err, again.Len(), bank.Len())
			}
		}
	})
}
