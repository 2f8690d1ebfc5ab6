package onion

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
)

// Door is an onion address beside the service's own: its key, the socket at which its visitors arrive, and who may visit.
type Door struct {
	Key     Key
	Target  string   // as Config.Target, and in the same folder
	Private bool     // only Clients get in, nobody if there are none; false: everybody
	Clients []Client // who gets in, if it is private
}

// door is one of the service's addresses.
type door struct {
	Door
	listener *net.UnixListener
}

// doors opens every door's socket, the service's own first, or none.
func (c Config) doors() (doors []*door, err error) {
	all := []Door{{Key: c.Key, Target: c.Target, Private: c.Private, Clients: c.Clients}}
	if c.Second != nil {
		all = append(all, *c.Second)
	}
	for _, d := range all {
		l, err := listen(d.Target)
		if err != nil {
			for _, open := range doors {
				open.listener.Close()
			}
			return nil, err
		}
		doors = append(doors, &door{Door: d, listener: l})
	}
	return doors, nil
}

// addOnion is the line that asks for a door (control-spec 3.27). bine's own request is not used because it does not know
// proof of work.
func (d Door) addOnion(cfg Config, probe Client) string {
	var line strings.Builder
	fmt.Fprintf(&line, "ADD_ONION ED25519-V3:%s Flags=MaxStreamsCloseCircuit", d.Key.blob())
	if d.Private {
		line.WriteString(",V3Auth")
	}
	fmt.Fprintf(&line, " MaxStreams=%d", cfg.MaxStreams)
	if !cfg.NoPoW {
		fmt.Fprintf(&line, " PoWDefensesEnabled=1 PoWQueueRate=%d PoWQueueBurst=%d", cfg.PoWRate, cfg.PoWBurst)
	}
	if d.Private { // our own probe is a visitor too; and without any client tor would open the door to everybody
		for _, c := range append([]Client{probe}, d.Clients...) {
			fmt.Fprintf(&line, " ClientAuthV3=%s", c)
		}
	}
	// The bare file name, because ADD_ONION cannot quote and a folder's name may hold a space; tor runs in
	// the socket's folder.
	fmt.Fprintf(&line, " Port=80,unix:%s", filepath.Base(d.Target))
	return line.String()
}

// MaxClients is how many clients a descriptor is sure to have room for: it may have 50000 bytes (rend-spec-v3,
// HSDir's limit), and each client takes about 110 of them.
const MaxClients = 200

// ErrTooMany says that a private address has more clients than a descriptor can hold.
var ErrTooMany = fmt.Errorf("a private address can have %d clients: give several people one key, or use a second instance", MaxClients)

// Client is the public half of a visitor's key for a private address: x25519, 32 bytes (rend-spec-v3, client
// authorisation). It lets nobody in by itself.
type Client [32]byte

// base32 as tor writes and reads keys.
var clientText = base32.StdEncoding.WithPadding(base32.NoPadding)

// ErrClient says that a text is not the public half of a client's key.
var ErrClient = errors.New("not a client's public key: 52 characters of base32")

// String is the form in which tor takes it: base32 in upper case, 52 characters.
func (c Client) String() string { return clientText.EncodeToString(c[:]) }

// ParseClient reads what String writes.
func ParseClient(s string) (c Client, err error) {
	raw, err := clientText.DecodeString(s)
	if err != nil || len(raw) != len(c) || clientText.EncodeToString(raw) != s {
		return c, ErrClient
	}
	return Client(raw), nil
}

// NewClient makes the key of a visitor to an address. line is what the visitor needs, in the format of tor's
// *.auth_private files, of which Tor Browser asks for the part behind the last colon. It is secret and kept nowhere.
func NewClient(address string) (public Client, line string) {
	public, private := newPair()
	return public, strings.TrimSuffix(address, ".onion") + ":descriptor:x25519:" + clientText.EncodeToString(private[:])
}

func newPair() (public Client, private [32]byte) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // the system's randomness does not fail
	}
	return Client(key.PublicKey().Bytes()), [32]byte(key.Bytes())
}

// pass is the key with which our own probe visits private doors, new in every run and kept nowhere else.
type pass struct {
	public  Client
	private [32]byte
}

func newPass() pass {
	public, private := newPair()
	return pass{public, private}
}

// use gives the key to the probing tor, which forgets it with everything else.
func (p pass) use(c *control, id string) error {
	_, err := c.request("ONION_CLIENT_AUTH_ADD", "ONION_CLIENT_AUTH_ADD "+id+" x25519:"+base64.StdEncoding.EncodeToString(p.private[:]))
	return err
}

// Admit says who may visit an address from now on. Whoever is inside of it and private may have lost his key: every
// circuit is closed, and those who still have theirs come in again. It fails with ErrTooMany, or if there is no such
// address; a tor that is not there now is told when it comes.
func (s *Service) Admit(address string, private bool, clients []Client) error {
	if len(clients) > MaxClients {
		return ErrTooMany
	}
	s.mu.Lock()
	at := slices.IndexFunc(s.doors, func(d *door) bool { return d.Key.Address() == address })
	if at < 0 {
		s.mu.Unlock()
		return errors.New("no such address")
	}
	d := s.doors[at]
	d.Private, d.Clients = private, slices.Clone(clients)
	tor := s.front.tor
	s.mu.Unlock()
	if tor == nil {
		return nil
	}
	s.republish(tor, "who may visit has changed: the service is published anew")
	if err := tor.control.closeVisits(d.Key.serviceID()); err != nil {
		s.host.replace("circuits do not close") // another tor closes them all
	}
	return nil
}

// closeVisits closes every circuit to a visitor of a service.
func (c *control) closeVisits(id string) error {
	resp, err := c.request("GETINFO", "GETINFO circuit-status")
	if err != nil {
		return err
	}
	for _, f := range values(resp.Data, "circuit-status") {
		if !slices.Contains(f, "REND_QUERY="+id) || slices.Contains(f, isIntro) {
			continue
		}
		_, err := c.request("CLOSECIRCUIT", "CLOSECIRCUIT "+f[0])
		if errors.Is(err, errSilent) {
			return err
		} // else it is closed by now
	}
	return nil
}
