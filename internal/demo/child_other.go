//go:build !linux

package demo

import "syscall"

// Elsewhere the kernel does not end a child with its parent; a child that is left behind has to be ended by hand.
func child() *syscall.SysProcAttr { return nil }

func apart() *syscall.SysProcAttr { return nil }
