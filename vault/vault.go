package vault

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"emberdrop/seal"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The errors at this room's border. Anything else is the disk's: errors.Is finds syscall.ENOSPC and its like, and the
// text never holds a path.
var (
	// ErrPassphrase: the payload needs a passphrase, and this is not it.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrDamaged: the file does not open under these keys: shredded, flipped, cut, or not of this link or host.
	ErrDamaged = seal.ErrDamaged
	// ErrMissing: there is no such file, or no vault.
	ErrMissing = errors.New("no such payload")
	// ErrClosed: the payload, draft, stage or vault key was closed or destroyed.
	ErrClosed = seal.ErrClosed
	// ErrExists: Init found a vault.
	ErrExists = errors.New("a vault exists already")
	// ErrBusy: too many passphrases wait to be worked on; nothing was tried.
	ErrBusy = errors.New("too many passphrases at once")
	// ErrManifest: a manifest that does not fit what was written, or that is too large.
	ErrManifest = errors.New("manifest does not fit")
)

// Config says where a vault is.
type Config struct {
	FS      vfs.FS   // required
	Dir     string   // required: the vault's own folder
	HostKey seal.Key // required: zero is refused

	StageRAM    int64       // RAM for all staged files together, in bytes; 0: 64 MiB
	Argon       seal.Params // cost of new passphrases; zero: seal.DefaultParams
	Derivations int         // how many passphrases are worked on at once; 0: 2 (each takes Argon.Memory KiB)
	Waiting     int         // how many more Opens may wait for that before ErrBusy; 0: 16
}

func (c Config) check() (Config, error) {
	if c.FS == nil || c.Dir == "" || c.HostKey.IsZero() {
		return c, errors.New("vault: file system, folder and host key are required")
	}
	if c.StageRAM == 0 {
		c.StageRAM = 64 << 20
	}
	if c.Argon == (seal.Params{}) {
		c.Argon = seal.DefaultParams()
	}
	if c.Derivations == 0 {
		c.Derivations = 2
	}
	if c.Waiting == 0 {
		c.Waiting = 16
	}
	return c, c.Argon.Check()
}

func (c Config) path(name string) string { return c.FS.PathJoin(c.Dir, name) }

// Vault is an open vault. It is safe for any number of goroutines.
type Vault struct {
	cfg  Config
	slow chan struct{} // one token per passphrase being worked on
	line chan struct{} // one token per Open that waits for that, or works

	keyMu sync.RWMutex
	key   seal.Key // zero once destroyed

	liveMu sync.Mutex
	live   map[string]struct{} // drafts and staging files of this process: not leftovers

	ramMu sync.Mutex
	ram   int64 // bytes of the staging budget in use

	names nameLock
}

// stagingDir holds the staging files; its name is the prefix of theirs.
const stagingDir = "staging"

// Open opens the vault that Init made: ErrMissing when there is none, ErrDamaged when its key is not 32 bytes. It
// cleans nothing up; Leftovers says what a crash has left.
func Open(cfg Config) (*Vault, error) {
	cfg, err := cfg.check()
	if err != nil {
		return nil, err
	}
	key, err := readKey(cfg)
	if err != nil {
		return nil, err
	}
	// A crash may have taken the folder if init was cut short; it holds nothing that must survive.
	if err := cfg.FS.MkdirAll(cfg.path(stagingDir), 0o700); err != nil {
		return nil, failed("make the staging folder", err)
	}
	return &Vault{
		cfg: cfg, key: key, slow: make(chan struct{}, cfg.Derivations),
		line: make(chan struct{}, cfg.Waiting+cfg.Derivations),
		live: map[string]struct{}{}, names: nameLock{held: map[string]*heldName{}},
	}, nil
}

// keys gives copies of the host key and the vault key for one derivation.
func (v *Vault) keys() (host, vault seal.Key, err error) {
	v.keyMu.RLock()
	defer v.keyMu.RUnlock()
	if v.key.IsZero() {
		return host, vault, fmt.Errorf("vault key: %w", ErrClosed)
	}
	return v.cfg.HostKey, v.key, nil
}

const (
	suffixDraft = ".tmp"
	suffixGone  = ".gone"
	suffixKept  = ".kept"
	nameBytes   = 20
)

var (
	nameText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567")
	// Only names of these shapes are ever joined to the folder: whatever the log or a flag holds cannot leave it.
	payloadName  = regexp.MustCompile(`^[a-z2-7]{32}$`)
	keptName     = regexp.MustCompile(`^[a-z2-7]{32}\.kept$`)
	leftoverName = regexp.MustCompile(`^[a-z2-7]{32}\.(tmp|gone)$`)
)

// newName is 160 random bits: derived from nothing, since folders remember the names of what was in them.
func newName() string {
	var b [nameBytes]byte
	rand.Read(b[:])
	return nameText.EncodeToString(b[:])
}

func shredable(name string) bool {
	base, staged := strings.CutPrefix(name, stagingDir+"/")
	return leftoverName.MatchString(base) || (!staged && (payloadName.MatchString(name) || keptName.MatchString(name)))
}

// Names lists the finished payload files, in no order.
func (v *Vault) Names() ([]string, error) {
	return v.list("", payloadName)
}

// Leftovers lists what a crash, or a shred that failed, has left: drafts and staging files of no running upload of
// this process, and files that were overwritten but not yet unlinked. Each is for Shred.
func (v *Vault) Leftovers() ([]string, error) {
	names, err := v.list("", leftoverName)
	if err != nil {
		return nil, err
	}
	staged, err := v.list(stagingDir, leftoverName)
	if err != nil {
		return nil, err
	}
	v.liveMu.Lock()
	defer v.liveMu.Unlock()
	var left []string
	for _, name := range append(names, staged...) {
		if _, ok := v.live[name]; !ok {
			left = append(left, name)
		}
	}
	return left, nil
}

func (v *Vault) list(sub string, match *regexp.Regexp) ([]string, error) {
	all, err := v.cfg.FS.List(v.cfg.path(sub))
	if err != nil {
		return nil, failed("list the folder", err)
	}
	var names []string
	for _, name := range all {
		if match.MatchString(name) {
			if sub != "" {
				name = sub + "/" + name
			}
			names = append(names, name)
		}
	}
	return names, nil
}

// Used is the size of all finished payload files together, in bytes.
func (v *Vault) Used() (int64, error) {
	names, err := v.Names()
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, name := range names {
		fi, err := v.cfg.FS.Stat(v.cfg.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // shredded meanwhile
		}
		if err != nil {
			return 0, failed("look at a payload", err)
		}
		sum += fi.Size()
	}
	return sum, nil
}

// create makes a file for reading and writing that only we may open.
func (c Config) create(name string) (vfs.File, error) {
	f, err := c.FS.OpenReadWrite(c.path(name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, failed("create a file", err)
	}
	// vfs takes no mode. The folder is 0700 already; this is for the day somebody loosens it.
	if fd := f.Fd(); fd != vfs.InvalidFd {
		if err := syscall.Fchmod(int(fd), 0o600); err != nil {
			f.Close()
			return nil, failed("protect a file", err)
		}
	}
	return f, nil
}

// syncDir makes the names in a folder durable.
func (c Config) syncDir(dir string) error {
	d, err := c.FS.OpenDir(dir)
	if err != nil {
		return failed("open the folder", err)
	}
	if err := d.Sync(); err != nil {
		d.Close()
		return failed("sync the folder", err)
	}
	return failed("close the folder", d.Close())
}

func (v *Vault) setLive(name string, live bool) {
	v.liveMu.Lock()
	defer v.liveMu.Unlock()
	if live {
		v.live[name] = struct{}{}
	} else {
		delete(v.live, name)
	}
}

// failed says what was tried. It drops the path that the operating system's errors carry: a payload's name in a log
// line would outlive the payload.
func failed(what string, err error) error {
	if err == nil {
		return nil
	}
	var path *fs.PathError
	var link *os.LinkError
	var call *os.SyscallError
	switch {
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	case errors.As(err, &call):
		err = call.Err
	}
	return fmt.Errorf("vault: %s: %w", what, err)
}

// nameLock keeps two shreds of one file apart, without making one file wait for another.
type nameLock struct {
	mu   sync.Mutex
	held map[string]*heldName
}

type heldName struct {
	sync.Mutex
	users int // guarded by nameLock.mu
}

func (l *nameLock) lock(name string) (unlock func()) {
	l.mu.Lock()
	h := l.held[name]
	if h == nil {
		h = &heldName{}
		l.held[name] = h
	}
	h.users++
	l.mu.Unlock()
	h.Lock()
	return func() {
		h.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if h.users--; h.users == 0 {
			delete(l.held, name)
		}
	}
}
