package tests

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"emberdrop/eventlog"
	"emberdrop/link"
	"emberdrop/report"
	"emberdrop/seal"
	"emberdrop/tests/instance"
	"emberdrop/tests/sample"
)

// operated is a site with an operator's key.
func operated(t *testing.T, args ...string) (*site, seal.Identity) {
	t.Helper()
	identity := seal.NewIdentity()
	key := filepath.Join(t.TempDir(), "operator.pub")
	if err := os.WriteFile(key, []byte(identity.Public().Text()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return openSite(t, append([]string{"--operator-key", key}, args...)...), identity
}

// admin asks over the admin socket.
func (s *site) admin(t *testing.T, method, path string, body, out any) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(s.data, "admin.sock"))
	}}}
	defer client.CloseIdleConnections()
	said, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://admin"+path, bytes.NewReader(said))
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%s %s: %d %s (%v)", method, path, res.StatusCode, raw, err)
	}
	if out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			t.Fatal(err)
		}
	}
}

// report reports an item of a link, and gives the case.
func (s *site) report(t *testing.T, at string, fields url.Values) report.Case {
	t.Helper()
	a := s.send(t, "POST", at+"/report", strings.NewReader(fields.Encode()), "Content-Type", "application/x-www-form-urlencoded")
	if a.Status != 201 {
		t.Fatalf("report: %d %s", a.Status, a.Body)
	}
	s.kept(path(strings.TrimPrefix(a.Line("report"), "http://drop.test")))
	var all []report.Case
	s.admin(t, "GET", "/cases", nil, &all)
	if len(all) == 0 {
		t.Fatal("no case after a report")
	}
	var whole report.Case
	s.admin(t, "GET", "/cases/"+all[0].ID, nil, &whole)
	return whole
}

// hold suspends a link by a report and the operator's word.
func (s *site) hold(t *testing.T, link string) {
	t.Helper()
	kase := s.report(t, link, url.Values{"category": {"child"}})
	s.admin(t, "POST", "/cases/"+kase.ID+"/decide", report.Decision{Decision: report.Suspend}, nil)
}

// TestHeldLinkIsNotThere is law 5 for a link that is held: for its visitors it
// is as if it had never been, and its receipt says so to its uploader alone.
func TestHeldLinkIsNotThere(t *testing.T) {
	s, _ := operated(t)
	held, receipt := s.share(t, instance.File("x.jpg", sample.Photo(320, 240, 1)))
	lease := strings.TrimSuffix(s.ask(t, "POST", held).Header.Get("Content-Location"), "/1")
	s.kept(path(lease))
	s.hold(t, held)
	for _, accept := range []string{"*/*", "text/html"} {
		for _, method := range []string{"GET", "POST", "HEAD", "PUT"} {
			want := s.raw(t, request(method, "/s/"+stranger, "", "Accept", accept))
			for _, target := range []string{held, held + "/report", held + "/x", lease, lease + "/1", lease + "/done", lease + "/report"} {
				if got := s.raw(t, request(method, target, "", "Accept", accept)); !bytes.Equal(got, want) {
					t.Errorf("%s %.20s: %.300s", method, target, got)
				}
			}
		}
		s.wantSameWhateverIsSent(t, accept, []string{held, "/s/" + stranger, "/s/x"})
		s.wantSameWhateverIsSent(t, accept, []string{held + "/report", "/s/" + stranger + "/report", "/s/x/report"})
	}
	wantLines(t, s.ask(t, "GET", receipt), "state: held")
	if a := s.ask(t, "POST", receipt+"/destroy"); a.Status != 200 {
		t.Fatalf("an uploader cannot take back what is held: %d", a.Status)
	}
	wantLines(t, s.ask(t, "GET", receipt), "state: destroyed: uploader")
}

// TestReportsAreSealed: with the whole data folder, its keys included, nothing of
// a report can be read; with the operator's identity, which was never there, it can.
func TestReportsAreSealed(t *testing.T) {
	s, identity := operated(t)
	photo := sample.Photo(320, 240, 1)
	shared, _ := s.share(t, instance.File("x.jpg", photo), instance.Text("burn", "on"))
	lease := s.ask(t, "POST", shared).Header.Get("Content-Location")
	lease = strings.TrimSuffix(lease, "/1")
	s.kept(path(lease))
	words, contact := "these words are for the operator alone", "somebody@example.org"
	kase := s.report(t, lease, url.Values{"category": {"intimate"}, "words": {words + " http://drop.test" + shared}, "contact": {contact}})
	if a := s.ask(t, "POST", lease+"/done"); a.Status != 200 {
		t.Fatalf("ending the lease: %d", a.Status)
	}
	if err := s.server.Stop(); err != nil {
		t.Fatal(err)
	}
	var sum [32]byte
	copy(sum[:], kase.Sum)
	id, err := report.ParseID(kase.ID)
	if err != nil {
		t.Fatal(err)
	}
	// The control: what is sealed is there, and opens for whom it is meant.
	said, err := report.Open(identity, id, sum, kase.Boxes[0].Sealed)
	if err != nil || !strings.Contains(said.Words, words) || said.Contact != contact {
		t.Fatalf("the operator reads %+v, %v", said, err)
	}
	if strings.Contains(said.Words, path(shared)) {
		t.Error("the link itself reached the operator")
	}
	needles := [][]byte{[]byte(words), []byte(contact), []byte(path(shared)), said.Item.Key[:], photo[len(photo)/2:][:64]}

	// As a thief: every file as it is, and every row of the log as it is read.
	var keys []seal.Key
	err = filepath.WalkDir(s.data, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for i, needle := range needles {
			if bytes.Contains(raw, needle) {
				t.Errorf("needle %d is in %s", i, filepath.Base(name))
			}
		}
		// Whatever could be an identity is tried as one.
		for at := 0; at+32 <= len(raw) && strings.HasSuffix(name, ".key"); at++ {
			keys = append(keys, seal.Key(raw[at:at+32]))
		}
		return nil
	})
	if err != nil || len(keys) < 3 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	log, err := eventlog.Open(eventlog.Config{FS: vfs.Default, Dir: filepath.Join(s.data, "log"), Fold: link.Fold{}, Types: link.Types(), Upcasts: link.Upcasts()})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	rows := 0
	err = log.Read(func(tx *eventlog.Tx) error {
		return tx.Scan([]byte{0}, []byte{0xff}, func(k, v []byte) (bool, error) {
			rows++
			for i, needle := range needles {
				if bytes.Contains(v, needle) || bytes.Contains(k, needle) {
					t.Errorf("needle %d is in a row of class %q", i, k[:2])
				}
			}
			return true, nil
		})
	})
	if err != nil || rows == 0 {
		t.Fatalf("%d rows, %v", rows, err)
	}
	for _, key := range keys {
		text := "emberdrop-identity-1:"
		guess, err := identityOf(text, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := report.Open(guess, id, sum, kase.Boxes[0].Sealed); err == nil {
			t.Fatal("a key of the data folder opens a report")
		}
	}
}

// identityOf makes an identity of a key by writing its text.
func identityOf(prefix string, key seal.Key) (seal.Identity, error) {
	sum := sha256.Sum256(append([]byte(prefix), key[:]...))
	text := base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	return seal.ParseIdentity(prefix + text.EncodeToString(append(key[:], sum[:4]...)))
}

// TestTakedownInMidView: a takedown ends a view that is being fetched, at its next
// chunk, and within a second the link is dead.
func TestTakedownInMidView(t *testing.T) {
	s := openSite(t, "--allow-any-file")
	big := make([]byte, 40<<20)
	rand.Read(big)
	shared, receipt := s.share(t, instance.File("x.bin", big))
	conn := s.dial(t)
	if _, err := io.WriteString(conn, "POST "+shared+" HTTP/1.1\r\nHost: drop.test\r\nAccept: */*\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	got, err := io.CopyN(io.Discard, conn, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	succeeds(t, "takedown", "--data", s.data, "http://drop.test"+shared, "--reason", "authority")
	if a := s.ask(t, "GET", shared); a.Status != 404 {
		t.Errorf("after a takedown: %d", a.Status)
	}
	took := time.Since(began)
	t.Logf("from the command to a dead link: %v", took)
	if took > 20*time.Second { // a second on a calm machine
		t.Errorf("it took %v", took)
	}
	rest, _ := io.Copy(io.Discard, conn)
	if got+rest >= int64(len(big)) {
		t.Error("the view went on to its end")
	}
	wantLines(t, s.ask(t, "GET", receipt), "state: destroyed: operator")
	if left := leftovers(t, s.data); len(left) != 0 {
		t.Errorf("%d files are left", len(left))
	}
}
