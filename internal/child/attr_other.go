//go:build !linux

package child

import "syscall"

// Attributes are none: elsewhere the kernel does not end a child with its parent; a child that is left behind has to be ended by hand.
func Attributes() *syscall.SysProcAttr { return nil }

func apart() *syscall.SysProcAttr { return nil }
