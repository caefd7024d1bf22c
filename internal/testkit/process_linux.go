package testkit

import (
	"syscall"
	"unsafe"
)

// dies lets a process end with the test that started it, even if the test is killed.
func dies() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }

// limitFiles sets how large the files may become that a running process, and what it starts, writes. It returns what that was.
func limitFiles(pid int, most uint64) (was uint64, err error) {
	const fileSize = 1 // RLIMIT_FSIZE
	var now syscall.Rlimit
	set := func(limit *syscall.Rlimit, before *syscall.Rlimit) error {
		_, _, code := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), fileSize, uintptr(unsafe.Pointer(limit)), uintptr(unsafe.Pointer(before)), 0, 0) //nolint:gosec // as the call wants it
		if code != 0 {
			return code
		}
		return nil
	}
	if err := set(nil, &now); err != nil {
		return 0, err
	}
	return now.Cur, set(&syscall.Rlimit{Cur: most, Max: now.Max}, nil)
}

// as lets a process run as another user.
func as(attr *syscall.SysProcAttr, uid, gid uint32) {
	attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
}
