package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Free ports are sought below the range from which Linux picks the ports of outgoing connections
// (32768 and up): otherwise a connection of a stranger could take the API server's port while it is down.
const (
	lowestPort  = 20000
	highestPort = 31999
)

// choosePort returns a port and remembers it under a name: the wanted one, or else the one d had before if it is free, or else any
// free one.
func choosePort(d dir, name string, wanted int) (int, error) {
	port, err := freePort(d, name, wanted)
	if err != nil {
		return 0, err
	}
	return port, d.write(name, []byte(strconv.Itoa(port)+"\n"))
}

func freePort(d dir, name string, wanted int) (int, error) {
	if wanted != 0 {
		if err := tryPort(wanted); err != nil {
			return 0, fmt.Errorf("port %d on 127.0.0.1 is in use: stop what listens there, or choose another with --port", wanted)
		}
		return wanted, nil
	}
	if before := d.number(name); before != 0 && tryPort(before) == nil {
		return before, nil
	}
	var err error
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort+1)
		if err = tryPort(port); err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

func tryPort(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}
