package main

import (
	"context"
	"errors"
	"io"
	"net"

	"emberdrop/handlers"
	"emberdrop/onion"
)

// doors are the addresses at which a server is reached. The first is the onion
// service's own, or that of --listen, and every link begins with it.
type doors struct {
	all    []*door
	origin string // of the first
}

// door is one of them: what is served there, to whom.
type door struct {
	half     handlers.Half
	origin   string
	listener net.Listener
	server   *handlers.Server
}

// serveAll makes a server for every door. They share the connections that there may be: a crowd at one must not keep
// the other from having any.
func (d *doors) serveAll(cfg handlers.Config) error {
	cfg.Connections /= len(d.all)
	for _, door := range d.all {
		cfg.Half, cfg.Here = door.half, door.origin
		service, err := handlers.New(cfg)
		if err != nil {
			return err
		}
		door.server = handlers.NewServer(service)
	}
	return nil
}

// shutdown lets answers under way come to their end until ctx does; now: nobody gets that long.
func (d *doors) shutdown(ctx context.Context, now bool) {
	for _, door := range d.all {
		if now || door.server.Shutdown(ctx) != nil {
			door.server.Close()
		}
	}
}

// closeListeners is for a start that fails.
func (d *doors) closeListeners() (err error) {
	for _, door := range d.all {
		err = errors.Join(err, door.listener.Close())
	}
	return err
}

// onionDoors adds to cfg who may come in, and the second address if there is one.
func (s *server) onionDoors(cfg *onion.Config) error {
	list, err := s.folder.clients()
	if err != nil {
		return err
	}
	cfg.Clients = keysFor(list, openDoor)
	cfg.Private = len(cfg.Clients) > 0
	two, err := s.folder.twoAddresses()
	if err != nil || !two {
		return err
	}
	// To leave something here takes a key, also when nobody has one yet.
	cfg.Second = &onion.Door{Key: s.key.Derive(leaveLabel), Target: s.folder.in("leave.sock"), Private: true, Clients: keysFor(list, leaveDoor)}
	return nil
}

// opened notes the doors that the onion service has opened.
func (s *server) opened() {
	first := &door{origin: "http://" + s.key.Address(), listener: s.onion.Listener()}
	s.doors = doors{all: []*door{first}, origin: first.origin}
	if second := s.onion.Second(); second != nil {
		first.half = handlers.Opening
		s.doors.all = append(s.doors.all, &door{half: handlers.Leaving, origin: "http://" + s.key.Derive(leaveLabel).Address(), listener: second})
	}
}

// admit has the onion service let in who is on the list now.
func (s *server) admit() error {
	if s.onion == nil {
		return hint{errors.New("a server without Tor has no private address"), "start it without --listen"}
	}
	list, err := s.folder.clients()
	if err != nil {
		return err
	}
	first := keysFor(list, openDoor)
	err = s.onion.Admit(s.key.Address(), len(first) > 0, first)
	if s.onion.Second() != nil {
		err = errors.Join(err, s.onion.Admit(s.key.Derive(leaveLabel).Address(), true, keysFor(list, leaveDoor)))
	}
	return err
}

// printAddresses prints the address of a folder, or both.
func (f folder) printAddresses(out io.Writer, key onion.Key) error {
	if err := printAddress(out, key); err != nil {
		return err
	}
	two, err := f.twoAddresses()
	if err != nil || !two {
		return err
	}
	return printLeaving(out, "http://"+key.Derive(leaveLabel).Address())
}
