package tests

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"emberdrop/seal"
	"emberdrop/tests/instance"
	"emberdrop/tests/needle"
)

// dropped is a link on the real program, as its uploader and the disk know it.
type dropped struct {
	link, receipt, passphrase string
	views                     int
	needles                   []needle.Needle
}

// drops makes links one after the other, and remembers of each what must not stay.
type drops struct {
	t      *testing.T
	data   string
	client *instance.Client
	host   seal.Key
	vault  seal.Key
	made   int
}

func newDrops(t *testing.T, data string, client *instance.Client) *drops {
	t.Helper()
	d := &drops{t: t, data: data, client: client}
	for path, key := range map[string]*seal.Key{"host.key": &d.host, "vault/vault.key": &d.vault} {
		raw, err := os.ReadFile(filepath.Join(data, path))
		if err != nil || len(raw) != len(key) {
			t.Fatalf("%s: %v", path, err)
		}
		copy(key[:], raw)
	}
	return d
}

// make uploads one link.
func (d *drops) make(large bool) *dropped {
	t := d.t
	t.Helper()
	n := d.made
	d.made++
	out := &dropped{views: []int{1, 0, 2, 0}[n%4]}
	words := map[string]string{"caption": letters(40), "itemname": letters(30), "metadata": letters(len(plainComment))}
	picture := photo(48, []byte(words["metadata"]))
	if large {
		picture = noise(1000, []byte(words["metadata"]))
	}
	parts := []instance.Field{
		instance.Text("caption", words["caption"]), instance.Text("views", fmt.Sprint(out.views)),
		instance.File(words["itemname"]+".jpg", picture),
	}
	if n%24 == 1 {
		words["passphrase"] = letters(24)
		out.passphrase = words["passphrase"]
		parts = append(parts, instance.Text("passphrase", out.passphrase))
	}
	before := payloads(t, d.data)
	up, err := d.client.Upload(t.Context(), "http://drop.test/", parts...)
	if err != nil || up.Status != 201 {
		t.Fatalf("upload: %v %d %s", err, up.Status, up.Body)
	}
	out.link, out.receipt = up.Line("link"), up.Line("receipt")
	add := func(kind string, secret []byte) {
		out.needles = append(out.needles, needle.Needle{Name: fmt.Sprintf("%s %d.%d %s", kind, n, len(out.needles), filepath.Base(d.data)), Bytes: bytes.Clone(secret)})
	}
	for kind, word := range words {
		add(kind, []byte(word))
	}
	secret := seal.Token(base32Bytes(t, filepath.Base(out.link)))
	receipt := seal.Token(base32Bytes(t, filepath.Base(out.receipt)))
	hash, id := receipt.Hash(), seal.LinkID(secret, d.host)
	add("secret", secret[:])
	add("receipt", receipt[:])
	add("receipthash", hash[idTail:])
	add("id", id[idTail:])
	for _, window := range needle.Windows("", picture[len(picture)/2:], 24, 3) {
		add("content", window.Bytes)
	}
	for _, name := range payloads(t, d.data) {
		if slices.Contains(before, name) || strings.Contains(name, ".") {
			continue
		}
		add("name", []byte(name))
		page := readHeader(t, filepath.Join(d.data, "vault", name))
		wrapping, payload, err := page.keys(secret, out.passphrase, d.host, d.vault)
		if err != nil {
			continue // of another link, that is on its way out
		}
		add("half", page.half())
		add("wrapped", page.wrapped())
		for _, key := range []seal.Key{wrapping, payload, seal.ManifestKey(payload), seal.ItemKey(payload, 0)} {
			add("key", key[:])
		}
		return out
	}
	t.Fatal("the new link's payload was not found")
	return nil
}

// open reveals a link; a kill may cut it off.
func (d *drops) open(link *dropped) {
	form := url.Values{}
	if link.passphrase != "" {
		form.Set("passphrase", link.passphrase)
	}
	d.client.Post(d.t.Context(), link.link, form)
}

func (d *drops) destroy(link *dropped) {
	d.client.Post(d.t.Context(), link.receipt+"/destroy", nil)
}

// deviceArgs have a link leave the log as soon as it has ended: a receipt lapses
// counted from the end of the hour, so one that lasts an hour less than nothing
// does at once.
var deviceArgs = []string{"--receipt-ttl=-1h", "--lease-idle=1s", "--free-floor=1MiB"}

// TestDeviceProgram is law 3 seen from outside: the program itself, killed again and
// again while it makes and destroys links, and then a search of the raw disk.
func TestDeviceProgram(t *testing.T) {
	rounds := 5
	if os.Getenv("EMBERDROP_SOAK") != "" {
		rounds = 100
	}
	disk := newDevice(t, 320)
	data := filepath.Join(disk.folder, "data")
	if _, err := instance.Init(t.Context(), theProgram(t), data); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	var all []*dropped
	var needles []needle.Needle
	halfway := 0
	for round := range rounds {
		server, client := servePlain(t, data, deviceArgs...)
		d := newDrops(t, data, client)
		d.made = 12 * round
		for i := range 12 {
			all = append(all, d.make(i%4 == 1))
		}
		d.end(all[12*round:len(all)-1], server) // the last of a round lives on
		halfway += d.halfway()
	}
	server, client := servePlain(t, data, deviceArgs...)
	d := newDrops(t, data, client)
	living := 0
	for n, link := range all {
		if (n+1)%12 == 0 {
			living++
			continue
		}
		d.destroy(link)
		needles = append(needles, link.needles...)
	}
	eventually(t, "the payloads of ended links are gone", func() bool {
		run(t, theProgram(t), "sweep", "--data", data)
		return len(payloads(t, data)) == living
	})
	t.Log(strings.TrimSpace(run(t, theProgram(t), "purge", "--data", data)))
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	noSecrets(t, server.Log())
	run(t, theProgram(t), "verify", "--data", data)
	disk.unmount()
	journal, elsewhere := disk.scan(append(needles, all[11].needles...))
	t.Logf("%d links, %d kills with %d files half destroyed, in %s: of %d needles %v are on the disk, and %v in its journal", len(all), rounds, halfway, time.Since(began).Round(time.Millisecond), len(needles), elsewhere.kinds, journal.kinds)
	found := 0
	var bad []needle.Hit
	for _, hit := range append(elsewhere.hits, besides(journal.hits, "name")...) {
		if slices.ContainsFunc(all[11].needles, func(n needle.Needle) bool { return n.Name == hit.Needle }) &&
			slices.Contains([]string{"half", "wrapped", "name", "id", "receipthash"}, kindOf(hit.Needle)) {
			found++ // of a link that lives, what must be there
			continue
		}
		bad = append(bad, hit)
	}
	if len(bad) > 0 {
		t.Errorf("on the disk is left:\n%s", needle.Report(bad))
	}
	if found < 5 {
		t.Error("the search does not find what must be there of a link that lives")
	}
}

// end opens and destroys links until the server is killed in the middle of it.
func (d *drops) end(links []*dropped, server *instance.Instance) {
	var visitors sync.WaitGroup
	for _, part := range [][]*dropped{links[:len(links)/2], links[len(links)/2:]} {
		visitors.Go(func() {
			for _, link := range part {
				d.open(link)
				if link.views == 0 {
					d.destroy(link)
				}
			}
		})
	}
	time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
	server.Kill()
	visitors.Wait()
}

// halfway counts files that a kill has left on their way out: without their header,
// or already renamed.
func (d *drops) halfway() (n int) {
	for _, name := range payloads(d.t, d.data) {
		page := readHeader(d.t, filepath.Join(d.data, "vault", name))
		if strings.HasSuffix(name, ".gone") || !bytes.HasPrefix(page[:], []byte("EMBRDROP")) {
			n++
		}
	}
	return n
}

// TestDevicePanic kills the program in the middle of a panic, at different times,
// and lets `panic` on the stopped folder finish it: nothing of it is on the raw
// disk, the keys of the host included.
func TestDevicePanic(t *testing.T) {
	disk := newDevice(t, 768) // each folder takes its ballast
	var needles []needle.Needle
	var told []string
	for n, after := range []time.Duration{0, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 15 * time.Millisecond, 50 * time.Millisecond, time.Second} {
		data := filepath.Join(disk.folder, fmt.Sprint("d", n))
		if _, err := instance.Init(t.Context(), theProgram(t), data); err != nil {
			t.Fatal(err)
		}
		server, client := servePlain(t, data, "--free-floor=1MiB")
		d := newDrops(t, data, client)
		for i := range 8 {
			link := d.make(i > 5)
			needles = append(needles, link.needles...)
			if i%2 == 0 {
				d.open(link) // the lease stays open
			}
		}
		needles = append(needles,
			needle.Needle{Name: "vaultkey " + fmt.Sprint(n), Bytes: bytes.Clone(d.vault[:])},
			needle.Needle{Name: "hostkey " + fmt.Sprint(n), Bytes: bytes.Clone(d.host[:])})
		if err := syscall.Kill(server.PID(), syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		server.Kill()
		raw, err := os.ReadFile(filepath.Join(data, "vault", "vault.key"))
		_, marked := os.Stat(filepath.Join(data, "panicked"))
		told = append(told, fmt.Sprintf("%s: key destroyed %t, marked %t, %d payloads left", after, err == nil && !bytes.Equal(raw, d.vault[:]), marked == nil, len(payloads(t, data))))
		if marked == nil {
			if out, err := exec.Command(theProgram(t), "serve", "--data", data, "--listen", "unix:"+filepath.Join(t.TempDir(), "x")).CombinedOutput(); err == nil {
				t.Errorf("a folder without its keys was served:\n%s", out)
			}
		}
		run(t, theProgram(t), "panic", "--yes", "--data", data)
		if left := payloads(t, data); len(left) > 0 {
			t.Errorf("after a panic %d payloads are left", len(left))
		}
	}
	t.Log("killed so long after the signal:\n" + strings.Join(told, "\n"))
	disk.unmount()
	journal, elsewhere := disk.scan(needles)
	t.Logf("of %d needles %v are on the disk, and %v in its journal", len(needles), elsewhere.kinds, journal.kinds)
	if bad := append(elsewhere.hits, besides(journal.hits, "name")...); len(bad) > 0 {
		t.Errorf("on the disk is left:\n%s", needle.Report(bad))
	}
}
