package demo

import "syscall"

// child makes the kernel end a process when the thread that started it ends, and keeps Ctrl-C from it: it is stopped in its turn.
func child() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// apart is a process that outlives this one.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
