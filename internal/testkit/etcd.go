package testkit

import (
	"context"
	protobuf "encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Compact lets the control plane's etcd forget every revision but the newest, as it does by itself after some minutes. An API server that is restarted then has
// nothing to say to a watch that was away.
func (p *Plane) Compact(t testing.TB) {
	t.Helper()
	if err := p.compact(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// compact asks etcd in its own protocol, since this is all that is ever asked of it: one message of gRPC, on its socket.
func (p *Plane) compact(ctx context.Context) error {
	list, err := p.Kube.CoreV1().Namespaces().List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	revision, err := strconv.ParseUint(list.ResourceVersion, 10, 64)
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	message := append(protobuf.AppendUvarint([]byte{1 << 3}, revision), 2<<3, 1) // CompactionRequest: 1 revision, 2 physical
	body, w := io.Pipe()
	go func() {
		_, _ = w.Write(append(protobuf.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)) //nolint:gosec // some bytes
		_ = w.Close()
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://etcd/etcdserverpb.KV/Compact", body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	// The path of a socket may have no more than 108 bytes, which the directory of a test easily exceeds.
	dir, err := os.Open(p.Dir)
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	defer func() { _ = dir.Close() }()
	transport := &http.Transport{Protocols: new(http.Protocols), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/etcd.sock", dir.Fd()))
	}}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	status := res.Trailer.Get("Grpc-Status") + res.Header.Get("Grpc-Status")
	const outOfRange = "11" // the API server compacts now and then, too, and was faster
	if res.StatusCode == http.StatusOK && status == outOfRange {
		return nil
	}
	if res.StatusCode != http.StatusOK || status != "0" {
		return fmt.Errorf("compact: etcd answers %s, gRPC status %q: %s", res.Status, status, res.Trailer.Get("Grpc-Message")+res.Header.Get("Grpc-Message"))
	}
	return nil
}
