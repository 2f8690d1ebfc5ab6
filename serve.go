package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"emberdrop/handlers"
	"emberdrop/link"
	"emberdrop/onion"
	"emberdrop/seal"
	"emberdrop/sweeper"
)

type serveFlags struct {
	tor        string
	torrcExtra string
	listen     string
	publicURL  string
	leaseIdle  time.Duration
	leaseMax   time.Duration
	receiptTTL time.Duration
	purgeDead  int64
	purgeAge   time.Duration
	floor      int64
	maxFile    int64
	maxPass    int64
	maxUpload  int64
	anyFile    bool
	hardenFlags
	limits
	caseFlags
	reachFlags
	scanFlags
}

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve --data DIR",
		Short: "start tor, publish the onion service and serve it",
		Args:  cobra.NoArgs,
	}
	open := dataFlags(cmd)
	flags := serveFlags{purgeDead: 64 << 20, floor: 256 << 20, maxFile: 50 << 20, maxPass: 100 << 20, maxUpload: 200 << 20}
	set := cmd.Flags()
	set.StringVar(&flags.tor, "tor", "", "`path` of the tor binary (default from PATH)")
	set.StringVar(&flags.torrcExtra, "torrc-extra", "", "`file` with more torrc lines: bridges, or a private network")
	set.StringVar(&flags.listen, "listen", "", "serve plain HTTP on `ADDR|unix:PATH` instead of Tor: for tests, or a proxy that you trust")
	set.StringVar(&flags.publicURL, "public-url", "", "with --listen: the `URL` that links begin with")
	set.DurationVar(&flags.leaseIdle, "lease-idle", 5*time.Minute, "a viewer's lease ends after so long without a fetch")
	set.DurationVar(&flags.leaseMax, "lease-max", time.Hour, "a viewer's lease ends at the latest after this")
	set.DurationVar(&flags.receiptTTL, "receipt-ttl", 24*time.Hour, "a receipt answers so long after the link's end")
	set.DurationVar(&flags.purgeAge, "purge-age", 24*time.Hour, "a finished link leaves the log at the latest so long after its receipt has lapsed")
	set.Var(sizeFlag{&flags.purgeDead}, "purge-dead", "purge sooner when so many `bytes` of the log are dead")
	set.Var(sizeFlag{&flags.floor}, "free-floor", "refuse uploads when less `room` than this would be left on the disk")
	set.Var(sizeFlag{&flags.maxFile}, "max-file", "largest `size` of one file")
	set.Var(sizeFlag{&flags.maxPass}, "max-pass-file", "largest `size` of one file of an upload that comes with a pass")
	set.Var(sizeFlag{&flags.maxUpload}, "max-upload", "largest `size` of one upload's files together")
	set.BoolVar(&flags.anyFile, "allow-any-file", false, "take files of other kinds too, as they are, metadata included, for download only")
	flags.hardenFlags.register(set)
	flags.limits.register(set)
	flags.caseFlags.register(set)
	flags.reachFlags.register(set)
	flags.scanFlags.register(set)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := flags.limits.check(); err != nil {
			return err
		}
		f, err := open()
		if err != nil {
			return err
		}
		if err := flags.checkUser(); err != nil {
			return err
		}
		if seal.Plaintext && flags.listen == "" {
			return errors.New("this is the test build that encrypts nothing: it does not serve over Tor")
		}
		if flags.publicURL != "" && flags.listen == "" {
			return usageError{errors.New("--public-url goes with --listen: over Tor, links begin with the onion address")}
		}
		return serve(cmd.Context(), f, flags, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// server is a running service and what its operator's commands reach.
type server struct {
	folder   folder
	flags    serveFlags
	store    *opened
	links    *link.Links
	sweeper  *sweeper.Sweeper
	events   *slog.Logger
	stop     context.CancelCauseFunc // ends it, with the reason
	started  time.Time
	panics   chan os.Signal // SIGUSR2
	bar      *progress      // on standard error, with the log
	sealed   bool           // the keys are, on the disk
	unfenced []string       // what the kernel could not take from this process, see harden.Report
	super    supervisor

	doors doors
	key   onion.Key      // zero with --listen
	onion *onion.Service // nil with --listen
}

// serve runs until ctx ends or something fails that it cannot mend.
func serve(ctx context.Context, f folder, flags serveFlags, stdout, stderr io.Writer) error {
	if err := f.refusePanicked(); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	bar := newProgress(stderr)
	s := &server{
		folder: f, flags: flags, stop: stop, started: time.Now(), panics: make(chan os.Signal, 1),
		bar: bar, events: slog.New(slog.NewTextHandler(bar, nil)),
	}
	// Before anything that takes time: a SIGUSR2 must not be lost.
	signal.Notify(s.panics, syscall.SIGUSR2)
	defer signal.Stop(s.panics)
	s.super = newSupervisor()
	defer s.super.close()
	guardMemory(s.events)

	// The keys first: from then on the process reaches the data folder, tor and nothing else.
	unlockKeys, err := f.lockKeys()
	if err != nil {
		return err
	}
	defer unlockKeys()
	if err := f.settle(); err != nil {
		return err
	}
	host, err := f.hostKey()
	if err != nil {
		return err
	}
	if flags.listen == "" {
		if s.key, err = f.onionKey(); err != nil {
			return err
		}
	}
	s.sealed = f.unlock.known != nil
	f.unlock.forget()
	if err := s.flags.caseFlags.read(f); err != nil {
		return err
	}
	if err := s.flags.scanFlags.open(f); err != nil {
		return err
	}
	if err := s.fence(); err != nil {
		return err
	}
	started := s.super.busy("reading the log, mending what a crash left")
	defer func() { started() }()
	s.store, err = f.openWith(host, s.events, func(err error) { stop(fmt.Errorf("the log has stopped: %w", err)) })
	if err != nil {
		return err
	}
	unlockKeys() // whoever replaces them from now on finds the log locked, or leaves the address as it is
	cfg := s.store.config()
	cfg.Events, cfg.Now = s.events, clock
	cfg.LeaseIdle, cfg.LeaseMax, cfg.ReceiptTTL = flags.leaseIdle, flags.leaseMax, flags.receiptTTL
	cfg.MaxFile, cfg.MaxPassFile, cfg.MaxUpload, cfg.AnyFile = flags.maxFile, flags.maxPass, flags.maxUpload, flags.anyFile
	cfg.Free, cfg.Floor = func() (int64, error) { return freeBytes(f.path) }, flags.floor
	flags.limits.forLink(&cfg)
	s.flags.caseFlags.forLink(&cfg)
	s.flags.scanFlags.forLink(&cfg)
	flags.limits.warnFiles(s.events)
	s.links = link.New(cfg)
	s.sweeper = sweeper.New(sweeper.Config{
		Links: s.links, Events: s.events, Now: clock, PurgeDead: flags.purgeDead, PurgeAge: flags.purgeAge,
	})
	// Nobody is served before what a crash left has been mended.
	if err := s.links.Repair(); err != nil {
		return errors.Join(fmt.Errorf("repair: %w", err), s.store.close())
	}
	started()
	err = s.publish(ctx, stdout)
	if errors.Is(err, errPanicked) {
		defer s.super.busy("shredding everything after a panic")()
		err = s.links.Wipe(context.WithoutCancel(ctx))
	}
	return errors.Join(err, s.store.close())
}

// publish opens the door, over Tor or plain, and serves until ctx ends.
func (s *server) publish(ctx context.Context, stdout io.Writer) error {
	admin, err := s.folder.listenAdmin()
	if err != nil {
		return err
	}
	defer admin.Close()
	if err := s.door(ctx); err != nil {
		return err
	}
	pages := handlers.Config{
		Links: s.links, Origin: s.doors.origin, Log: s.events, Now: clock, ReceiptTTL: s.flags.receiptTTL,
		Limits: handlers.Limits{
			MaxFile: s.flags.maxFile, MaxPassFile: s.flags.maxPass, MaxUpload: s.flags.maxUpload, AnyFile: s.flags.anyFile,
		},
	}
	s.flags.limits.forHandlers(&pages)
	if err := s.doors.serveAll(pages); err != nil {
		if s.onion != nil {
			return errors.Join(err, s.onion.Close())
		}
		return errors.Join(err, s.doors.closeListeners())
	}
	private := &http.Server{Handler: s.admin(), ReadHeaderTimeout: time.Minute}
	var running sync.WaitGroup
	running.Go(func() { s.sweeper.Run(ctx) })
	running.Go(func() { s.panicOn(ctx) })
	running.Go(func() { s.folder.keepBallast(ctx, s.flags.floor) })
	running.Go(func() { s.ended(private.Serve(admin)) })
	for _, door := range s.doors.all {
		running.Go(func() { s.ended(door.server.Serve(door.listener)) })
	}
	running.Go(func() { s.announce(ctx, stdout) })
	running.Go(func() { s.super.guard(ctx, s.alive) })
	// What cannot be mended has been ruled out. A network that is not there yet must not hold up the boot.
	s.super.tell("READY=1")
	<-ctx.Done()
	s.super.tell("STOPPING=1")
	err = context.Cause(ctx)
	if errors.Is(err, context.Canceled) {
		err = nil // asked to end
	}
	// Downloads get a moment; after a panic nobody does, but the operator's answer.
	calm, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s.doors.shutdown(calm, errors.Is(err, errPanicked))
	private.Shutdown(calm)
	if s.onion != nil {
		err = errors.Join(err, s.onion.Close())
	}
	running.Wait()
	return err
}

// ended takes the end of a listener: unless it was asked for, it ends the server.
func (s *server) ended(err error) {
	if !errors.Is(err, http.ErrServerClosed) {
		s.stop(fmt.Errorf("serving: %w", err))
	}
}

// panicOn panics on SIGUSR2.
func (s *server) panicOn(ctx context.Context) {
	select {
	case <-s.panics:
		if err := s.panicNow(); err != nil {
			s.events.Error("panic could not do everything", "room", "main")
		}
	case <-ctx.Done():
	}
}

// door is where visitors come in: the onion service, or the address of --listen.
func (s *server) door(ctx context.Context) error {
	if s.flags.listen != "" {
		return s.plainDoor()
	}
	cfg := onion.Config{
		Tor: s.flags.tor, DataDir: s.folder.in("tor"), Key: s.key, Target: s.folder.in("door.sock"),
		TorrcExtra: s.flags.torrcExtra, Log: s.events,
	}
	cfg.Progress = func(p onion.Progress) { s.bar.show(p); s.super.show(p) }
	s.flags.reachFlags.forOnion(&cfg)
	s.flags.limits.forOnion(&cfg)
	err := s.onionDoors(&cfg)
	if err != nil {
		return err
	}
	if s.onion, err = onion.Start(ctx, cfg); err != nil {
		return err
	}
	s.opened()
	return nil
}

// removeStale removes a socket that a crash left: one that nobody answers on.
func removeStale(path string) {
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		os.Remove(path)
	}
}

func (s *server) plainDoor() error {
	network, address := "tcp", s.flags.listen
	if path, unix := strings.CutPrefix(address, "unix:"); unix {
		network, address = "unix", path
		removeStale(path)
	}
	listener, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	origin := cmp.Or(strings.TrimSuffix(s.flags.publicURL, "/"), "http://"+listener.Addr().String())
	s.doors = doors{all: []*door{{origin: origin, listener: listener}}, origin: origin}
	return nil
}
