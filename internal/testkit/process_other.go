//go:build !linux

package testkit

import (
	"errors"
	"syscall"
)

func dies() *syscall.SysProcAttr { return nil }

func limitFiles(int, uint64) (uint64, error) {
	return 0, errors.New("the files of another process can be limited on Linux alone")
}

func as(*syscall.SysProcAttr, uint32, uint32) {}
