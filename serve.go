package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"emberdrop/handlers"
	"emberdrop/link"
	"emberdrop/onion"
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
}

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve --data DIR",
		Short: "start tor, publish the onion service and serve it; the address goes to standard output once it is published",
		Args:  cobra.NoArgs,
	}
	open := dataFlags(cmd)
	var flags serveFlags
	set := cmd.Flags()
	set.StringVar(&flags.tor, "tor", "", "`path` of the tor binary (default from PATH)")
	set.StringVar(&flags.torrcExtra, "torrc-extra", "", "`file` with more torrc lines: bridges, or a private network")
	set.StringVar(&flags.listen, "listen", "", "serve plain HTTP on `ADDR|unix:PATH` instead of Tor: for tests, or a proxy that you trust")
	set.StringVar(&flags.publicURL, "public-url", "", "with --listen: the `URL` that links begin with")
	set.DurationVar(&flags.leaseIdle, "lease-idle", 5*time.Minute, "a viewer's lease ends after so long without a fetch")
	set.DurationVar(&flags.leaseMax, "lease-max", time.Hour, "a viewer's lease ends at the latest after this")
	set.DurationVar(&flags.receiptTTL, "receipt-ttl", 24*time.Hour, "a receipt answers so long after the link's end")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f, err := open()
		if err != nil {
			return err
		}
		if flags.publicURL != "" && flags.listen == "" {
			return usageError{errors.New("--public-url goes with --listen: over Tor, links begin with the onion address")}
		}
		return serve(cmd.Context(), f, flags, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// serve runs until ctx ends or something fails that it cannot mend.
func serve(ctx context.Context, f folder, flags serveFlags, stdout, stderr io.Writer) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	events := slog.New(slog.NewTextHandler(stderr, nil))

	store, err := f.open(events, func(err error) { stop(fmt.Errorf("the log has stopped: %w", err)) })
	if err != nil {
		return err
	}
	cfg := store.config()
	cfg.Events = events
	cfg.LeaseIdle, cfg.LeaseMax, cfg.ReceiptTTL = flags.leaseIdle, flags.leaseMax, flags.receiptTTL
	links := link.New(cfg)

	// Nobody is served before what a crash left has been mended.
	if err := links.Repair(); err != nil {
		return errors.Join(fmt.Errorf("repair: %w", err), store.close())
	}
	err = publish(ctx, stop, f, flags, links, events, stdout, stderr)
	return errors.Join(err, store.close())
}

// publish opens the door, over Tor or plain, and serves until ctx ends.
func publish(ctx context.Context, stop context.CancelCauseFunc, f folder, flags serveFlags, links *link.Links, events *slog.Logger, stdout, stderr io.Writer) error {
	listener, origin, service, err := door(ctx, f, flags, events, stderr)
	if err != nil {
		return err
	}
	handler, err := handlers.New(handlers.Config{Links: links, Origin: origin, Log: events})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := handlers.NewServer(handler)
	var running sync.WaitGroup
	running.Go(func() { sweeper.New(sweeper.Config{Links: links, Events: events}).Run(ctx) })
	running.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			stop(fmt.Errorf("serving: %w", err))
		}
	})
	if service != nil {
		running.Go(func() { announce(ctx, stop, service, origin, stdout) })
	} else {
		fmt.Fprintf(stdout, "address: %s\n", origin)
	}
	<-ctx.Done()
	err = context.Cause(ctx)
	if errors.Is(err, context.Canceled) {
		err = nil // asked to end
	}
	// Downloads get a moment; whoever is cut off has a lease no more, so no longer one.
	calm, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if server.Shutdown(calm) != nil {
		server.Close()
	}
	if service != nil {
		err = errors.Join(err, service.Close())
	}
	running.Wait()
	return err
}

// door is where visitors come in: the onion service, or the address of --listen.
func door(ctx context.Context, f folder, flags serveFlags, events *slog.Logger, stderr io.Writer) (net.Listener, string, *onion.Service, error) {
	if flags.listen != "" {
		network, address := "tcp", flags.listen
		if path, unix := strings.CutPrefix(flags.listen, "unix:"); unix {
			network, address = "unix", path
		}
		listener, err := net.Listen(network, address)
		if err != nil {
			return nil, "", nil, err
		}
		origin := strings.TrimSuffix(flags.publicURL, "/")
		if origin == "" {
			origin = "http://" + listener.Addr().String()
		}
		return listener, origin, nil, nil
	}
	key, err := f.onionKey()
	if err != nil {
		return nil, "", nil, err
	}
	if err := os.MkdirAll(f.in("tor"), 0o700); err != nil {
		return nil, "", nil, err
	}
	service, err := onion.Start(ctx, onion.Config{
		Tor: flags.tor, DataDir: f.in("tor"), Key: key, Target: f.in("door.sock"),
		TorrcExtra: flags.torrcExtra, Log: events, Progress: newProgress(stderr).show,
	})
	if err != nil {
		return nil, "", nil, err
	}
	return service.Listener(), "http://" + key.Address(), service, nil
}

// announce prints the address when the descriptor is uploaded, not before: an
// address that does not answer yet teaches people to distrust it.
func announce(ctx context.Context, stop context.CancelCauseFunc, service *onion.Service, origin string, stdout io.Writer) {
	if err := service.Published(ctx); err == nil {
		fmt.Fprintf(stdout, "address: %s\n", origin)
	}
	select {
	case <-ctx.Done():
	case <-service.Done():
		stop(fmt.Errorf("tor has stopped: %w", service.Err()))
	}
}
