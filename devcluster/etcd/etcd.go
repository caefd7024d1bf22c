// Package etcd runs one etcd member on unix sockets, tuned for a control plane that is thrown away:
// it elects itself at once and never waits for the disk.
//
// It never listens on the network, so any number of them run side by side.
package etcd

import (
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"go.etcd.io/etcd/server/v3/embed"
)

// Main serves clients on the socket etcd.sock in the working directory until SIGTERM or SIGINT,
// and returns the exit code. The socket's name is relative because the path of a socket may have
// no more than 108 bytes, which the directory of a test easily exceeds.
func Main(args []string, errOut io.Writer) int {
	f := flag.NewFlagSet("etcd", flag.ContinueOnError)
	f.SetOutput(errOut)
	dir := f.String("data-dir", "etcd", "where the data is")
	if err := f.Parse(args); err != nil {
		return 2
	}
	if err := serve(*dir); err != nil {
		_, _ = fmt.Fprintf(errOut, "etcd: %v\n", err)
		return 1
	}
	return 0
}

func serve(dir string) error {
	e, err := embed.StartEtcd(config(dir))
	if err != nil {
		return fmt.Errorf("start member: %w", err)
	}
	defer e.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-stop:
		return nil
	case err := <-e.Err():
		return fmt.Errorf("serve clients: %w", err)
	}
}

func config(dir string) *embed.Config {
	client := []url.URL{{Scheme: "unix", Host: "etcd.sock"}}
	// Nobody connects to what is advertised, but etcd wants it in the form of a host and a port.
	peer := []url.URL{{Scheme: "unix", Host: "etcd-peer.sock:0"}}
	c := embed.NewConfig()
	c.Dir = dir
	c.ListenClientUrls, c.AdvertiseClientUrls = client, peer
	c.ListenPeerUrls, c.AdvertisePeerUrls = peer, peer
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.EnableGRPCGateway = false
	// A lone member waits for one election timeout before it may lead. Nobody else votes: keep it short.
	c.TickMs, c.ElectionMs = 10, 100
	// The data outlives any process; only a crash of the machine can hurt it.
	c.UnsafeNoFsync = true
	c.QuotaBackendBytes = 8 << 30                                            // the default of 2 GiB is too small for scale tests
	c.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration // else every request is one
	c.LogLevel = "warn"
	c.LogOutputs = []string{"stderr"}
	return c
}
