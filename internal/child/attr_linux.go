package child

import "syscall"

// Attributes make the kernel end a process when the thread that started it ends, and keep Ctrl-C from it: it is stopped in its turn.
func Attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// apart is a process that outlives this one.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
