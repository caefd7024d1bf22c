//go:build !linux

package testkit

import "syscall"

func dies() *syscall.SysProcAttr { return nil }
