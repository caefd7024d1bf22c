package testkit

import "syscall"

// dies lets a process end with the test that started it, even if the test is killed.
func dies() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
