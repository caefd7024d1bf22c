//go:build !linux

package jsonnet

import (
	"os"
	"time"
)

// limit holds this process to its limits where the kernel is not asked to.
func limit(l Limits) {
	time.AfterFunc(l.Computing, func() { os.Exit(exitComputing) })
}
